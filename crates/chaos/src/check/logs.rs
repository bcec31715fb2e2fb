//! Processes never panic, never log a secret, stay below a limit of memory, and know how their
//! changes end.

use super::{IndexedEvidence, Violation};

/// The most memory of a process that was not optimised, in KiB.
const MEMORY: u64 = 400 * 1024;

/// How databases report a change that only a constraint has stopped: a lock was missing.
const CONSTRAINTS: [&str; 2] = [" violates ", " constraint failed"];

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let mut wrong = |rule, text: String, process: &str| {
        violations.push(Violation {
            rule,
            text,
            subjects: vec![process.to_owned()],
        });
    };
    for (process, log) in &case.evidence.logs {
        for line in log.lines().filter(|line| line.contains("panicked")) {
            wrong("nothing panics", format!("{process}: {line}"), process);
        }
        let stopped = |line: &&str| CONSTRAINTS.iter().any(|words| line.contains(words));
        for line in log.lines().filter(stopped) {
            let rule = "no change runs into a constraint";
            wrong(rule, format!("{process}: {line}"), process);
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
