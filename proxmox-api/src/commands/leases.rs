//! `proxmox-api leases`: lists leases, and ends one whose container is lost or cannot be told from
//! another. The command touches no container; a container of the lease that shows up in the pool
//! later is treated as an orphan.

use std::sync::Arc;

use api_types::Usdc;
use clap::Subcommand;
use serde_json::json;
use service::clock::Clock;

use super::unusable;
use crate::{
    store::{Database, Lease, Store, StoreError},
    timestamp::timestamp,
};

/// The commands about leases.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum LeasesCommand {
    /// List the leases that are not over.
    List,
    /// Show all that is known of a lease.
    Show {
        /// The lease's id.
        id: String,
    },
    /// End a lease whose container is lost or cannot be told from another; its unused part is owed.
    End {
        /// The lease's id.
        id: String,
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
    command: LeasesCommand,
) -> Result<String, String> {
    let store = super::open(database).await?;
    let now = clock.unix_time();
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
    let Some(owed) = store.end_lost_lease(id, now, now).await.map_err(failed)? else {
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
