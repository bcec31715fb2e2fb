//! Recognises what a client types to run a script through a terminal: a probe that joins two halves
//! of a sentinel, here-documents with a file or a part of it in base64, the line that checks their
//! SHA-256, the line that runs the script under `timeout`, and the line that prints the outputs
//! between sentinels. Those two are typed and end with `exit`, or are lines of a runner that was
//! written before; then the report is shown again for an empty line and for a probe of its own, and
//! anything else ends the session. Lines in between, such as those that show output while the script
//! runs, are taken in and not acted upon.

use std::collections::BTreeMap;

use super::machine::{ENTRY, MEMORY, Report};
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
    /// Something to be shown.
    Show(String),
    /// The report, and whether the session ends with it.
    Report { text: String, ends: bool },
    /// The end of the session.
    Leave,
}

/// How far the envelope has come.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    probed: bool,
    document: Option<Document>,
    /// The parts of the script by the names of their files.
    parts: BTreeMap<String, Vec<u8>>,
    /// Bytes in them.
    kept: usize,
    report: Option<Report>,
    /// The line of a runner that prints the report.
    reports_by: Option<String>,
    /// The report that waits for its receipt.
    shown: Option<String>,
}

/// A here-document that is being typed.
#[derive(Debug)]
struct Document {
    file: String,
    end: String,
    base64: String,
}

impl Envelope {
    /// Takes one typed line.
    pub(super) fn take(&mut self, line: &str) -> Step {
        if let Some(document) = &mut self.document {
            if line != document.end {
                // What is too large fails at the check of its sum, like what was lost.
                if self.kept + document.base64.len() + line.len() <= MEMORY {
                    document.base64.push_str(line.trim());
                }
            } else if let Some(Document { file, base64, .. }) = self.document.take() {
                let bytes = encoding::unbase64(&base64).unwrap_or_default();
                let size = bytes.len() + file.len() + ENTRY;
                if self.kept + size <= MEMORY {
                    self.kept += size;
                    self.parts.insert(file, bytes);
                }
            }
            return Step::Consumed;
        }
        if let Some(shown) = &self.shown {
            let own = shown.trim().split('B').next().unwrap_or_default();
            return match line.trim() {
                "" => Step::Show(shown.clone()),
                line if line.contains(own) => Step::Show(shown.clone()),
                _ => Step::Leave,
            };
        }
        if self.probed && line.contains("sha256sum </dev/null") {
            self.parts.clear();
            self.kept = 0;
            let sentinel = sentinels(line).into_iter().next().unwrap_or_default();
            return Step::Show(format!("\r\n{sentinel} 0\r\n"));
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
            self.document = Some(Document {
                file: file_name(line),
                end: end.trim_matches('\'').to_owned(),
                base64: String::new(),
            });
            return Step::Consumed;
        }
        if line.contains("sha256sum") && line.contains("printf") {
            return self.check(line);
        }
        if line.contains("exec timeout ") {
            return self.run(line);
        }
        if line.contains("head -c") && line.contains("| base64") && self.report.is_some() {
            return self.report(line);
        }
        if line == " _402g" {
            return self.run_by_runner();
        }
        if line.contains("mv \"$t/w\" \"$t/n\"") {
            let sentinel = sentinels(line).into_iter().next().unwrap_or_default();
            return Step::Show(format!("\r\n{sentinel}\r\n"));
        }
        if !self.parts.is_empty() && line.trim_end().ends_with("; exit") {
            return Step::Leave;
        }
        if !self.parts.is_empty() && line.trim() != "exit" {
            return Step::Consumed;
        }
        Step::Plain
    }

    /// Keeps the result of the script for the report, and gives the report where a runner prints it.
    pub(super) fn ran(&mut self, report: Report) -> Option<String> {
        self.report = Some(report);
        let line = self.reports_by.take()?;
        match self.report(&line) {
            Step::Report { text, .. } => self.shown.insert(text).clone().into(),
            _ => None,
        }
    }

    /// Ends a here-document that is being typed.
    pub(super) fn interrupt(&mut self) {
        self.document = None;
    }

    fn run(&self, line: &str) -> Step {
        // `timeout [-k N] SECONDS sh …`
        let seconds = line
            .split("exec timeout ")
            .nth(1)
            .and_then(|rest| rest.split(" sh ").next())
            .and_then(|options| options.split(' ').next_back())
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(60);
        let parts = self.parts.iter().filter(|(name, _)| name.starts_with('c'));
        let bytes: Vec<u8> = parts.flat_map(|(_, part)| part).copied().collect();
        let script = String::from_utf8_lossy(&bytes).into_owned();
        Step::Run { script, seconds }
    }

    fn run_by_runner(&mut self) -> Step {
        let runner = self.parts.get("f").map_or(&[][..], Vec::as_slice);
        let runner = String::from_utf8_lossy(runner).into_owned();
        let line_with = |text: &str| runner.lines().find(|line| line.contains(text));
        let (Some(run), Some(report)) = (line_with("exec timeout "), line_with("_402p() { if"))
        else {
            return Step::Consumed;
        };
        self.reports_by = Some(report.to_owned());
        self.run(run)
    }

    /// Says whether files are what their checksums say, behind the number of the try.
    fn check(&self, line: &str) -> Step {
        let mut wrong = false;
        for check in line.split("sha256sum").skip(1) {
            let file = self.parts.get(&file_name(check));
            let bytes = file.map_or(&[][..], Vec::as_slice);
            let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
            let sum: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
            wrong |= !check.contains(&sum);
        }
        let sentinel = sentinels(line).into_iter().next().unwrap_or_default();
        let words = line.rsplit(' ').nth(1).unwrap_or_default();
        Step::Show(format!("\r\n{sentinel} {words} {}\r\n", u8::from(wrong)))
    }

