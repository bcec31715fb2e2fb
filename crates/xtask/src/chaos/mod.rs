//! `cargo xtask chaos`: builds the campaign of `crates/chaos` and the service that it tries to
//! break, and runs the campaign. The service is the program `proxmox-api-chaos`, which has a clock
//! that can be moved and bugs on request.

mod arguments;
mod prove;
mod seeded_bugs;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

pub use arguments::ChaosArguments;
use arguments::{CampaignArguments, ChaosCommand};
use seeded_bugs::StoreMode;

use crate::host;
use crate::workspace::{self, Profile};

/// The campaign's exit code where it cannot be run.
const EXIT_SKIPPED: i32 = 77;
/// The campaign's exit code where it has found violations.
const EXIT_VIOLATED: i32 = 1;
/// The campaigns of `cargo xtask test`: their modes, length and seed.
const SHORT_MODES: [StoreMode; 2] = [StoreMode::Sqlite, StoreMode::Postgres];
const SHORT_MINUTES: f64 = 0.25;
const SHORT_SEED: u64 = 402;
/// Where the reports go, in cargo's target folder.
const REPORT_FOLDER: &str = "chaos";

/// The command `cargo xtask chaos`.
///
/// # Errors
/// Something does not compile, PostgreSQL is not installed, the campaign found violations, or, with
/// `prove`, did not find a bug.
pub fn run(arguments: &ChaosArguments) -> Result<()> {
    build()?;
    if arguments.command == Some(ChaosCommand::Prove) {
        return prove::prove();
    }
    let campaign = &arguments.campaign;
    match run_campaign(campaign.mode().name(), campaign)? {
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
/// Something does not compile, a campaign found violations, or did not find a bug.
pub fn short() -> Result<(u32, u32)> {
    build()?;
    let (mut passed, mut skipped) = (0, 0);
    for mode in SHORT_MODES {
        if mode == StoreMode::Postgres && !host::has_postgresql() {
            let mode = mode.name();
            println!("skipped: the campaign on {mode}, since PostgreSQL is not installed");
            skipped += 1;
            continue;
        }
        run_short(mode)?;
        passed += 1;
    }
    prove::prove()?;
    Ok((passed + 1, skipped))
}

fn run_short(mode: StoreMode) -> Result<()> {
    let campaign = CampaignArguments {
        mode: Some(mode),
        seed: Some(SHORT_SEED),
        minutes: Some(SHORT_MINUTES),
        ..CampaignArguments::default()
    };
    match run_campaign(mode.name(), &campaign)? {
        0 => Ok(()),
        code => bail!("the campaign on {} ended with {code}", mode.name()),
    }
}

fn build() -> Result<()> {
    let mut command = workspace::cargo();
    // The whole workspace, as the tests are built: cargo chooses the dependencies' features by the
    // selection, and would compile many of them again for another one.
    command.args(["build", "--workspace", "--features", "proxmox-api/chaos"]);
    command.args(["--bin", "chaos", "--bin", "proxmox-api-chaos"]);
    workspace::run(&mut command)
}

/// The folder of a campaign's report and logs, which the campaign empties first.
fn report_folder(name: &str) -> PathBuf {
    workspace::target_folder().join(REPORT_FOLDER).join(name)
}

/// Runs a campaign, and gives its exit code.
fn run_campaign(name: &str, campaign: &CampaignArguments) -> Result<i32> {
    let words = campaign.to_words();
    let mut command = Command::new(workspace::binary(Profile::Dev, "chaos"));
    command
        .arg("--program")
        .arg(workspace::binary(Profile::Dev, "proxmox-api-chaos"))
        .arg("--folder")
        .arg(report_folder(name))
        .args(&words);
    println!("\n$ cargo xtask chaos {}", words.join(" "));
    let status = command
        .status()
        .with_context(|| format!("cannot run `{}`", workspace::show(&command)))?;
    status
        .code()
        .with_context(|| format!("the campaign was ended by a signal ({status})"))
}
