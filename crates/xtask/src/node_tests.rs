//! The end-to-end tests in `e2e/tests`, run by Node's own runner, one file after the other: they start the built binaries.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::test::Counts;
use crate::web;
use crate::workspace::{self, Profile};

/// Where the tests are told to find each binary.
const BINARIES: [(&str, &str); 5] = [
    ("INFRA402_PVE_SIM", "pve-sim"),
    ("INFRA402_PROXMOX_API", "proxmox-api"),
    ("INFRA402_AGENT_API", "agent-api"),
    ("INFRA402_WEB_UI", "web-ui"),
    // An example, which `cargo test --workspace` has built.
    ("INFRA402_EXAMPLE_LEASE", "examples/lease"),
];

/// The command that runs them all against the development binaries.
///
/// # Errors
/// The folder cannot be read.
pub fn command() -> Result<Command> {
    let folder = workspace::root().join("e2e");
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files(&folder)?)
        .current_dir(folder)
        .env("INFRA402_WEB_DIST", web::dist())
        .env("NO_COLOR", "1");
    for (variable, name) in BINARIES {
        command.env(variable, workspace::binary(Profile::Dev, name));
    }
    Ok(command)
}

/// The test files by name: the meaning of a folder as an argument differs between versions of Node.
fn files(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder.join("tests")).context("cannot read e2e/tests")?;
    let mut files: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".test.mjs"))
        .map(|name| format!("tests/{name}"))
        .collect();
    files.sort();
    Ok(files)
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
