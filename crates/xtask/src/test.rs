//! `cargo xtask test`: set-up, `cargo test --workspace`, the binaries and the browser part, the tests that drive them with clients by
//! others, a short run of the bench, one of the tenants' fence, and short campaigns of chaos in both modes and with seeded bugs,
//! which count as one test each. The runners' own output is passed through; their counts are
//! added up into one last line.

use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Profile};
use crate::{bench, chaos, fence, node_tests, setup, web};

/// How many tests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kept their promise.
    pub passed: u32,
    /// Did not.
    pub failed: u32,
    /// Were not run, each with a line that says why.
    pub skipped: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs everything, and fails if anything did.
///
/// # Errors
/// The set-up failed, something does not compile, or a test failed.
pub fn run() -> Result<()> {
    setup::prepare()?;
    let mut total = Counts::default();
    let rust = counted(
        workspace::cargo().args(["test", "--workspace", "--no-fail-fast"]),
        rust_counts,
    )?;
    total += rust.counts;
    web::build(Profile::Release)?;
    workspace::build(
        Profile::Dev,
        &["pve-sim", "proxmox-api", "agent-api", "web-ui"],
    )?;
    let node = counted(&mut node_tests::command()?, node_tests::counts)?;
    total += node.counts;
    match bench::smoke() {
        Ok(()) => total.passed += 1,
        Err(error) => {
            println!("the bench failed: {error:#}");
            total.failed += 1;
        }
    }

    // Where it cannot be tried, it is among the skips.
    if fence::obstacle().is_none() {
        println!("\n$ cargo xtask fence");
        match fence::run() {
            Ok(()) => total.passed += 1,
            Err(error) => {
                println!("the fence failed: {error:#}");
                total.failed += 1;
            }
        }
    }

    match chaos::short() {
        Ok(passed) => total.passed += passed,
        Err(error) => {
            println!("chaos: {error:#}");
            total.failed += 1;
        }
    }

    for skip in setup::skips() {
        println!("skipped: {skip}");
        total.skipped += 1;
    }
    println!(
        "\n{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    if !(rust.success && node.success) || total.failed > 0 {
        bail!("not everything passed");
    }
    if rust.counts.passed == 0 || node.counts.passed == 0 {
        bail!("a runner ran no test");
    }
    Ok(())
}

struct Run {
    counts: Counts,
    success: bool,
}

/// Runs a test runner, shows its output as it comes, and adds up what `read` finds in each line.
fn counted(command: &mut Command, read: fn(&str) -> Option<Counts>) -> Result<Run> {
    let shown = workspace::show(command);
    println!("\n$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let mut counts = Counts::default();
    let output = child
        .stdout
        .take()
        .expect("its output was asked to be piped");
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("cannot read what `{shown}` says"))?;
        let line = String::from_utf8_lossy(&line);
        writeln!(std::io::stdout(), "{line}").context("cannot write the tests' output")?;
        if let Some(found) = read(&line) {
            counts += found;
        }
    }
    let success = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?
        .success();
    Ok(Run { counts, success })
}

/// Reads the line with which libtest closes a test binary.
fn rust_counts(line: &str) -> Option<Counts> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let number = |unit: &str| {
        let before = rest.split(&format!(" {unit};")).next()?;
        before.rsplit([' ', ';']).next()?.parse().ok()
    };
    Some(Counts {
        passed: number("passed")?,
        failed: number("failed")?,
        skipped: number("ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_a_test_binary_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s";
        assert_eq!(
            rust_counts(line),
            Some(Counts {
                passed: 12,
                failed: 3,
                skipped: 1
            })
        );
        assert_eq!(rust_counts("test lease::tests::a_promise ... ok"), None);
    }
}
