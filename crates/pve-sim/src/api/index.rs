//! Directory listings, the version, and methods that are always refused.

use serde_json::{Value, json};

use super::Call;
use crate::refusal::{Outcome, Refusal};

/// The commit of the build.
pub(super) const COMMIT: &str = "5ac30304265fbd8e";

fn directory(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"subdir": name})).collect()
}

pub(super) fn root(_: &Call<'_>) -> Outcome {
    Ok(directory(&["access", "cluster", "nodes", "pools", "storage", "version"]).into())
}

pub(super) fn version(call: &Call<'_>) -> Outcome {
    let mut version = json!({"version": "9.2.11", "release": "9.2", "repoid": COMMIT});
    // No real node has this: it is for pages that tell customers that Proxmox is simulated.
    if let Some(notice) = call.cluster.terminals.notice() {
        version["simulator"] = json!({"notice": notice});
    }
    Ok(version.into())
}

pub(super) fn node(_: &Call<'_>) -> Outcome {
    let names = ["lxc", "status", "storage", "tasks", "version"];
    Ok(names
        .iter()
        .map(|name| json!({"name": name}))
        .collect::<Value>()
        .into())
}

pub(super) fn container(call: &Call<'_>) -> Outcome {
    call.container(&call.world())?;
    let names = [
        "config",
        "firewall",
        "interfaces",
        "rrddata",
        "status",
        "termproxy",
        "vncwebsocket",
    ];
    Ok(directory(&names).into())
}

pub(super) fn container_status(call: &Call<'_>) -> Outcome {
    call.container(&call.world())?;
    Ok(directory(&["current", "reboot", "shutdown", "start", "stop"]).into())
}

/// A method of Proxmox that the project must never need.
pub(super) fn refuse(_: &Call<'_>) -> Outcome {
    Err(Refusal::died("not simulated"))
}
