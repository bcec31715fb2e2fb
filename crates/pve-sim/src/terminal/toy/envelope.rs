//! Recognises what a client types to run a script through a terminal: a probe that joins two halves of a sentinel, a here-document
//! with the script in base64, the line that runs it under `timeout`, and the line that prints the outputs between sentinels and
//! ends the session. Lines in between, such as those that show output while the script runs, are taken in and not acted upon.

use super::interpret::Report;
use crate::encoding;

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing of the envelope.
    Plain,
    /// A part of it that needs no answer.
    Consumed,
    /// The probe, with its answer.
    Probed(String),
    /// The script is to be run.
    Run { script: String, seconds: u64 },
    /// The report, after which the session ends.
    Report(String),
}

/// How far the envelope has come.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    probed: bool,
    /// Terminator and base64 text of the here-document.
    document: Option<(String, String)>,
    script: Option<String>,
    report: Option<Report>,
}

impl Envelope {
    /// Takes one typed line.
    pub(super) fn take(&mut self, line: &str) -> Step {
        if let Some((end, text)) = &mut self.document {
            if line == end {
                let bytes = encoding::unbase64(text).unwrap_or_default();
                self.script = Some(String::from_utf8_lossy(&bytes).into_owned());
                self.document = None;
            } else {
                text.push_str(line.trim());
            }
            return Step::Consumed;
        }
        if line.contains("stty -echo") && line.contains("printf") {
            self.probed = true;
            let sentinel = sentinels(line).into_iter().next().unwrap_or_default();
            return Step::Probed(format!("\r\n{sentinel}\r\n"));
        }
        if !self.probed {
            return Step::Plain;
        }
        if line.contains("base64 -d") {
            let end = line.split("<<").nth(1).unwrap_or_default();
            self.document = Some((end.trim_matches('\'').to_owned(), String::new()));
            return Step::Consumed;
        }
        if let Some(rest) = line.split("exec timeout ").nth(1) {
            // `timeout [-k N] SECONDS sh …`
            let seconds = rest
                .split(" sh ")
                .next()
                .and_then(|options| options.split(' ').next_back())
                .and_then(|seconds| seconds.parse().ok())
                .unwrap_or(60);
            let script = self.script.clone().unwrap_or_default();
            return Step::Run { script, seconds };
        }
        if line.contains("head -c") && line.trim_end().ends_with("exit") {
            return self.report(line);
        }
        if self.report.is_some() || self.script.is_some() {
            return Step::Consumed;
        }
        Step::Plain
    }

    /// Keeps the result of the script for the report.
    pub(super) fn ran(&mut self, report: Report) {
        self.report = Some(report);
    }

    fn report(&mut self, line: &str) -> Step {
        let report = self.report.take().unwrap_or_default();
        let marks = sentinels(line);
        let [begin, middle, end] = &marks[..] else {
            return Step::Plain;
        };
        let limit = line
            .split("head -c ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(65536);
        let (out, err) = (&report.stdout, &report.stderr);
        Step::Report(format!(
            "\r\n{begin} {} {} {}\r\n{}{middle}\r\n{}{end}\r\n",
            report.code,
            out.len(),
            err.len(),
            wrapped(&out[..out.len().min(limit)]),
            wrapped(&err[..err.len().min(limit)]),
        ))
    }
}

/// Base64 as `base64` prints it, in lines of 76.
fn wrapped(bytes: &[u8]) -> String {
    let text = encoding::base64(bytes);
    text.as_bytes()
        .chunks(76)
        .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
        .collect()
}

/// Sentinels that are typed in two quoted halves after a `printf` format.
fn sentinels(line: &str) -> Vec<String> {
    line.split("printf ")
        .skip(1)
        .filter_map(|call| {
            let mut quoted = call.split('\'').skip(1).step_by(2);
            let _format = quoted.next()?;
            Some(format!("{}{}", quoted.next()?, quoted.next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_envelope_is_understood_line_by_line() {
        let mut envelope = Envelope::default();
        let probe =
            r" unset HISTFILE; stty -echo 2>/dev/null; PS1= PS2=; printf '\n%s%s\n' 'aaR' 'bb'";
        assert_eq!(envelope.take(probe), Step::Probed("\r\naaRbb\r\n".into()));
        assert_eq!(
            envelope.take(" t=$(mktemp -d) && base64 -d >\"$t/c\" <<'aaH'"),
            Step::Consumed
        );
        assert_eq!(envelope.take("ZWNobyBo"), Step::Consumed);
        assert_eq!(envelope.take("aQo="), Step::Consumed);
        assert_eq!(envelope.take("aaH"), Step::Consumed);
        let run = " (cd; exec timeout -k 2 7 sh \"$t/c\" </dev/null >\"$t/o\" 2>\"$t/e\"); r=$?";
        assert_eq!(
            envelope.take(run),
            Step::Run {
                script: "echo hi\n".into(),
                seconds: 7
            }
        );
        envelope.ran(Report {
            stdout: b"hi\n".to_vec(),
            stderr: Vec::new(),
            code: 0,
        });
        let report = r#" printf '\n%s%s %d %d %d\n' 'aaB' 'bb' "$r" $(wc -c <"$t/o") $(wc -c <"$t/e"); head -c 2 "$t/o" | base64; printf '%s%s\n' 'aaM' 'bb'; head -c 2 "$t/e" | base64; printf '%s%s\n' 'aaE' 'bb'; rm -rf "$t"; exit"#;
        assert_eq!(
            envelope.take(report),
            Step::Report("\r\naaBbb 0 3 0\r\naGk=\r\naaMbb\r\naaEbb\r\n".into())
        );
    }

    #[test]
    fn an_ordinary_line_is_none_of_its_business() {
        assert_eq!(Envelope::default().take("ls -l"), Step::Plain);
    }
}
