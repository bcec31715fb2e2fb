//! The end-to-end tests in `e2e/tests`. Node's own runner runs one file after the other; they start
//! the built binaries.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::web;
use crate::workspace::{self, Profile, root};

/// A binary that the tests start.
struct TestedBinary {
    /// The variable that tells the tests where it is.
    variable: &'static str,
    /// Its file in cargo's target folder.
    file: &'static str,
    /// How [`workspace::build`] names it.
    target: &'static str,
}

const BINARIES: [TestedBinary; 5] = [
    service("INFRA402_PVE_SIM", "pve-sim"),
    service("INFRA402_PROXMOX_API", "proxmox-api"),
    service("INFRA402_AGENT_API", "agent-api"),
    service("INFRA402_WEB_UI", "web-ui"),
    TestedBinary {
        variable: "INFRA402_EXAMPLE_LEASE",
        file: "examples/lease",
        target: "proxmox-api/lease",
    },
];
/// The variable that tells the tests where the built interface is.
const WEB_DIST: &str = "INFRA402_WEB_DIST";

const fn service(variable: &'static str, name: &'static str) -> TestedBinary {
    TestedBinary {
        variable,
        file: name,
        target: name,
    }
}

/// The command that runs test files, such as `demo.test.mjs`, against the development binaries;
/// with a pattern only the tests whose names match it.
pub fn command(files: &[String], pattern: Option<&str>) -> Command {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .current_dir(root().join("e2e"))
        .env(WEB_DIST, web::dist())
        .env("NO_COLOR", "1");
    for binary in &BINARIES {
        command.env(
            binary.variable,
            workspace::binary(Profile::Dev, binary.file),
        );
    }
    // Node takes what follows the first file for arguments of the tests.
    command.args(pattern.map(|pattern| format!("--test-name-pattern={pattern}")));
    command.args(files.iter().map(|file| format!("tests/{file}")));
    command
}

/// The test files by name. They are listed since the meaning of a folder as an argument differs
/// between versions of Node.
///
/// # Errors
/// The folder cannot be read.
pub fn files() -> Result<Vec<String>> {
    let entries = fs::read_dir(root().join("e2e/tests")).context("cannot read e2e/tests")?;
    let mut files: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(FILE_ENDING))
        .collect();
    files.sort();
    Ok(files)
}

/// How the names of test files end.
pub const FILE_ENDING: &str = ".test.mjs";

/// What has to be there before a test file runs.
#[derive(Debug, PartialEq, Eq)]
pub struct NodeRequirements {
    /// Targets for [`workspace::build`].
    pub targets: Vec<&'static str>,
    /// The built interface.
    pub web: bool,
    /// A browser.
    pub browser: bool,
}

impl NodeRequirements {
    /// Reads them from a test file and the files that it imports: a file that starts a binary names
    /// the binary's variable.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(file: &str) -> Result<Self> {
        let mut sources = BTreeSet::new();
        let mut text = String::new();
        read_imports(
            &root().join("e2e/tests").join(file),
            &mut sources,
            &mut text,
        )?;
        let used = BINARIES
            .iter()
            .filter(|binary| text.contains(binary.variable));
        let folder = root().join("e2e/browser");
        Ok(Self {
            targets: used.map(|binary| binary.target).collect(),
            web: text.contains(WEB_DIST),
            browser: sources.iter().any(|source| source.starts_with(&folder)),
        })
    }
}

/// Appends the text of a script, and of those that it imports by a relative path.
fn read_imports(file: &Path, seen: &mut BTreeSet<PathBuf>, text: &mut String) -> Result<()> {
    let file = fs::canonicalize(file).with_context(|| format!("no file {}", file.display()))?;
    if !seen.insert(file.clone()) {
        return Ok(());
    }
    let content =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    text.push_str(&content);
    let folder = file.parent().unwrap_or(Path::new(""));
    for import in content.split(" from '").skip(1) {
        let path = import.split('\'').next().unwrap_or_default();
        if path.starts_with('.') && path.ends_with(".mjs") {
            read_imports(&folder.join(path), seen, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_file_needs_the_binaries_that_it_and_its_imports_start() {
        let demo = NodeRequirements::read("demo.test.mjs").unwrap();
        assert_eq!(demo.targets, ["pve-sim", "proxmox-api"]);
        assert!(!demo.web && !demo.browser);
        let examples = NodeRequirements::read("examples.test.mjs").unwrap();
        assert!(examples.targets.contains(&"proxmox-api/lease"));
        let browser = NodeRequirements::read("browser.test.mjs").unwrap();
        assert!(browser.web && browser.browser && browser.targets.len() == 4);
    }
}
