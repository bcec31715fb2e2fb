//! A campaign that tries to break the service: many customers buy, while processes die, the
//! facilitator lies, the chain stops or reorganises, Proxmox fails before and after acting, an
//! administrator moves and deletes, and the database goes away. Afterwards a checker reads Proxmox,
//! the ledger and the store, and what customers were told. `cargo xtask chaos` builds what it needs
//! and runs it; docs/CHAOS.md says what it injects and what has to hold.

mod campaign;
mod check;
mod clock;
mod customers;
mod evidence;
mod faults;
mod journal;
mod options;
mod random;
mod report;
mod testbed;
mod world;

use std::process::ExitCode;

use anyhow::Result;

use crate::options::{CampaignOptions, USAGE};

/// What the campaign ends with where it cannot be run here.
const SKIPPED: u8 = 77;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|word| word == "--help" || word == "-h")
    {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = CampaignOptions::read(arguments)?;
    let Some(evidence) = campaign::run(&options).await? else {
        return Ok(ExitCode::from(SKIPPED));
    };
    let violations = check::all(&evidence);
    let text = report::text(&options, &evidence, &violations);
    print!("{text}");
    report::write(&options.folder, &text, &evidence)?;
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
