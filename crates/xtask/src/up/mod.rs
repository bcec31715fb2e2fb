//! `cargo xtask up`: runs the whole system on this machine. It reads the settings, checks the
//! ports, builds the binaries, and starts each process once the one before it is healthy. A table
//! shows what runs and what is simulated. Logs are shown until a signal, or until a process ends;
//! then all are stopped in the reverse order.

/// Prints a line. A closed pipe (`| head`) is ignored, so that it does not end the processes.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod banner;
mod ports;
mod process;
mod services;
mod settings;
mod simulator;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::web;
use crate::workspace::{self, Profile};
use process::{ProcessSpec, SupervisedProcess};
use services::SERVICES;
use settings::UpSettings;

/// How long a process may take until it responds.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts everything and runs until a signal.
///
/// # Errors
/// A port is taken, something does not build, or a process ends by itself.
pub fn run(profile: Profile) -> Result<()> {
    let settings = UpSettings::load()?;
    ports::check(&settings)?;
    let mut binaries: Vec<_> = SERVICES.iter().map(|service| service.name).collect();
    // Also the programs that the documents use, so that nothing is left to build.
    for name in ["pve-sim", workspace::CLI, "agent-api/sign"] {
        if !binaries.contains(&name) {
            binaries.push(name);
        }
    }
    web::terminal_of_the_api()?;
    workspace::build(profile, &binaries)?;
    web::build(profile)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(start_and_watch(profile, &settings))
}

async fn start_and_watch(profile: Profile, settings: &UpSettings) -> Result<()> {
    let mut processes = Vec::new();
    let outcome = tokio::select! {
        outcome = start_all(profile, settings, &mut processes) => outcome.map(|()| StartOutcome::Everything),
        reason = stop_requested() => reason.map(StartOutcome::Interrupted),
    };
    let outcome = match outcome {
        Ok(StartOutcome::Everything) => watch(&mut processes).await,
        Ok(StartOutcome::Interrupted(reason)) => Ok(reason),
        Err(error) => Err(error),
    };
    if let Ok(reason) = &outcome {
        say!("\n{reason}: stopping");
    }
    while let Some(process) = processes.pop() {
        tokio::select! {
            () = process.stop() => {}
            _ = stop_requested() => {} // dropped processes are killed
        }
    }
    outcome.map(drop)
}

enum StartOutcome {
    Everything,
    Interrupted(String),
}

async fn start_all(
    profile: Profile,
    settings: &UpSettings,
    processes: &mut Vec<SupervisedProcess>,
) -> Result<()> {
    let data = settings.data_folder();
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let mut proxmox = BTreeMap::new();
    if settings.simulates_proxmox() {
        let (process, connection) = simulator::start(profile, settings, &data).await?;
        processes.push(process);
        proxmox = connection;
    }
    for service in &SERVICES {
        let port = service.port(settings)?;
        let mut environment = service.environment(settings)?;
        environment.extend(proxmox.clone());
        processes.push(SupervisedProcess::start(ProcessSpec {
            name: service.name,
            program: workspace::binary(profile, service.name),
            arguments: Vec::new(),
            environment,
        })?);
        let process = processes.last_mut().expect("just pushed");
        process
            .wait_until_healthy(START_TIMEOUT, async || process::is_healthy(port).await)
            .await?;
    }
    banner::print(settings)?;
    Ok(())
}

async fn watch(processes: &mut [SupervisedProcess]) -> Result<String> {
    let ended = async {
        loop {
            for process in processes.iter_mut() {
                if let Some(end) = process.ended()? {
                    bail!(
                        "{} ended by itself ({end}); its last lines:\n{}",
                        process.name(),
                        process.last_lines()
                    );
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        error = ended => error,
        reason = stop_requested() => reason,
    }
}

/// Waits for a signal, or for the end of the process that started this one.
async fn stop_requested() -> Result<String> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut interrupt, mut terminate, mut hang_up) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    );
    let parent = rustix::process::getppid();
    let orphaned = async {
        while rustix::process::getppid() == parent {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    Ok(tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "told to terminate",
        _ = hang_up.recv() => "the terminal is gone",
        () = orphaned => "the process that started this one is gone",
    }
    .to_owned())
}
