//! `cargo xtask up`: the whole system on this machine. Settings are read, ports looked at, binaries built, then each part is
//! started once the one below it is healthy; a table says what runs and what is simulated; logs are shown until a signal, or until
//! a part ends, and everything is stopped in the reverse order.

/// Prints a line. A reader that went away (`| head`) must not take the parts with it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod banner;
mod part;
mod ports;
mod services;
mod settings;
mod simulator;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::web;
use crate::workspace::{self, Profile};
use part::{Part, Spec};
use services::SERVICES;
use settings::Settings;

/// How long a part may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Starts everything and stays until it is told to stop.
///
/// # Errors
/// A port is taken, something does not build, or a part ends by itself.
pub fn run(profile: Profile) -> Result<()> {
    let settings = Settings::load()?;
    ports::check(&settings)?;
    let mut binaries: Vec<_> = SERVICES.iter().map(|service| service.name).collect();
    // Also those that the documents use beside the services, so that nothing is left to build.
    for name in ["pve-sim", workspace::PAY, "agent-api/sign"] {
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
        .block_on(start_and_stay(profile, &settings))
}

async fn start_and_stay(profile: Profile, settings: &Settings) -> Result<()> {
    let mut parts = Vec::new();
    let outcome = tokio::select! {
        outcome = start_all(profile, settings, &mut parts) => outcome.map(|()| Started::Everything),
        reason = told_to_stop() => reason.map(Started::Interrupted),
    };
    let outcome = match outcome {
        Ok(Started::Everything) => stay(&mut parts).await,
        Ok(Started::Interrupted(reason)) => Ok(reason),
        Err(error) => Err(error),
    };
    if let Ok(reason) = &outcome {
        say!("\n{reason}: stopping");
    }
    while let Some(part) = parts.pop() {
        tokio::select! {
            () = part.stop() => {}
            _ = told_to_stop() => {} // dropped parts are killed
        }
    }
    outcome.map(drop)
}

enum Started {
    Everything,
    Interrupted(String),
}

async fn start_all(profile: Profile, settings: &Settings, parts: &mut Vec<Part>) -> Result<()> {
    let data = settings.data_folder();
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let mut proxmox = BTreeMap::new();
    if settings.simulates_proxmox() {
        let (part, connection) = simulator::start(profile, settings, &data).await?;
        parts.push(part);
        proxmox = connection;
    }
    for service in &SERVICES {
        let port = service.port(settings)?;
        let mut environment = service.environment(settings)?;
        environment.extend(proxmox.clone());
        parts.push(Part::start(Spec {
            name: service.name,
            program: workspace::binary(profile, service.name),
            arguments: Vec::new(),
            environment,
        })?);
        let part = parts.last_mut().expect("just pushed");
        part.healthy(START_DEADLINE, async || part::answers_health(port).await)
            .await?;
    }
    banner::print(settings)?;
    Ok(())
}

async fn stay(parts: &mut [Part]) -> Result<String> {
    let ended = async {
        loop {
            for part in parts.iter_mut() {
                if let Some(end) = part.ended()? {
                    bail!(
                        "{} ended by itself ({end}); its last lines:\n{}",
                        part.name(),
                        part.last_lines()
                    );
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        error = ended => error,
        reason = told_to_stop() => reason,
    }
}

/// Waits for a signal, or for the process that started us to be gone.
async fn told_to_stop() -> Result<String> {
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
