//! Runs a test runner, passes its output through and counts its tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::counts::TestCounts;
use crate::workspace;

/// How a runner ended.
pub struct RunnerOutcome {
    /// Its tests.
    pub counts: TestCounts,
    /// Whether it exited with success.
    pub success: bool,
}

/// Runs a test runner, shows its output as it comes, and adds up what `parse` finds in each line.
///
/// # Errors
/// It cannot be run or read.
pub fn run(command: &mut Command, parse: fn(&str) -> Option<TestCounts>) -> Result<RunnerOutcome> {
    let shown = workspace::show(command);
    println!("\n$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let output = child.stdout.take().expect("its output is piped");
    let mut counts = TestCounts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("cannot read the output of `{shown}`"))?;
        let line = String::from_utf8_lossy(&line);
        writeln!(std::io::stdout(), "{line}").context("cannot write the tests' output")?;
        counts += parse(&line).unwrap_or_default();
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?;
    Ok(RunnerOutcome {
        counts,
        success: status.success(),
    })
}
