//! `cargo xtask bench`: builds the measuring programs, runs them one after the other, and shows
//! their figures beside the aims. The programs are in the packages that they measure
//! (`proxmox-api/benches`, `crates/guest/benches`, `agent-api/examples`, `e2e/browser/paint.mjs`)
//! and print one figure a line; [`aims`] holds the aims, [`report`] prints and writes the figures.

mod aims;
mod browser;
mod figure;
mod report;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::web;
use crate::workspace::{self, Profile};
use figure::Figure;
use report::BenchReport;

/// What `cargo xtask bench` measures.
#[derive(clap::Args)]
pub struct BenchArguments {
    /// Only try whether it works: a short run of development builds
    #[arg(long)]
    quick: bool,
    /// Build the browser part first
    #[arg(long)]
    web: bool,
    /// Measure only this; the other figures are left out
    #[arg(long)]
    only: Option<BenchSubject>,
    /// Where the figures go [default: bench.json in cargo's target folder]
    file: Option<PathBuf>,
}

/// What one of the measuring programs measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BenchSubject {
    /// The lease API
    Api,
    /// SSH into a guest
    Guest,
    /// The chat agent
    Agent,
    /// The interface in a browser
    Web,
}

/// The command `cargo xtask bench`.
///
/// # Errors
/// Something does not compile, a program failed or did not print a figure that has an aim, or the
/// file cannot be written. A missed aim is shown and is no error.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    if arguments.web {
        web::build(Profile::Release)?;
    }
    let report = measure(arguments.quick, arguments.only)?;
    report.print();
    let default = || workspace::target_folder().join("bench.json");
    report.write(&arguments.file.clone().unwrap_or_else(default))
}

/// A short run, for the tests: that every figure with an aim is still measured.
///
/// # Errors
/// As [`run`].
pub fn smoke() -> Result<()> {
    println!("\n$ cargo xtask bench --quick");
    measure(true, None).map(drop)
}

fn measure(quick: bool, only: Option<BenchSubject>) -> Result<BenchReport> {
    let wanted = |subject| only.is_none_or(|only| only == subject);
    let browser = wanted(BenchSubject::Web).then(|| browser::Browser::find(quick));
    let programs: Vec<_> = PROGRAMS.iter().filter(|p| wanted(p.subject)).collect();
    let mut targets: Vec<_> = programs.iter().flat_map(|p| p.targets).copied().collect();
    if let Some(Ok(_)) = browser {
        targets.extend(browser::BINARIES.iter().flat_map(|name| ["--bin", name]));
    }
    let built = build(quick, &targets)?;
    let mut report = BenchReport::new(quick);
    for BenchProgram { name, .. } in programs {
        let program = built
            .iter()
            .find(|(target, _)| target == name)
            .with_context(|| format!("cargo did not say where {name} is"))?;
        let mut command = Command::new(&program.1);
        command.current_dir(workspace::root()).arg("--bench");
        if quick {
            command.arg("--quick");
        }
        run_and_report(&mut command, &mut report)?;
    }
    if let Some(browser) = browser {
        match browser::first_visit()? {
            Some(figure) => report.add(vec![figure]),
            None => report.skip(&[aims::FIRST_VISIT], browser::NO_BUNDLE),
        }
        match browser {
            Ok(browser) => run_and_report(&mut browser.command(&built), &mut report)?,
            Err(why) => report.skip(&aims::BROWSER, &why),
        }
    }
    if only.is_none() {
        report.check()?;
    }
    Ok(report)
}

/// A program that prints figures.
struct BenchProgram {
    subject: BenchSubject,
    name: &'static str,
    /// What cargo has to build for it.
    targets: &'static [&'static str],
}

const PROGRAMS: [BenchProgram; 3] = [
    BenchProgram {
        subject: BenchSubject::Api,
        name: "lease_api",
        // The simulator runs its own program in containers, as their SSH server.
        targets: &["--bench", "lease_api", "--bin", "pve-sim"],
    },
    BenchProgram {
        subject: BenchSubject::Guest,
        name: "over_ssh",
        targets: &["--bench", "over_ssh"],
    },
    BenchProgram {
        subject: BenchSubject::Agent,
        name: "bench",
        targets: &["--example", "bench"],
    },
];

/// Builds the programs and gives their paths. One call of cargo builds all, so that nothing is
/// compiled twice with different features.
fn build(quick: bool, targets: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let mut command = workspace::cargo();
    command.args(["build", "--workspace"]).args(targets);
    command.arg("--message-format=json-render-diagnostics");
    if !quick {
        command.arg("--release");
    }
    let mut built = Vec::new();
    lines(&mut command, |line| {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return;
        };
        if let (Some(name), Some(path)) = (
            message["target"]["name"].as_str(),
            message["executable"].as_str(),
        ) {
            built.push((name.to_owned(), PathBuf::from(path)));
        }
    })?;
    Ok(built)
}

/// Runs a program, shows its lines as they come, and adds the figures among them.
fn run_and_report(command: &mut Command, report: &mut BenchReport) -> Result<()> {
    lines(command, |line| {
        println!("{line}");
        if let Some((name, why)) = figure::read_skip(line) {
            report.skip(&[name], why);
        }
        report.add(Figure::read(line).into_iter().collect());
    })
}

/// Runs a program to its end, with each line of its output.
fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let shown = workspace::show(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let output = child
        .stdout
        .take()
        .expect("its output was asked to be piped");
    for line in BufReader::new(output).lines() {
        each(&line.with_context(|| format!("cannot read what `{shown}` says"))?);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        bench: BenchArguments,
    }

    #[test]
    fn a_mistyped_option_is_not_taken_for_a_file() {
        assert!(Command::try_parse_from(["bench", "--quik"]).is_err());
        let read = Command::try_parse_from(["bench", "--quick", "figures.json"]).unwrap();
        assert!(read.bench.quick && !read.bench.web && read.bench.only.is_none());
        assert_eq!(read.bench.file, Some(PathBuf::from("figures.json")));
        let read = Command::try_parse_from(["bench", "--only", "guest"]).unwrap();
        assert_eq!(read.bench.only, Some(BenchSubject::Guest));
        assert!(Command::try_parse_from(["bench", "--only", "gest"]).is_err());
    }
}
