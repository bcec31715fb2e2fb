//! The findings, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, Severity};

/// How bad the worst finding is.
pub fn worst(findings: &[Finding]) -> Severity {
    let severities = findings.iter().map(|finding| finding.severity);
    severities.max().unwrap_or(Severity::Ok)
}

/// For programs.
pub fn json(findings: &[Finding]) -> Value {
    json!({"severity": worst(findings), "findings": findings})
}

/// For people: one line for each finding, and below what is not as it should be, what was expected and what mends it.
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
        if finding.severity == Severity::Ok {
            add(
                &mut text,
                format_args!("{mark} {check}: {expected}: {found}\n"),
            );
            continue;
        }
        add(&mut text, format_args!("{mark} {check}: {found}\n"));
        add(&mut text, format_args!("          expected: {expected}\n"));
        for (position, mend) in finding.mend.iter().enumerate() {
            let word = if position == 0 { "mend:" } else { "  or:" };
            add(&mut text, format_args!("          {word}     {mend}\n"));
        }
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    add(
        &mut text,
        format_args!(
            "\n{} looked at: {errors} errors, {warnings} warnings\n",
            findings.len()
        ),
    );
    text
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}
