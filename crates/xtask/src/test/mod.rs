//! `cargo xtask test`: set-up, `cargo test --workspace`, the binaries and the browser part, the
//! tests that drive them with clients by others, a short run of the bench, one of the tenants'
//! fence, and short campaigns of chaos, which count as one test each. The runners' own output is
//! passed through; their counts are added up into one last line. [`only`] runs a single suite.

mod counts;
mod node;
mod only;
mod runner;
mod steps;

use anyhow::{Result, bail};

use crate::workspace::{self, Profile};
use crate::{bench, chaos, fence, setup, web};
use counts::TestCounts;
use steps::TimedSteps;

/// What `cargo xtask test` runs.
#[derive(clap::Args)]
pub struct TestArguments {
    /// Run one suite: a Rust package, a file of e2e/tests without its ending, bench, chaos, fence
    /// or modules; TEST picks tests by a part of their name (also SUITE/TEST)
    #[arg(
        long,
        num_args = 1..=2,
        value_names = ["SUITE", "TEST"],
        long_help = only::help()
    )]
    only: Vec<String>,
}

/// Runs one suite, or everything; fails if a test did.
///
/// # Errors
/// The set-up failed, something does not compile, or a test failed.
pub fn run(arguments: &TestArguments) -> Result<()> {
    match arguments.only.as_slice() {
        [] => run_all(),
        words => only::run(words),
    }
}

fn run_all() -> Result<()> {
    let mut steps = TimedSteps::default();
    steps.time("set-up", || setup::prepare(true))?;
    let mut total = TestCounts::default();
    let test = ["test", "--workspace", "--no-fail-fast"];
    steps.time("building the tests in Rust", || {
        workspace::run(workspace::cargo().args(test).arg("--no-run"))
    })?;
    let rust = steps.time("the tests in Rust", || {
        runner::run(workspace::cargo().args(test), counts::parse_libtest_line)
    })?;
    total += rust.counts;
    steps.time("building the browser part", || web::build(Profile::Release))?;
    steps.time("building the programs", || {
        let programs = ["pve-sim", "proxmox-api", "agent-api", "web-ui"];
        workspace::build(Profile::Dev, &programs)
    })?;
    let files = node::files()?;
    let node = steps.time("the tests for Node", || {
        runner::run(&mut node::command(&files, None), counts::parse_node_line)
    })?;
    total += node.counts;
    let bench = steps.time("the bench", || bench::smoke().map(|()| (1, 0)));
    count(&mut total, "the bench", bench);
    let fence = steps.time("the fence", try_fence);
    count(&mut total, "the fence", fence);
    let chaos = steps.time("chaos", chaos::short);
    count(&mut total, "chaos", chaos);
    println!("\n{steps}");
    println!("{total}");
    if !(rust.success && node.success) || total.failed > 0 {
        bail!("not everything passed");
    }
    if rust.counts.passed == 0 || node.counts.passed == 0 {
        bail!("a runner ran no test");
    }
    Ok(())
}

fn try_fence() -> Result<(u32, u32)> {
    println!("\n$ cargo xtask fence");
    if let Some(obstacle) = fence::obstacle() {
        println!("skipped: the fence around tenants: {obstacle}");
        return Ok((0, 1));
    }
    fence::run().map(|()| (1, 0))
}

/// Counts the passed and skipped tests of a command of ours; a failed command counts as one test.
fn count(total: &mut TestCounts, name: &str, outcome: Result<(u32, u32)>) {
    match outcome {
        Ok((passed, skipped)) => {
            total.passed += passed;
            total.skipped += skipped;
        }
        Err(error) => {
            println!("{name} failed: {error:#}");
            total.failed += 1;
        }
    }
}
