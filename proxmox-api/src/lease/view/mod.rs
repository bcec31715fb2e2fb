//! A lease as its owner sees it.

pub mod counts;
pub mod usage;

use std::{sync::Arc, time::Instant};

use crate::{
    error::ApiError,
    ids::{LeaseId, Wallet},
    lease::{container::lock, guest::connect, network::traffic, ports, ssh},
    memory::alarms::Trouble,
    payment_machine::PaymentState,
    proxmox::{ContainerUsage, RecentUsage},
    state::App,
    store::{Lease, LeaseState, PaidLease, StoreError, Traffic},
    timestamp::timestamp,
};
use api_types::{
    GuestAccess, GuestRoute, LeaseStatus, LeaseView, ListResponse, PortView, SshAccess, Usdc,
};
use pve::Vmid;

/// The state of a lease and of its payment in the contract's words.
pub fn status(state: LeaseState, payment: Option<PaymentState>) -> LeaseStatus {
    match (state, payment) {
        (LeaseState::Probed, Some(PaymentState::Settling | PaymentState::Settled)) => {
            LeaseStatus::Settling
        }
        (LeaseState::Probed, Some(PaymentState::Unknown | PaymentState::Unresolved)) => {
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

/// What Proxmox shows of a lease's container now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveState {
    /// The way into it, where it runs.
    access: Option<GuestAccess>,
    /// Its state, such as `running`.
    state: Option<&'static str>,
    /// The node that it is on.
    node: Option<String>,
    /// What keeps it from being used, in a sentence.
    notice: Option<String>,
    /// Its published ports.
    ports: Vec<PortView>,
    /// How an SSH client gets into it.
    ssh: Option<SshAccess>,
}

/// One lease; `paid` in atomic USDC.
pub fn view(lease: &Lease, live: LiveState, paid: u64) -> LeaseView {
    let kept = !matches!(lease.state, LeaseState::Destroying | LeaseState::Destroyed);
    LeaseView {
        lease_id: lease.lease_id.to_string(),
        status: status(lease.state, lease.payment),
        live_status: live.state.map(str::to_owned),
        notice: live.notice,
        access: live.access,
        ports: live.ports,
        ssh: live.ssh,
        ctid: lease.vmid.get(),
        hostname: lease.hostname.clone(),
        node: live.node.unwrap_or_else(|| lease.node.to_string()),
        ip: lease.ip.clone(),
        network_ready_at: lease.network_ready_at.map(timestamp),
        sku: lease.sku.clone(),
        template: lease.template.clone(),
        cores: lease.cores,
        memory_mb: lease.memory_mb,
        disk_gb: lease.disk_gb,
        owner_wallet: lease.owner.checksummed(),
        created_at: timestamp(lease.created_at),
        expires_at: lease.expires_at.map(timestamp),
        destroys_at: lease.destroy_at.filter(|_| kept).map(timestamp),
        paid: Usdc(paid),
        credit_returned: None,
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
pub enum LiveStateNeed {
    /// It was paid for: fail.
    Required,
    /// Leave it out.
    IfPossible,
}

/// Which of a wallet's leases are wanted that are over: `limit` of them, older than `before` where
/// that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedPage {
    /// The last one of the page before.
    pub before: Option<LeaseId>,
    /// The most that are given; none where it is 0.
    pub limit: u32,
}

/// A wallet's live leases, unless a later page is wanted, and a page of those that are over, the
/// youngest first; with the live state of their containers, a few seconds old at most.
///
/// # Errors
/// The store failed, or Proxmox did and its answer is required.
pub async fn list_leases(
    app: &App,
    wallet: &Wallet,
    live: LiveStateNeed,
    ended: EndedPage,
) -> Result<ListResponse, ApiError> {
    // All at once: a database may be a while away.
    let (live_leases, limited, named, ended) = tokio::try_join!(
        async {
            match ended.before {
                None => app.store.live_leases_of(wallet).await,
                Some(_) => Ok(Vec::new()),
            }
        },
        app.store.limited_traffic(wallet),
        ports::of_wallet(app, wallet),
        ended_page(app, wallet, &ended),
    )?;
    let (mut leases, (ended, next)) = (live_leases, ended);
    leases.extend(ended);
    leases.sort_by_key(|known| std::cmp::Reverse(known.lease.created_at));
    let held: Vec<Vmid> = leases
        .iter()
        .filter(|known| holds_container(&known.lease))
        .map(|known| known.lease.vmid)
        .collect();
    let seen = match held.is_empty() {
        true => Some(Arc::new(RecentUsage::nothing())),
        false => or_missing(app.proxmox.recent_usage(held).await, live)?,
    };
    let views = leases.iter().map(|PaidLease { lease, paid }| {
        let seen = seen.as_ref().map(|recent| TimedUsage {
            usage: recent.of(lease.vmid),
            at: recent.at,
        });
        let id = &lease.lease_id;
        let live = LiveState {
            ports: ports::in_view(app, id, named.get(id)),
            ..live_state(app, lease, seen, limited.get(id))
        };
        view(lease, live, *paid)
    });
    Ok(ListResponse {
        leases: views.collect(),
        next,
    })
}

/// A page of a wallet's leases that are over, and the last one of it, where there are more.
async fn ended_page(
    app: &App,
    wallet: &Wallet,
    page: &EndedPage,
) -> Result<(Vec<PaidLease>, Option<String>), StoreError> {
    if page.limit == 0 {
        return Ok((Vec::new(), None));
    }
    // One more than wanted says whether there is a further page.
    let (before, limit) = (page.before.as_ref(), page.limit as usize);
    let mut ended = app
        .store
        .ended_leases_of(wallet, before, page.limit + 1)
        .await?;
    let more = ended.len() > limit;
    ended.truncate(limit);
    let last = ended.last().map(|known| known.lease.lease_id.to_string());
    Ok((ended, last.filter(|_| more)))
}

/// One lease with the live state of its container, where Proxmox can be asked.
///
/// # Errors
/// The store failed.
pub async fn show_lease(app: &App, lease: &Lease) -> Result<LeaseView, ApiError> {
    let paid = app.store.paid_for(lease).await?;
    let traffic = app.store.traffic(&lease.lease_id).await?;
    let usage = match holds_container(lease) {
        true => {
            let usage = app.proxmox.usage_of(&lease.node, lease.vmid).await;
            or_missing(usage, LiveStateNeed::IfPossible)?
        }
        false => Some(None),
    };
    let seen = usage.as_ref().map(|usage| TimedUsage {
        usage: usage.as_ref(),
        at: Instant::now(),
    });
    let live = live_state(app, lease, seen, traffic.as_ref());
    let by_ssh = live.access.as_ref().map(|access| access.via) == Some(GuestRoute::Ssh);
    let live = LiveState {
        ports: ports::of_lease(app, lease).await?,
        ssh: match by_ssh {
            true => ssh::in_view(app, lease).await,
            false => None,
        },
        ..live
    };
    let returned = match lease.state {
        LeaseState::Destroying | LeaseState::Destroyed if app.config.credit.is_some() => {
            app.store.returned_for(&lease.lease_id).await?
        }
        _ => None,
    };
    Ok(LeaseView {
        credit_returned: returned.map(Usdc),
        ..view(lease, live, paid)
    })
}

/// The state of a container by Proxmox, and when it was asked for.
struct TimedUsage<'a> {
    usage: Option<&'a ContainerUsage>,
    at: Instant,
}

/// The live part of a lease's view. `seen` is `None` where Proxmox did not answer, and empty where
/// it does not show the container.
fn live_state(
    app: &App,
    lease: &Lease,
    seen: Option<TimedUsage<'_>>,
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
    let found = seen
        .usage
        .filter(|_| !app.alarms.may_be_another(&lease.lease_id));
    let later = app
        .locations
        .lock_read_since(lease.vmid, &lease.lease_id, seen.at);
    let lock = found.and_then(|usage| later.unwrap_or_else(|| usage.lock.clone()));
    // What its owner is shown now, the next sale has to know as well.
    if lock.is_some() {
        app.locations.forget(lease.vmid);
    }
    let runs = found.is_some_and(|usage| usage.state == pve::ContainerState::Running);
    LiveState {
        access: runs.then(|| connect::access(app, lease)),
        state: Some(found.map_or("missing", |usage| usage.state.as_str())),
        node: found.map(|usage| usage.node.to_string()),
        notice: notice(trouble, lock.as_deref(), found.is_some())
            .or_else(|| awaited(lease, app.now()))
            .or_else(limited),
        ..LiveState::default()
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
            lock::describe(lock)
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

fn holds_container(lease: &Lease) -> bool {
    lease.state != LeaseState::Destroyed
}

/// Proxmox's answer; `None` where it is unreachable and the caller can do without.
fn or_missing<T>(
    answered: Result<T, pve::Error>,
    live: LiveStateNeed,
) -> Result<Option<T>, ApiError> {
    match (answered, live) {
        (Ok(seen), _) => Ok(Some(seen)),
        (Err(error), LiveStateNeed::Required) => Err(error.into()),
        (Err(error), LiveStateNeed::IfPossible) => {
            tracing::warn!(
                error = error.safe_text(),
                "leases are shown without their live state"
            );
            Ok(None)
        }
    }
}
