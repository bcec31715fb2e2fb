//! The end-to-end tests in `e2e/tests`, run by Node's own runner, one file after the other: they start the built binaries.

use std::process::Command;

use crate::test::Counts;
use crate::workspace::{self, Profile};

/// The command that runs them all against the development binaries.
pub fn command() -> Command {
    let mut command = Command::new("node");
    command
        .args([
            "--test",
            "--test-concurrency=1",
            "--test-reporter=spec",
            "tests/",
        ])
        .current_dir(workspace::root().join("e2e"))
        .env(
            "INFRA402_PVE_SIM",
            workspace::binary(Profile::Dev, "pve-sim"),
        )
        .env(
            "INFRA402_PROXMOX_API",
            workspace::binary(Profile::Dev, "proxmox-api"),
        )
        .env("NO_COLOR", "1");
    command
}

/// Reads one line of the summary: `ℹ pass 5`. A cancelled test (its time was up) has failed.
pub fn counts(line: &str) -> Option<Counts> {
    let (what, number) = line.trim().strip_prefix("ℹ ")?.rsplit_once(' ')?;
    let number = number.parse().ok()?;
    match what {
        "pass" => Some(Counts {
            passed: number,
            ..Counts::default()
        }),
        "fail" | "cancelled" => Some(Counts {
            failed: number,
            ..Counts::default()
        }),
        "skipped" | "todo" => Some(Counts {
            skipped: number,
            ..Counts::default()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_lines_are_counted_and_nothing_else() {
        assert_eq!(
            counts("ℹ pass 5"),
            Some(Counts {
                passed: 5,
                ..Counts::default()
            })
        );
        assert_eq!(
            counts("ℹ cancelled 1"),
            Some(Counts {
                failed: 1,
                ..Counts::default()
            })
        );
        assert_eq!(
            counts("ℹ skipped 2"),
            Some(Counts {
                skipped: 2,
                ..Counts::default()
            })
        );
        assert_eq!(counts("ℹ duration_ms 112.5"), None);
        assert_eq!(counts("✔ one client pays (12ms)"), None);
    }
}
