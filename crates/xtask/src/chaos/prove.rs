//! `cargo xtask chaos prove`: a campaign that misses a seeded bug proves nothing, so each of them
//! must be found.

use anyhow::{Result, bail};

use super::arguments::CampaignArguments;
use super::seeded_bugs::{SEEDED_BUGS, SeededBug, StoreMode};
use super::{EXIT_VIOLATED, report_folder, run_campaign};
use crate::host;

/// A short campaign may not reach a bug, so that several seeds are tried.
const SEEDS: [u64; 3] = [402, 403, 404];
const MINUTES: f64 = 0.4;
const CUSTOMERS: usize = 16;

/// Checks that each seeded bug is found by the rule that it breaks.
///
/// # Errors
/// A bug was not found, or a campaign did not come to its end.
pub(super) fn prove() -> Result<()> {
    for bug in &SEEDED_BUGS {
        let name = bug.name;
        if bug.mode == StoreMode::Postgres && !host::has_postgresql() {
            println!("\nskipped: the bug {name}, since PostgreSQL is not installed");
            continue;
        }
        let mut found = false;
        for seed in SEEDS {
            found = found || finds(bug, seed)?;
        }
        if !found {
            bail!("the bug {name} was not found");
        }
        println!("\nthe bug {name} was found, as it should be");
    }
    Ok(())
}

fn finds(bug: &SeededBug, seed: u64) -> Result<bool> {
    let name = bug.name;
    let campaign = CampaignArguments {
        mode: Some(bug.mode),
        bug: Some(name.to_owned()),
        seed: Some(seed),
        minutes: Some(MINUTES),
        customers: CUSTOMERS.try_into().ok(),
        ..CampaignArguments::default()
    };
    match run_campaign(name, &campaign)? {
        0 => Ok(false),
        EXIT_VIOLATED => {
            let report = std::fs::read_to_string(report_folder(name).join("report.txt"))?;
            Ok(report.contains(&format!("VIOLATION {}\n", bug.rule)))
        }
        other => bail!("the campaign with the bug {name} did not come to its end ({other})"),
    }
}
