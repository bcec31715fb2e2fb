//! The note in each container's description: which lease it is for, and which installation made it. Nothing that lacks it is
//! ever touched.

use pve::ContainerConfig;
use serde_json::{Value, json};

use crate::state::Installation;

/// The note's text.
pub fn write(installation: &Installation, lease_id: &str) -> String {
    json!({"infra402": {"lease": lease_id, "instance": installation.id}}).to_string()
}

/// Whether a container was made for a lease, by this installation or another.
pub fn is_there(config: &ContainerConfig) -> bool {
    marker(config).is_some()
}

fn marker(config: &ContainerConfig) -> Option<Value> {
    // People add to notes, so only the first line counts.
    let mut note: Value =
        serde_json::from_str(config.description.as_deref()?.lines().next()?).ok()?;
    note.get_mut("infra402").map(Value::take)
}

/// The lease that a container was made for, if this installation made it.
pub fn read(installation: &Installation, config: &ContainerConfig) -> Option<String> {
    let marker = marker(config)?;
    let instance = marker.get("instance")?.as_str()?;
    (instance == installation.id).then(|| marker.get("lease")?.as_str().map(str::to_owned))?
}
