//! `pve-sim`: the simulator as a process. `options` reads the command line, `handover` writes its
//! address and credentials for other programs, `health` asks a running one. SIGINT and SIGTERM end
//! it, after its state was written where a state file is configured. As `pve-sim guest` the program is
//! the network end of one container, which the simulator starts by itself.

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

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "guest") {
        return pve_sim::run_guest(arguments);
    }
    serve_cluster()
}

#[tokio::main]
async fn serve_cluster() -> ExitCode {
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
        guest_proxy = %sim.guest_proxy(),
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
