//! Directory listings, the version, and methods that are always refused.

use serde_json::{Value, json};

use super::MethodCall;
use crate::response::{ErrorResponse, HandlerResult};

/// The commit of the build.
pub(super) const COMMIT: &str = "5ac30304265fbd8e";

fn directory(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"subdir": name})).collect()
}

pub(super) fn root(_: &MethodCall<'_>) -> HandlerResult {
    Ok(directory(&["access", "cluster", "nodes", "pools", "storage", "version"]).into())
}

pub(super) fn version(call: &MethodCall<'_>) -> HandlerResult {
    let mut version = json!({"version": "9.2.11", "release": "9.2", "repoid": COMMIT});
    // No real node has this: it is for pages that tell customers that Proxmox is simulated.
    if let Some(notice) = call.cluster.terminals.notice() {
        version["simulator"] = json!({"notice": notice});
    }
    Ok(version.into())
}

pub(super) fn node(_: &MethodCall<'_>) -> HandlerResult {
    let names = ["lxc", "status", "storage", "tasks", "version"];
    Ok(names
        .iter()
        .map(|name| json!({"name": name}))
        .collect::<Value>()
        .into())
}

pub(super) fn container(call: &MethodCall<'_>) -> HandlerResult {
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

pub(super) fn container_status(call: &MethodCall<'_>) -> HandlerResult {
    call.container(&call.world())?;
    Ok(directory(&["current", "reboot", "shutdown", "start", "stop"]).into())
}

/// A method of Proxmox that the project must never need.
pub(super) fn refuse(_: &MethodCall<'_>) -> HandlerResult {
    Err(ErrorResponse::died("not simulated"))
}
