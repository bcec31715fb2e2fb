//! A lease as its owner sees it.

use std::collections::HashMap;

use api_types::{LeaseStatus, LeaseView, Timestamp, Usdc};
use pve::ContainerState;

use super::LeaseState;
use crate::{error::ApiError, state::App, store::Lease};

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

/// What to do about the containers' live state when Proxmox is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// It was paid for: fail.
    Required,
    /// Leave it out.
    IfPossible,
}

/// The leases of a wallet, the youngest first, with the live state of their containers by one request to Proxmox.
///
/// # Errors
/// The store failed, or Proxmox did and its answer is required.
pub async fn of_wallet(app: &App, wallet: &str, live: Live) -> Result<Vec<LeaseView>, ApiError> {
    let mut leases = app.store.leases_by_owner(wallet).await?;
    leases.reverse();
    let paid = app.store.paid_by_lease(wallet).await?;
    let states = live_states(app, &leases, live).await?;
    Ok(leases
        .iter()
        .map(|lease| {
            let state = states.as_ref().map(|states| live_state(lease, states));
            view(
                lease,
                state,
                paid.get(&lease.lease_id).copied().unwrap_or(0),
            )
        })
        .collect())
}

/// One lease with the live state of its container, where Proxmox can be asked.
///
/// # Errors
/// The store failed.
pub async fn of_lease(app: &App, lease: &Lease) -> Result<LeaseView, ApiError> {
    let paid = app.store.paid_by_lease(&lease.owner).await?;
    let states = live_states(app, std::slice::from_ref(lease), Live::IfPossible).await?;
    let state = states.as_ref().map(|states| live_state(lease, states));
    Ok(view(
        lease,
        state,
        paid.get(&lease.lease_id).copied().unwrap_or(0),
    ))
}

fn live_state(lease: &Lease, states: &HashMap<u32, ContainerState>) -> &'static str {
    match states.get(&lease.vmid) {
        _ if !holds_container(lease) => "destroyed",
        Some(state) => state.as_str(),
        None => "missing",
    }
}

fn holds_container(lease: &Lease) -> bool {
    lease.state != LeaseState::Destroyed
}

/// `None` where Proxmox is away and that is borne. It is not asked about containers that are gone.
async fn live_states(
    app: &App,
    leases: &[Lease],
    live: Live,
) -> Result<Option<HashMap<u32, ContainerState>>, ApiError> {
    if !leases.iter().any(holds_container) {
        return Ok(Some(HashMap::new()));
    }
    match (app.proxmox.usage().await, live) {
        (Ok(usage), _) => Ok(Some(
            usage
                .into_iter()
                .map(|usage| (usage.vmid, usage.state))
                .collect(),
        )),
        (Err(error), Live::Required) => Err(error.into()),
        (Err(error), Live::IfPossible) => {
            tracing::warn!(
                proxmox.cause = error.safe_text(),
                "leases are shown without their live state"
            );
            Ok(None)
        }
    }
}
