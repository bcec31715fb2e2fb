//! The note in each container's description: which lease it is for, and which installation made it. Nothing that lacks it is
//! ever touched.

use pve::ContainerConfig;
use serde_json::{Value, json};

use crate::state::Installation;

/// The note's text.
pub fn write(installation: &Installation, lease_id: &str) -> String {
    json!({"infra402": {"lease": lease_id, "instance": installation.id}}).to_string()
}

/// The lease that a container was made for, if this installation made it. People add to notes, so only the first line counts.
pub fn read(installation: &Installation, config: &ContainerConfig) -> Option<String> {
    let note = config.description.as_deref()?;
    let value: Value = serde_json::from_str(note.lines().next()?).ok()?;
    let marker = value.get("infra402")?;
    let instance = marker.get("instance")?.as_str()?;
    (instance == installation.id).then(|| marker.get("lease")?.as_str().map(str::to_owned))?
}
