//! Processes never panic, never log a secret, and stay below a limit of memory.

use super::{Case, Violation};

/// The most memory of a process that was not optimised, in KiB.
const MEMORY: u64 = 400 * 1024;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Violation>) {
    let mut wrong = |rule, text: String, process: &str| {
        found.push(Violation {
            rule,
            text,
            subjects: vec![process.to_owned()],
        });
    };
    for (process, log) in &case.evidence.logs {
        for line in log.lines().filter(|line| line.contains("panicked")) {
            wrong("nothing panics", format!("{process}: {line}"), process);
        }
        for (what, secret) in &case.evidence.secrets {
            if log.contains(secret.as_str()) {
                wrong(
                    "no secret is in a log",
                    format!("{process}: {what}"),
                    process,
                );
            }
        }
    }
    for (process, most) in &case.evidence.memory {
        if *most > MEMORY {
            wrong(
                "memory is bounded",
                format!("{process} had {most} KiB"),
                process,
            );
        }
    }
}
