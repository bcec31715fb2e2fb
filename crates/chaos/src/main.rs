//! A campaign that tries to break the service: many customers buy, while processes die, the
//! facilitator lies, the chain stops or reorganises, Proxmox fails before and after acting, an
//! administrator moves and deletes containers, and the database goes away. Afterwards a checker
//! reads Proxmox, the ledger, the store and the responses that customers got. `cargo xtask chaos`
//! builds the programs and runs them; docs/CHAOS.md lists the faults and the rules.

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
use clap::Parser as _;

use crate::options::CampaignOptions;

/// The exit code where the campaign cannot run on this machine.
const SKIPPED: u8 = 77;

#[tokio::main]
async fn main() -> ExitCode {
    let options = CampaignOptions::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&options).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &CampaignOptions) -> Result<ExitCode> {
    let Some(evidence) = campaign::run(options).await? else {
        return Ok(ExitCode::from(SKIPPED));
    };
    let violations = check::all(&evidence);
    let text = report::text(options, &evidence, &violations);
    print!("{text}");
    report::write(&options.folder, &text, &evidence)?;
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
