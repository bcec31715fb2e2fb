//! `cargo xtask test --only SUITE`: one suite, with no more built than it needs.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::counts::{parse_libtest_line, parse_node_line};
use super::node::{self, NodeRequirements};
use super::runner::{self, RunnerOutcome};
use crate::workspace::{self, Profile, root};
use crate::{bench, chaos, fence, modules, setup, web};

/// A suite's name, and the function that runs it.
type SuiteCommand = (&'static str, fn() -> Result<()>);

/// Suites that are neither a Rust package nor a file of tests for Node.
const COMMANDS: [SuiteCommand; 4] = [
    ("bench", bench::smoke),
    ("chaos", short_campaigns),
    ("fence", fence::run),
    ("modules", modules::run),
];
/// Packages whose tests embed the simulator, which runs its own program inside of containers.
const SIMULATING_PACKAGES: [&str; 2] = ["proxmox-api", "agent-api"];
/// npm packages that the tests of a Rust package start, or that its build contains.
const NPM_FOLDERS: [(&str, &str); 2] = [("x402", "e2e"), ("proxmox-api", "proxmox-api/page")];
/// The package whose tests start proxmoxer.
const PROXMOXER_PACKAGE: &str = "pve-sim";

/// A suite by its name.
#[derive(Debug, PartialEq, Eq)]
enum Suite {
    /// A package of the workspace.
    Rust(String),
    /// A file in `e2e/tests`.
    Node(String),
    /// The number of one of [`COMMANDS`].
    Command(usize),
}

impl Suite {
    /// Finds a suite; `test` is the name of a single test in it.
    fn find(name: &str, test: Option<&str>) -> Result<Self> {
        let command = COMMANDS.iter().position(|(command, _)| *command == name);
        let packages = package_names()?;
        if packages.iter().any(|package| package == name) && (command.is_none() || test.is_some()) {
            return Ok(Self::Rust(name.to_owned()));
        }
        if let Some(command) = command {
            if test.is_some() {
                bail!("the suite {name} has no tests that can be run alone");
            }
            return Ok(Self::Command(command));
        }
        let files = node::files()?;
        let file = format!(
            "{}{}",
            name.trim_end_matches(node::FILE_ENDING),
            node::FILE_ENDING
        );
        if files.contains(&file) {
            return Ok(Self::Node(file));
        }
        bail!("there is no suite {name:?}; {}", suite_names()?)
    }
}

/// All names of suites, for people.
fn suite_names() -> Result<String> {
    let files = node::files()?;
    let node: Vec<_> = files
        .iter()
        .map(|file| file.trim_end_matches(node::FILE_ENDING))
        .collect();
    Ok(format!(
        "the suites are\n  Rust packages: {}\n  tests for Node: {}\n  others: {}",
        package_names()?.join(", "),
        node.join(", "),
        COMMANDS.map(|(name, _)| name).join(", ")
    ))
}

/// What `--help` says of `--only`.
pub fn help() -> String {
    let names = suite_names().unwrap_or_else(|error| format!("the suites are unknown: {error:#}"));
    format!(
        "Run one suite, or only those of its tests that have TEST in their name (also SUITE/TEST). \
         The tests of a Rust package have their module in their name, as in \
         `--only proxmox-api placement::`; {names}"
    )
}

/// The packages of the workspace; each lies in a folder of its own name.
fn package_names() -> Result<Vec<String>> {
    let name = |folder: &Path| Some(folder.file_name()?.to_str()?.to_owned());
    let folders = workspace::packages()?;
    let mut names: Vec<_> = folders.iter().filter_map(|folder| name(folder)).collect();
    names.sort();
    Ok(names)
}

/// Runs one suite: `SUITE`, `SUITE TEST` or `SUITE/TEST`.
///
/// # Errors
/// There is no such suite, it does not build, a test failed, or no test has that name.
pub fn run(words: &[String]) -> Result<()> {
    let (suite, test) = match words {
        [one] => match one.split_once('/') {
            Some((suite, test)) => (suite, Some(test)),
            None => (one.as_str(), None),
        },
        [suite, test] => (suite.as_str(), Some(test.as_str())),
        _ => bail!("--only takes the name of a suite, and perhaps that of a test"),
    };
    let outcome = match Suite::find(suite, test)? {
        Suite::Command(number) => return COMMANDS[number].1(),
        Suite::Rust(package) => run_rust(&package, test)?,
        Suite::Node(file) => run_node(&file, test)?,
    };
    println!("\n{}", outcome.counts);
    if !outcome.success {
        bail!("not everything passed");
    }
    if outcome.counts.passed == 0 {
        bail!("no test ran: {}", words.join(" "));
    }
    Ok(())
}

fn run_rust(package: &str, test: Option<&str>) -> Result<RunnerOutcome> {
    if SIMULATING_PACKAGES.contains(&package) {
        workspace::build(Profile::Dev, &["pve-sim"])?;
    }
    for (_, folder) in NPM_FOLDERS.iter().filter(|(name, _)| *name == package) {
        setup::npm_install(&root().join(folder))?;
    }
    if package == PROXMOXER_PACKAGE {
        setup::proxmoxer()?;
    }
    let mut command = workspace::cargo();
    command.args(["test", "--no-fail-fast", "--package", package]);
    command.args(test);
    runner::run(&mut command, parse_libtest_line)
}

fn run_node(file: &str, test: Option<&str>) -> Result<RunnerOutcome> {
    let requirements = NodeRequirements::read(file)?;
    setup::prepare(requirements.browser)?;
    if requirements.web {
        web::build(Profile::Release)?;
    }
    if !requirements.targets.is_empty() {
        workspace::build(Profile::Dev, &requirements.targets)?;
    }
    let pattern = test.map(escape);
    let mut command = node::command(&[file.to_owned()], pattern.as_deref());
    runner::run(&mut command, parse_node_line)
}

/// A text as a regular expression of JavaScript that matches it.
fn escape(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if r"\^$.*+?()[]{}|/".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

fn short_campaigns() -> Result<()> {
    let (passed, skipped) = chaos::short().context("chaos")?;
    println!("\n{passed} passed, {skipped} skipped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_found_by_its_name_and_an_unknown_one_lists_them_all() {
        let rust = |name: &str| Suite::Rust(name.to_owned());
        assert_eq!(Suite::find("pve", None).unwrap(), rust("pve"));
        assert_eq!(Suite::find("pve", Some("upid")).unwrap(), rust("pve"));
        let demo = Suite::Node("demo.test.mjs".to_owned());
        assert_eq!(Suite::find("demo", None).unwrap(), demo);
        assert_eq!(Suite::find("chaos", None).unwrap(), Suite::Command(1));
        assert_eq!(Suite::find("chaos", Some("a")).unwrap(), rust("chaos"));
        assert!(Suite::find("bench", Some("a")).is_err());
        let error = Suite::find("nothing", None).unwrap_err().to_string();
        for name in ["proxmox-api", "demo", "fence"] {
            assert!(error.contains(name), "{error}");
            assert!(help().contains(name), "{}", help());
        }
    }

    #[test]
    fn a_test_s_name_is_no_pattern() {
        assert_eq!(escape("1.0 (a|b)"), r"1\.0 \(a\|b\)");
    }
}
