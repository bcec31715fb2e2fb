//! A lease as its owner sees it.

use std::collections::HashMap;

use api_types::{LeaseStatus, LeaseView, Timestamp, Usdc};
use pve::ContainerState;

use super::LeaseState;
use crate::{error::ApiError, proxmox::Proxmox, state::App, store::Lease};

/// The state in the contract's words.
pub fn status(state: LeaseState) -> LeaseStatus {
    match state {
        LeaseState::Provisioning
        | LeaseState::CreateSent
        | LeaseState::Created
        | LeaseState::Probed => LeaseStatus::Provisioning,
        LeaseState::Settling => LeaseStatus::Settling,
        LeaseState::Unknown => LeaseStatus::Reconciling,
        LeaseState::Active => LeaseStatus::Active,
        LeaseState::Expiring => LeaseStatus::Expiring,
        LeaseState::Stopped => LeaseStatus::Stopped,
        LeaseState::Undoing => LeaseStatus::Undoing,
        LeaseState::Destroying | LeaseState::Destroyed => LeaseStatus::Destroyed,
    }
}

/// Seconds of the store as a time of the contract.
pub fn time(seconds: i64) -> Timestamp {
    Timestamp(u64::try_from(seconds).unwrap_or(0))
}

/// One lease; `paid` in atomic USDC.
pub fn view(lease: &Lease, live: Option<&str>, paid: u64) -> LeaseView {
    let kept = !matches!(lease.state, LeaseState::Destroying | LeaseState::Destroyed);
    LeaseView {
        lease_id: lease.lease_id.clone(),
        status: status(lease.state),
        live_status: live.map(str::to_owned),
        ctid: lease.vmid,
        hostname: lease.hostname.clone(),
        node: lease.node.clone(),
        ip: lease.ip.clone(),
        sku: lease.sku.clone(),
        template: lease.template.clone(),
        cores: lease.cores,
        memory_mb: lease.memory_mb,
        disk_gb: lease.disk_gb,
        owner_wallet: checksummed(&lease.owner),
        created_at: time(lease.created_at),
        expires_at: lease.expires_at.map(time),
        destroys_at: lease.destroy_at.filter(|_| kept).map(time),
        paid: Usdc(paid),
    }
}

/// An address of the store, which is lower case, as people write it.
pub fn checksummed(address: &str) -> String {
    address
        .parse::<alloy::primitives::Address>()
        .map_or_else(|_| address.to_owned(), |address| address.to_checksum(None))
}

/// The leases of a wallet, the youngest first; with the containers' live state if `live` was asked for.
///
/// # Errors
/// The store failed, or Proxmox did when it was asked.
pub async fn of_wallet(app: &App, wallet: &str, live: bool) -> Result<Vec<LeaseView>, ApiError> {
    let mut leases = app.store.leases_by_owner(wallet).await?;
    leases.reverse();
    let paid = app.store.paid_by_lease(wallet).await?;
    let states = if live && leases.iter().any(holds_container) {
        live_states(&app.proxmox).await?
    } else {
        HashMap::new()
    };
    Ok(leases
        .iter()
        .map(|lease| {
            let state = live.then(|| match states.get(&lease.vmid) {
                _ if !holds_container(lease) => "destroyed",
                Some(state) => state.as_str(),
                None => "missing",
            });
            view(
                lease,
                state,
                paid.get(&lease.lease_id).copied().unwrap_or(0),
            )
        })
        .collect())
}

fn holds_container(lease: &Lease) -> bool {
    lease.state != LeaseState::Destroyed
}

/// The state of every container, by one request: the node's own list, which is live, where there is one node, else the
/// cluster's, which lags a few seconds.
async fn live_states(proxmox: &Proxmox) -> Result<HashMap<u32, ContainerState>, pve::Error> {
    if let [node] = proxmox.config.nodes.as_slice() {
        let containers = proxmox.client.containers(node).await?;
        return Ok(containers
            .iter()
            .map(|found| (found.vmid.get(), found.status))
            .collect());
    }
    let resources = proxmox.client.resources().await?;
    Ok(resources
        .iter()
        .map(|found| (found.vmid.get(), found.status))
        .collect())
}
