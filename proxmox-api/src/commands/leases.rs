//! `proxmox-api leases`: which leases there are, and how a person ends one whose container is lost or cannot be told from
//! another. The command touches no container; one of the
//! lease's that shows up in the pool later has no lease, and is treated as any such.

use std::sync::Arc;

use api_types::Usdc;
use serde_json::json;
use service::clock::Clock;

use super::unusable;
use crate::{
    store::{Database, Lease, Store, StoreError},
    timestamp::timestamp,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeasesCommand {
    /// List the leases that are not over.
    List,
    /// Show one lease.
    Show {
        /// The lease's id.
        id: String,
    },
    /// End a lease whose container is lost; its unused part is owed.
    End {
        /// The lease's id.
        id: String,
        /// Why: kept in the audit trail.
        reason: String,
    },
}

impl LeasesCommand {
    /// Reads the arguments after `leases`; none where help is asked for.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let all: Vec<String> = arguments.collect();
        if all.iter().any(|word| word == "--help" || word == "-h") {
            return Ok(None);
        }
        let words: Vec<&str> = all.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["list"] => Ok(Some(Self::List)),
            ["show", id] => Ok(Some(Self::Show {
                id: (*id).to_owned(),
            })),
            ["end", id, "--reason", reason] if !reason.trim().is_empty() => Ok(Some(Self::End {
                id: (*id).to_owned(),
                reason: reason.trim().to_owned(),
            })),
            ["show" | "end"] => Err(format!("leases {} needs the id of a lease", words[0])),
            ["end", ..] => {
                Err("leases end ID needs --reason TEXT: it is kept with the decision".into())
            }
            _ => Err("leases needs one of: list, show ID, end ID --reason TEXT".into()),
        }
    }
}

/// What the command prints.
///
/// # Errors
/// Why it cannot be done.
pub async fn perform(
    database: &Database,
    clock: Arc<dyn Clock>,
    command: LeasesCommand,
) -> Result<String, String> {
    let store = super::open(database).await?;
    let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
    match command {
        LeasesCommand::List => list(&store).await.map_err(unusable),
        LeasesCommand::Show { id } => {
            let lease = find(&store, &id).await?;
            show(&store, &lease).await.map_err(unusable)
        }
        LeasesCommand::End { id, reason } => {
            let lease = find(&store, &id).await?;
            end(&store, &lease, &reason, now).await
        }
    }
}

async fn find(store: &Store, id: &str) -> Result<Lease, String> {
    let found = store.lease(&id.into()).await.map_err(unusable)?;
    found.ok_or_else(|| format!("there is no lease {id}"))
}

async fn list(store: &Store) -> Result<String, StoreError> {
    let leases = store.live_leases().await?;
    let mut text = format!("Leases that are not over: {}\n", leases.len());
    for lease in leases {
        let end = lease
            .expires_at
            .map(|end| format!("  until {}", timestamp(end)));
        text.push_str(&format!(
            "  {}  {:>9} on {}  {}  {}  {}{}\n",
            lease.lease_id,
            lease.vmid,
            lease.node,
            lease.state.as_str(),
            lease.hostname,
            lease.owner,
            end.unwrap_or_default()
        ));
    }
    Ok(text)
}

async fn show(store: &Store, lease: &Lease) -> Result<String, StoreError> {
    let mut lines = vec![
        ("lease", lease.lease_id.to_string()),
        ("state", lease.state.as_str().to_owned()),
        ("container", format!("{} on {}", lease.vmid, lease.node)),
        ("hostname", lease.hostname.clone()),
        ("owner", lease.owner.to_string()),
        ("payment", lease.payment_id.to_string()),
        ("asked for", timestamp(lease.created_at).to_string()),
    ];
    let times = [
        ("paid until", lease.expires_at),
        ("kept until", lease.destroy_at),
    ];
    lines.extend(
        times
            .into_iter()
            .filter_map(|(name, at)| Some((name, timestamp(at?).to_string()))),
    );
    for event in store.events(&lease.lease_id, 0, 1000).await? {
        let text = format!("{} {} {}", timestamp(event.at), event.kind, event.data);
        lines.push(("event", text));
    }
    Ok(lines
        .iter()
        .map(|(name, value)| format!("{name:<12} {value}\n"))
        .collect())
}

/// Ends a lease, and writes it into the audit trail.
async fn end(store: &Store, lease: &Lease, reason: &str, now: i64) -> Result<String, String> {
    let failed = |error: StoreError| format!("nothing was changed: {error}");
    let id = &lease.lease_id;
    let Some(owed) = store.end_lost(id, now, now).await.map_err(failed)? else {
        let state = lease.state.as_str();
        return Err(format!(
            "nothing was changed: the lease is {state}, and only one that is paid and not over can be ended"
        ));
    };
    let data = json!({ "vmid": lease.vmid, "why": "operator", "reason": reason, "payments": owed });
    store
        .append_event(now, id, "container_lost", &data)
        .await
        .map_err(|error| {
            format!("the lease has ended, and that is not in the audit trail: {error}")
        })?;
    let sum = Usdc(owed.iter().map(|(_, amount)| amount).sum());
    Ok(format!(
        "{id} has ended; {sum} is owed for its unused part: see proxmox-api payments due.\n\
         Container {} was not touched. If it is the lease's, stop it within the hour: its address goes to another lease then. \
         Once it is seen in the pool it is stopped, and removed after ORPHAN_KEEP_HOURS.\n",
        lease.vmid
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<LeasesCommand>, String> {
        LeasesCommand::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_is_ended_without_an_id_and_a_reason() {
        let end = LeasesCommand::End {
            id: "lease-1".into(),
            reason: "burnt".into(),
        };
        assert_eq!(read("end lease-1 --reason burnt"), Ok(Some(end)));
        assert_eq!(read("list"), Ok(Some(LeasesCommand::List)));
        assert_eq!(read("end --help"), Ok(None));
        for wrong in [
            "",
            "end",
            "end lease-1",
            "end lease-1 --reason",
            "show",
            "list all",
            "stop lease-1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