    fn report(&mut self, line: &str) -> Step {
        let report = self.report.take().unwrap_or_default();
        let marks = sentinels(line);
        let [begin, middle, end, ..] = &marks[..] else {
            return Step::Plain;
        };
        let limit = line
            .split("head -c ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(65536);
        let (out, err) = (&report.stdout, &report.stderr);
        let text = format!(
            "\r\n{begin} {} {} {}\r\n{}{middle}\r\n{}{end}\r\n",
            report.code,
            out.len(),
            err.len(),
            wrapped(&out[..out.len().min(limit)]),
            wrapped(&err[..err.len().min(limit)]),
        );
        let ends = line.trim_end().ends_with("exit");
        Step::Report { text, ends }
    }
}

/// The file that a line writes or checks, in the folder `$t`.
fn file_name(line: &str) -> String {
    let mut names = line.split("$t/").skip(1);
    let name = names.next();
    let name = name.and_then(|part| part.split('"').next());
    name.unwrap_or_default().to_owned()
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
    fn what_is_typed_without_end_ends_at_the_memory_of_the_container() {
        let mut envelope = Envelope::default();
        envelope.take("stty -echo; printf '%s' 'a' 'b'");
        for part in 0..200 {
            let begin = format!("base64 -d >\"$t/c{part}\" <<'END'");
            assert_eq!(envelope.take(&begin), Step::Consumed);
            for _ in 0..100 {
                envelope.take(&"QUFB".repeat(100));
            }
            let typed = envelope.document.as_ref().map_or(0, |one| one.base64.len());
            let kept: usize = envelope.parts.values().map(Vec::len).sum();
            assert!(typed + kept <= MEMORY, "{typed} {kept}");
            envelope.take("END");
        }
    }

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
            Step::Report {
                text: "\r\naaBbb 0 3 0\r\naGk=\r\naaMbb\r\naaEbb\r\n".into(),
                ends: true,
            }
        );
    }

    #[test]
    fn a_part_is_checked_and_the_session_stays_after_the_report() {
        let mut envelope = Envelope::default();
        let probe = r"stty -echo 2>/dev/null; printf '\n%s%s\n' 'aaR' 'bb'";
        envelope.take(probe);
        let setup = r#" t=/tmp/x; : >"$t/c" && sha256sum </dev/null >/dev/null && printf '\n%s%s %d\n' 'aaL' 'bb' $q"#;
        assert_eq!(envelope.take(setup), Step::Show("\r\naaLbb 0\r\n".into()));
        // Another text's.
        let sum = "2c7c2bb2aaa2dc20a3ab4f0b7bd0e0bf0b6b3cc1ea1fa7ba1aa6b2ea9a3a8e1f";
        for (text, sum, status) in [("ZWNobyBoaQo=", sum, 1), ("", EMPTY, 0)] {
            for line in [" base64 -d >\"$t/c0\" <<'aaH'", text, "aaH"] {
                assert_eq!(envelope.take(line), Step::Consumed);
            }
            let check = format!(
                r#" [ "$(sha256sum <"$t/c0")" = '{sum}  -' ]; printf '\n%s%s %d %d\n' 'aaW' 'bb' 3 $?"#
            );
            let shown = format!("\r\naaWbb 3 {status}\r\n");
            assert_eq!(envelope.take(&check), Step::Show(shown));
        }
        envelope.ran(Report::default());
        let report = r#" printf '\n%s%s %d %d %d\n' 'aaB' 'bb' "$r" $(wc -c <"$t/o") $(wc -c <"$t/e"); head -c 2 "$t/o" | base64; printf '%s%s\n' 'aaM' 'bb'; head -c 2 "$t/e" | base64; rm -rf "$t"; printf '%s%s\n' 'aaE' 'bb'"#;
        assert!(matches!(
            envelope.take(report),
            Step::Report { ends: false, .. }
        ));
        assert_eq!(envelope.take(" exit"), Step::Plain);
    }

    #[test]
    fn a_runner_that_was_written_before_shows_its_report_until_it_is_received() {
        let mut envelope = Envelope::default();
        envelope.take(r"stty -echo 2>/dev/null; printf '\n%s%s\n' 'aaR' 'bb'");
        let runner = "cat \"$t\"/c? >\"$t/c\"\n(cd; exec timeout -k 2 9 sh \"$t/c\"); r=$?\n\
            _402p() { if true; then printf '\\n%s%s %d %d %d\\n' 'aaB' 'bb' 0 0 0; head -c 2 \"$t/o\" | base64; \
            printf '%s%s\\n' 'aaM' 'bb'; head -c 2 \"$t/e\" | base64; printf '%s%s\\n' 'aaE' 'bb'; fi; }\n";
        let runner = encoding::base64(runner.as_bytes());
        for (file, text) in [("c0", "ZWNobyBoaQo="), ("f", runner.as_str())] {
            let begin = format!(" base64 -d >\"$t/{file}\" <<'aaH'");
            for line in [begin.as_str(), text, "aaH"] {
                assert_eq!(envelope.take(line), Step::Consumed);
            }
        }
        let run = Step::Run {
            script: "echo hi\n".into(),
            seconds: 9,
        };
        assert_eq!(envelope.take(" _402g"), run);
        let report = envelope.ran(Report::default()).unwrap();
        assert!(report.starts_with("\r\naaBbb 0 0 0\r\n"), "{report}");
        assert_eq!(envelope.take(""), Step::Show(report));
        assert_eq!(envelope.take(" exit"), Step::Leave);
    }

    /// The SHA-256 of nothing.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn an_ordinary_line_is_none_of_its_business() {
        assert_eq!(Envelope::default().take("ls -l"), Step::Plain);
    }
}
