//! Writes the findings: for people, for programs and for the log.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, Severity};

/// The severity of the worst finding.
pub fn worst(findings: &[Finding]) -> Severity {
    let severities = findings.iter().map(|finding| finding.severity);
    severities.max().unwrap_or(Severity::Ok)
}

/// The findings as JSON.
pub fn json(findings: &[Finding]) -> Value {
    json!({"severity": worst(findings), "findings": findings})
}

/// The findings for people: a line for each, and below it the commands that mend it, each on a line
/// to be copied.
pub fn text(findings: &[Finding], colours: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let (mark, colour) = match finding.severity {
            Severity::Ok => ("ok     ", "32"),
            Severity::Warning => ("warning", "33"),
            Severity::Error => ("error  ", "31"),
        };
        let mark = if colours {
            format!("\x1b[{colour}m{mark}\x1b[0m")
        } else {
            mark.to_owned()
        };
        let Finding {
            check,
            expected,
            found,
            ..
        } = finding;
        let middle = match finding.severity {
            Severity::Ok => format_args!("{expected}: {found}"),
            _ => format_args!("expected: {expected}; found: {found}"),
        };
        add(&mut text, format_args!("{mark} {check:<20} {middle}\n"));
        for (position, mend) in finding.mend.iter().enumerate() {
            let word = if position == 0 { "mend" } else { "or" };
            add(&mut text, format_args!("        {word:>4}: {mend}\n"));
        }
    }
    let count = |severity| {
        let of = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        of.count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let all = findings.len();
    add(
        &mut text,
        format_args!("\n{all} looked at, errors: {errors}, warnings: {warnings}\n"),
    );
    text
}

/// Logs the warnings and errors with the same texts.
pub fn warn(findings: &[Finding]) {
    for finding in findings {
        let Finding {
            check,
            expected,
            found,
            mend,
            ..
        } = finding;
        let mend = mend.join(" | ");
        match finding.severity {
            Severity::Ok => tracing::debug!(check, expected, found, "examined"),
            Severity::Warning => {
                tracing::warn!(check, expected, found, mend, "should be looked at");
            }
            Severity::Error => tracing::error!(check, expected, found, mend, "leases will fail"),
        }
    }
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}
