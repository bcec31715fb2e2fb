//! `pve-sim`: the simulator as a process. `options` reads the command line, `handover` writes its
//! address and credentials for other programs, `health` asks a running one. SIGINT and SIGTERM end
//! it, after its state was written where a state file is configured.

mod handover;
mod health;
mod options;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use pve_sim::Sim;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error nothing can be reported.
            let _ = writeln!(std::io::stderr(), "pve-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let options = options::parse()?;
    if options.health {
        let credentials = options
            .credentials_dir
            .context("--health needs --credentials-dir: it trusts the authority there")?;
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
        "the simulated Proxmox VE is up"
    );
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    tracing::info!("the simulated Proxmox VE stops");
    sim.stop().await;
    Ok(())
}
