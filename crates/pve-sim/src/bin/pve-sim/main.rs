//! `pve-sim`: the simulator as a process of its own. `options` reads the command line; `handover` tells those who are to use it
//! how it is reached; `health` asks a running one. Ends on SIGINT and SIGTERM, keeping its state if it was given a file for it.

mod handover;
mod health;
mod options;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use pve_sim::Sim;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use options::{Options, USAGE};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be said.
            let _ = writeln!(std::io::stderr(), "pve-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        writeln!(std::io::stdout(), "{USAGE}")?;
        return Ok(());
    }
    let options = options::parse(&arguments)?;
    if options.health {
        let credentials = options
            .credentials_dir
            .context("--health needs --credentials-dir, whose authority it trusts")?;
        return health::ask(options.config.listen, &credentials);
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    serve(options).await
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let sim = Sim::start(options.config).await?;
    if let Some(path) = &options.connection_file {
        handover::write_connection(&sim, path)?;
    }
    if let Some(folder) = &options.credentials_dir {
        handover::write_credentials(&sim, folder)?;
    }
    let shell = sim.describe_shell().await;
    tracing::info!(
        url = sim.url(),
        shell = shell.as_str(),
        token = sim.token_id(),
        "simulated Proxmox VE is up"
    );
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    sim.stop().await;
    Ok(())
}
