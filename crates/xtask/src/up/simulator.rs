//! Starts the simulated Proxmox and reads the connection file that it writes once it listens. The
//! lease API reaches it by these settings, as it would reach a real one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::START_TIMEOUT;
use super::process::{ProcessSpec, SupervisedProcess};
use super::settings::UpSettings;
use crate::workspace::{self, Profile};

/// The connection file of the simulator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SimulatorConnection {
    url: String,
    token_id: String,
    token_secret: String,
    fingerprint: String,
    node: String,
    guest_proxy: String,
}

/// Starts the simulator, and gives it with the `PVE_*` settings that reach it.
///
/// # Errors
/// It does not start, or writes no connection file.
pub async fn start(
    profile: Profile,
    settings: &UpSettings,
    data: &Path,
) -> Result<(SupervisedProcess, BTreeMap<String, String>)> {
    let file = data.join("pve-sim-connection.json");
    if file.exists() {
        std::fs::remove_file(&file)
            .with_context(|| format!("cannot remove the old {}", file.display()))?;
    }
    let mut process = SupervisedProcess::start(ProcessSpec {
        name: "pve-sim",
        program: workspace::binary(profile, "pve-sim"),
        arguments: vec![
            "--listen".into(),
            format!("127.0.0.1:{}", settings.simulator_port()?),
            "--time-scale".into(),
            settings.time_scale().into(),
            "--state-file".into(),
            data.join("pve-sim.json").display().to_string(),
            "--connection-file".into(),
            file.display().to_string(),
        ],
        environment: BTreeMap::new(),
    })?;
    let read = || {
        let text = std::fs::read_to_string(&file).ok()?;
        serde_json::from_str::<SimulatorConnection>(&text).ok()
    };
    process
        .wait_until_healthy(START_TIMEOUT, async || read().is_some())
        .await?;
    let connection = read().context("the simulator's connection file went away")?;
    let found = [
        ("PVE_HOST", connection.url),
        ("PVE_TOKEN_ID", connection.token_id),
        ("PVE_TOKEN_SECRET", connection.token_secret),
        ("PVE_FINGERPRINT", connection.fingerprint),
        ("PVE_NODE", connection.node),
        ("PVE_SIMULATED", "true".to_owned()),
        // The network of the simulated containers begins behind the simulator's proxy.
        ("GUEST_PROXY", connection.guest_proxy),
    ];
    // A token or a pin in .env belongs to a real host, which is not in use without PVE_HOST.
    Ok((
        process,
        found.map(|(name, value)| (name.to_owned(), value)).into(),
    ))
}
