//! A lease as its owner sees it.

use std::collections::HashMap;

use super::{LeaseState, alarms::Trouble, lock, traffic};
use crate::{
    error::ApiError,
    ids::Wallet,
    payment::PaymentState,
    proxmox::Usage,
    state::App,
    store::{Lease, Traffic},
};
use api_types::{LeaseStatus, LeaseView, Timestamp, Usdc};
use pve::Vmid;

/// The state of a lease and of its payment in the contract's words.
pub fn status(state: LeaseState, payment: PaymentState) -> LeaseStatus {
    match (state, payment) {
        (LeaseState::Probed, PaymentState::Settling | PaymentState::Settled) => {
            LeaseStatus::Settling
        }
        (LeaseState::Probed, PaymentState::Unknown | PaymentState::Unresolved) => {
            LeaseStatus::Reconciling
        }
        (state, _) => status_alone(state),
    }
}

/// The same of a lease whose payment is not open.
pub fn status_alone(state: LeaseState) -> LeaseStatus {
    match state {
        LeaseState::Provisioning
        | LeaseState::CreateSent
        | LeaseState::Created
        | LeaseState::Probed => LeaseStatus::Provisioning,
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

/// What Proxmox shows of a lease's container now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveState {
    /// Its state, such as `running`.
    state: Option<&'static str>,
    /// The node that it is on.
    node: Option<String>,
    /// What keeps it from being used, in a sentence.
    notice: Option<String>,
}

/// One lease; `paid` in atomic USDC.
pub fn view(lease: &Lease, live: LiveState, paid: u64) -> LeaseView {
    let kept = !matches!(lease.state, LeaseState::Destroying | LeaseState::Destroyed);
    LeaseView {
        lease_id: lease.lease_id.to_string(),
        status: status(lease.state, lease.payment),
        live_status: live.state.map(str::to_owned),
        notice: live.notice,
        ctid: lease.vmid.get(),
        hostname: lease.hostname.clone(),
        node: live.node.unwrap_or_else(|| lease.node.to_string()),
        ip: lease.ip.clone(),
        network_ready_at: lease.network_ready_at.map(time),
        sku: lease.sku.clone(),
        template: lease.template.clone(),
        cores: lease.cores,
        memory_mb: lease.memory_mb,
        disk_gb: lease.disk_gb,
        owner_wallet: lease.owner.checksummed(),
        created_at: time(lease.created_at),
        expires_at: lease.expires_at.map(time),
        destroys_at: lease.destroy_at.filter(|_| kept).map(time),
        paid: Usdc(paid),
    }
}

/// The view of a lease whose container runs where its row says.
pub fn running(lease: &Lease, paid: u64) -> LeaseView {
    let live = LiveState {
        state: Some("running"),
        ..LiveState::default()
    };
    view(lease, live, paid)
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
pub async fn of_wallet(app: &App, wallet: &Wallet, live: Live) -> Result<Vec<LeaseView>, ApiError> {
    let mut leases = app.store.leases_by_owner(wallet).await?;
    leases.reverse();
    let paid = app.store.paid_by_lease(wallet).await?;
    let limited = app.store.limited_traffic(wallet).await?;
    let seen = live_states(app, &leases, live).await?;
    Ok(leases
        .iter()
        .map(|lease| {
            let live = live_state(app, lease, seen.as_ref(), limited.get(&lease.lease_id));
            view(lease, live, paid.get(&lease.lease_id).copied().unwrap_or(0))
        })
        .collect())
}

/// One lease with the live state of its container, where Proxmox can be asked.
///
/// # Errors
/// The store failed.
pub async fn of_lease(app: &App, lease: &Lease) -> Result<LeaseView, ApiError> {
    let paid = app.store.paid_by_lease(&lease.owner).await?;
    let traffic = app.store.traffic(&lease.lease_id).await?;
    let seen = live_states(app, std::slice::from_ref(lease), Live::IfPossible).await?;
    let live = live_state(app, lease, seen.as_ref(), traffic.as_ref());
    Ok(view(
        lease,
        live,
        paid.get(&lease.lease_id).copied().unwrap_or(0),
    ))
}

/// What is seen of a lease's container; of Proxmox nothing where it was not asked.
fn live_state(
    app: &App,
    lease: &Lease,
    seen: Option<&HashMap<Vmid, Usage>>,
    traffic: Option<&Traffic>,
) -> LiveState {
    let limited = || traffic.and_then(|traffic| traffic::notice(app, traffic));
    let Some(seen) = seen else {
        return LiveState {
            notice: limited().filter(|_| holds_container(lease)),
            ..LiveState::default()
        };
    };
    if !holds_container(lease) {
        return LiveState {
            state: Some("destroyed"),
            ..LiveState::default()
        };
    }
    let trouble = app.alarms.of(&lease.lease_id);
    let found = seen.get(&lease.vmid).filter(|_| !is_other(trouble));
    let lock = found.and_then(|usage| usage.lock.as_deref());
    // What its owner is shown now, the next sale has to know as well.
    if lock.is_some() {
        app.looks.forget(lease.vmid);
    }
    LiveState {
        state: Some(found.map_or("missing", |usage| usage.state.as_str())),
        node: found.map(|usage| usage.node.to_string()),
        notice: notice(trouble, lock, found.is_some())
            .or_else(|| awaited(lease, app.now()))
            .or_else(limited),
    }
}

/// What its owner has to know of a container that cannot be used as it should.
fn notice(trouble: Option<Trouble>, lock: Option<&str>, found: bool) -> Option<String> {
    let text = match (trouble, lock) {
        (Some(Trouble::Gone), _) => "The container is gone from the host. If it does not come back within ten minutes, the lease \
            ends and the unused part is owed to you."
            .to_owned(),
        (Some(Trouble::Template), _) => "The operator made a template of the container, so it cannot run. The lease ends, and the \
            unused part is owed to you."
            .to_owned(),
        (Some(Trouble::Hidden | Trouble::Unmarked), _) => {
            "The container cannot be reached; its operator has been told.".to_owned()
        }
        (Some(Trouble::NodeAway), _) => {
            "The node that the container is on does not answer just now.".to_owned()
        }
        (Some(Trouble::LinkDown), None) => {
            "Its network cannot be used yet; its operator has been told.".to_owned()
        }
        (_, Some(lock)) => format!(
            "Locked because {}; commands, consoles and renewals have to wait.",
            lock::meaning(lock)
        ),
        _ if !found => "The host does not show the container just now.".to_owned(),
        _ => return None,
    };
    Some(text)
}

/// That its network cannot be used yet.
fn awaited(lease: &Lease, now: i64) -> Option<String> {
    let seconds = lease.network_ready_at? - now;
    (seconds > 0).then(|| {
        format!("Its network can be used in {seconds} seconds, once the host's firewall knows its rules; the paid time begins then.")
    })
}

/// Whether the number of a lease may belong to something else, of which nothing is shown.
pub fn is_other(trouble: Option<Trouble>) -> bool {
    matches!(
        trouble,
        Some(Trouble::Gone | Trouble::Hidden | Trouble::Unmarked)
    )
}

fn holds_container(lease: &Lease) -> bool {
    lease.state != LeaseState::Destroyed
}

/// `None` where Proxmox is away and that is borne. It is not asked about containers that are gone.
async fn live_states(
    app: &App,
    leases: &[Lease],
    live: Live,
) -> Result<Option<HashMap<Vmid, Usage>>, ApiError> {
    if !leases.iter().any(holds_container) {
        return Ok(Some(HashMap::new()));
    }
    let held = leases.iter().filter(|lease| holds_container(lease));
    let vmids: Vec<Vmid> = held.map(|lease| lease.vmid).collect();
    match (app.proxmox.usage_of(&vmids).await, live) {
        (Ok(usage), _) => Ok(Some(
            usage.into_iter().map(|usage| (usage.vmid, usage)).collect(),
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
