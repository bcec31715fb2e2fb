//! `cargo xtask chaos`: builds the campaign of `crates/chaos` and the service that it tries to
//! break, and runs the campaign. The service is the program `proxmox-api-chaos`, which has a clock
//! that can be moved and bugs on request.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::workspace::{self, Profile};

/// The campaign's exit code where it cannot be run.
const EXIT_SKIPPED: i32 = 77;
/// The campaign's exit code where it has found violations.
const EXIT_VIOLATED: i32 = 1;
/// The bugs that the service can be asked to have, the mode in which each matters, and the rule
/// that it breaks.
const SEEDED_BUGS: [(&str, &str, &str); 3] = [
    ("skip-undo", "sqlite", "no machine runs without money"),
    ("any-transfer", "sqlite", "a payment names its own transfer"),
    (
        "claims-side-by-side",
        "postgres",
        "no change runs into a constraint",
    ),
];
/// The campaigns of `cargo xtask test`.
const MODES: [&str; 2] = ["sqlite", "postgres"];
/// Minutes of a short campaign.
const SHORT_MINUTES: &str = "0.25";
/// Minutes and customers of a campaign that looks for a bug, and the seeds that are tried.
const PROOF_MINUTES: &str = "0.4";
const PROOF_CUSTOMERS: &str = "16";
const PROOF_SEEDS: [&str; 3] = ["402", "403", "404"];
/// Where the reports go, in cargo's target folder.
const REPORT_FOLDER: &str = "chaos";

/// What `cargo xtask chaos` runs.
#[derive(clap::Args)]
pub struct ChaosArguments {
    /// `prove`, which asks the service for each seeded bug and wants it found; or the options of a
    /// campaign: [--seed N] [--minutes M] [--mode sqlite|postgres] [--replicas N] [--customers N]
    /// [--speed N] [--bug NAME]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "prove|OPTIONS"
    )]
    words: Vec<String>,
}

impl ChaosArguments {
    /// The campaign's mode, after which its report is named.
    fn mode(&self) -> &str {
        let mut words = self.words.iter().map(String::as_str);
        let mode = words.find_map(|word| match word.strip_prefix("--mode")? {
            "" => Some(None),
            value => Some(value.strip_prefix('=')),
        });
        mode.and_then(|value| value.or_else(|| words.next()))
            .unwrap_or(MODES[0])
    }
}

/// The command `cargo xtask chaos`.
///
/// # Errors
/// Something does not compile, PostgreSQL is not installed, the campaign found something, or, with
/// `prove`, did not.
pub fn run(arguments: &ChaosArguments) -> Result<()> {
    build()?;
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    if words == ["prove"] {
        return prove();
    }
    match run_campaign(arguments.mode(), &words)? {
        0 => Ok(()),
        EXIT_VIOLATED => bail!("the campaign found violations"),
        EXIT_SKIPPED => bail!("the campaign cannot be run here: PostgreSQL is not installed"),
        other => bail!("the campaign did not come to its end ({other})"),
    }
}

/// A short campaign for the tests, in the modes that this machine has, and the seeded bugs. Gives
/// how many passed and how many were skipped.
///
/// # Errors
/// Something does not compile, or a campaign found something, or did not find a bug.
pub fn short() -> Result<(u32, u32)> {
    build()?;
    let (mut passed, mut skipped) = (0, 0);
    for mode in MODES {
        if mode == "postgres" && !host::has_postgresql() {
            println!("skipped: the campaign on {mode}, since PostgreSQL is not installed");
            skipped += 1;
            continue;
        }
        run_short(mode)?;
        passed += 1;
    }
    prove()?;
    Ok((passed + 1, skipped))
}

fn run_short(mode: &str) -> Result<()> {
    let arguments = ["--mode", mode, "--seed", "402", "--minutes", SHORT_MINUTES];
    match run_campaign(mode, &arguments)? {
        0 => Ok(()),
        code => bail!("the campaign on {mode} ended with {code}"),
    }
}

/// Checks that each seeded bug is found by the rule that it breaks. A short campaign may not reach
/// the bug, so several seeds are tried.
fn prove() -> Result<()> {
    for (bug, mode, rule) in SEEDED_BUGS {
        if mode == "postgres" && !host::has_postgresql() {
            println!("\nskipped: the bug {bug}, since PostgreSQL is not installed");
            continue;
        }
        let found = PROOF_SEEDS
            .iter()
            .try_fold(false, |found, seed| match found {
                true => Ok(true),
                false => finds_bug(bug, mode, rule, seed),
            })?;
        if !found {
            bail!("the bug {bug} was not found");
        }
        println!("\nthe bug {bug} was found, as it should be");
    }
    Ok(())
}

fn finds_bug(bug: &str, mode: &str, rule: &str, seed: &str) -> Result<bool> {
    let arguments = [
        "--mode",
        mode,
        "--bug",
        bug,
        "--seed",
        seed,
        "--minutes",
        PROOF_MINUTES,
        "--customers",
        PROOF_CUSTOMERS,
    ];
    let code = run_campaign(bug, &arguments)?;
    let report = std::fs::read_to_string(report_folder(bug).join("report.txt")).unwrap_or_default();
    match code {
        0 | EXIT_VIOLATED => {
            Ok(code == EXIT_VIOLATED && report.contains(&format!("VIOLATION {rule}\n")))
        }
        other => bail!("the campaign with the bug {bug} did not come to its end ({other})"),
    }
}

fn build() -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["build", "--package", "chaos", "--package", "proxmox-api"]);
    command.args(["--features", "proxmox-api/chaos"]);
    command.args(["--bin", "chaos", "--bin", "proxmox-api-chaos"]);
    workspace::run(&mut command)
}

/// The folder of a campaign's report and logs, which the campaign empties first.
fn report_folder(name: &str) -> PathBuf {
    workspace::target_folder().join(REPORT_FOLDER).join(name)
}

/// Runs a campaign, and gives its exit code.
fn run_campaign(name: &str, arguments: &[&str]) -> Result<i32> {
    let mut command = Command::new(workspace::binary(Profile::Dev, "chaos"));
    command
        .arg("--program")
        .arg(workspace::binary(Profile::Dev, "proxmox-api-chaos"))
        .arg("--folder")
        .arg(report_folder(name))
        .args(arguments);
    let shown = arguments.join(" ");
    println!("\n$ cargo xtask chaos {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{}`", workspace::show(&command)))?;
    status
        .code()
        .with_context(|| format!("the campaign was ended by a signal ({status})"))
}
