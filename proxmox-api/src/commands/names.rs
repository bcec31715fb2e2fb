//! `proxmox-api names`: takes the name of a container down, so that none of its published ports and
//! no SSH client gets to it, and puts it back. A running service heeds it at the next request, and
//! cuts open connections within seconds.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use service::clock::Clock;

use super::unusable;
use crate::{
    lease::ports::name,
    store::{Database, GuestName, Store},
};

/// The commands about names of containers.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum NamesCommand {
    /// Show whose a name is.
    Show {
        /// The name, or a host such as 3000-NAME.apps.example.net.
        name: String,
    },
    /// Take a name down: its ports answer as if they did not exist.
    TakeDown {
        /// The name, or a host such as 3000-NAME.apps.example.net.
        name: String,
        /// Why you decide so; the owner is shown it, and the audit trail keeps it.
        #[arg(long, value_name = "TEXT", value_parser = super::read_reason, allow_hyphen_values = true)]
        reason: String,
    },
    /// Put a name that was taken down back.
    PutBack {
        /// The name, or a host such as 3000-NAME.apps.example.net.
        name: String,
        /// Why you decide so; the audit trail keeps it.
        #[arg(long, value_name = "TEXT", value_parser = super::read_reason, allow_hyphen_values = true)]
        reason: String,
    },
}

/// What the command prints.
///
/// # Errors
/// Why it cannot be done.
pub async fn perform(
    database: &Database,
    clock: Arc<dyn Clock>,
    command: NamesCommand,
) -> Result<String, String> {
    let store = super::open(database).await?;
    let now = clock.unix_time();
    match command {
        NamesCommand::Show { name } => show(&store, find(&store, &name).await?).await,
        NamesCommand::TakeDown { name, reason } => {
            let found = find(&store, &name).await?;
            let done = store.take_name_down(&found.name, &reason, now).await;
            if !done.map_err(unusable)? {
                return Err(format!(
                    "nothing was changed: {} is down already",
                    found.name
                ));
            }
            record(&store, &found, "name_taken_down", &reason, now).await?;
            Ok(format!(
                "{} is down: nobody gets to the published ports of lease {}, and no SSH client of its owner's.\n",
                found.name, found.lease_id
            ))
        }
        NamesCommand::PutBack { name, reason } => {
            let found = find(&store, &name).await?;
            if !store.put_name_up(&found.name).await.map_err(unusable)? {
                return Err(format!("nothing was changed: {} is up", found.name));
            }
            record(&store, &found, "name_put_back", &reason, now).await?;
            Ok(format!("{} is up again.\n", found.name))
        }
    }
}

/// The name in a host, or the name itself.
fn name_in(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.to_ascii_lowercase();
    let label = text.split(['.', '/', ':']).next().unwrap_or_default();
    let name = name::parse_label(label).map_or(label, |(_, name)| name);
    name.to_owned()
}

async fn find(store: &Store, text: &str) -> Result<GuestName, String> {
    let name = name_in(text);
    let found = store.owner_of_guest_name(&name).await.map_err(unusable)?;
    found.ok_or_else(|| format!("no container has or had the name {name}"))
}

async fn show(store: &Store, found: GuestName) -> Result<String, String> {
    let lease = store.lease(&found.lease_id).await.map_err(unusable)?;
    let ports = store.ports(&found.lease_id).await.map_err(unusable)?;
    let mut lines = vec![("name", found.name), ("lease", found.lease_id.to_string())];
    if let Some(lease) = lease {
        lines.push(("state", lease.state.as_str().to_owned()));
        lines.push(("owner", lease.owner.to_string()));
        lines.push(("container", format!("{} on {}", lease.vmid, lease.node)));
    }
    lines.extend(
        ports
            .iter()
            .map(|port| ("port", format!("{} {}", port.port, port.access.as_str()))),
    );
    let down = found.taken_down.map(|reason| ("taken down", reason));
    lines.extend(down);
    Ok(lines
        .iter()
        .map(|(name, value)| format!("{name:<12} {value}\n"))
        .collect())
}

async fn record(
    store: &Store,
    found: &GuestName,
    kind: &'static str,
    reason: &str,
    now: i64,
) -> Result<(), String> {
    let data = json!({ "name": found.name, "reason": reason, "by": "operator" });
    let stored = store.append_event(now, &found.lease_id, kind, &data).await;
    stored.map_err(|error| format!("it is done, and that is not in the audit trail: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_whatever_was_reported() {
        for text in [
            "0123456789ab",
            "80-0123456789ab",
            "80-0123456789ab.apps.example.net",
            "https://80-0123456789ab.apps.example.net/login?x=1",
            "80-0123456789ab.localhost:4080",
            "HTTP://80-0123456789AB.Apps.Example.net",
        ] {
            assert_eq!(name_in(text), "0123456789ab", "{text}");
        }
    }
}
