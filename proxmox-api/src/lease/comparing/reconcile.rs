//! The worker that compares Proxmox with the store every minute, in both directions. From leases to
//! containers: a moved container is located, one that ran before its node rebooted is started, one
//! that is lost for ten minutes ends its lease. From containers to leases: a container with our
//! marker and no lease is stopped, and removed after `ORPHAN_KEEP_HOURS`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pve::{ContainerState, GuestResource, Vmid};

use super::{
    findings::{Findings, is_away},
    host, orphans, reboot,
};
use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::{
        container::locate::{Located, locate},
        ending::{lanes::per_node, lost},
        network::{fence_watch, traffic},
    },
    locks::Duty,
    memory::alarms::Trouble,
    state::App,
    store::{Lease, LeaseState, StoreError},
};

/// Between two comparisons; shorter where a campaign lets the clock run faster than time.
const INTERVAL: Duration = Duration::from_secs(if cfg!(feature = "chaos") { 3 } else { 60 });
/// How long a container has to be gone until its lease ends, in seconds: restoring a backup under
/// the same number takes some minutes, during which there is no container.
const LOST_AFTER: i64 = 600;
/// Containers of one node that are looked at at a time.
const AT_ONCE: usize = 8;
/// Containers that are looked at in one comparison because something is not as expected.
const LOOKS_PER_COMPARISON: usize = 500;

/// Compares now and every minute, until the process ends. One replica compares for all, so that no
/// container is started or removed by two of them, and Proxmox is asked once.
pub async fn run(app: App) {
    let mut duty = Duty::new("comparison");
    loop {
        let done = match duty.is_ours(&app.leases_in_work).await {
            Ok(true) => compare(&app).await.map(drop),
            Ok(false) => take_over_alarms(&app).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            tracing::warn!(code = %error.code, "the comparison of Proxmox with the store failed");
        }
        if let Err(error) = count(&app).await {
            tracing::error!(code = %error.code, "the leases cannot be counted");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// One comparison.
///
/// # Errors
/// Proxmox or the store did not answer.
pub async fn compare(app: &App) -> Result<Findings, ApiError> {
    let mut findings = Findings::default();
    // Troubles that another replica found before are found again here, or are over.
    app.alarms.take_over(&HashMap::new(), app.now());
    // Containers are read first, so that a lease that is made in between does not count as lost.
    let guests = app.proxmox.guests().await?;
    let nodes = app.proxmox.client.nodes().await?;
    let leases = app.store.live_leases().await?;
    let by_vmid: HashMap<Vmid, &GuestResource> =
        guests.iter().map(|guest| (guest.vmid, guest)).collect();
    let gone = app.store.gone_containers().await?;
    let (mut listed, mut to_locate) = (Vec::new(), Vec::new());
    for lease in leases.iter().filter(|lease| lease.state.has_container()) {
        let guest = by_vmid.get(&lease.vmid).copied();
        let expected = guest.is_some_and(|guest| is_as_expected(app, guest, lease));
        if guest.is_some_and(|guest| is_away(&nodes, guest)) {
            let (id, now) = (&lease.lease_id, app.now());
            app.alarms.raise(id, lease.vmid, Trouble::NodeAway, now);
        } else if !(expected && is_untroubled(app, lease)) || gone.contains_key(&lease.lease_id) {
            to_locate.push(lease.clone());
        }
        listed.extend(guest.map(|guest| (lease, guest)));
    }
    // While the list is fresh, and side by side: starts may take their time as well.
    let holding = listed.iter().map(|(_, guest)| &guest.node).collect();
    let (started, lost, counted, ()) = tokio::join!(
        reboot::start_rebooted(app, &nodes, &listed),
        locate_all(app, to_locate),
        traffic::update(app, &listed),
        host::check_host(app, &nodes, &holding),
    );
    let with_leases = listed.iter().map(|(_, guest)| guest.node.clone());
    fence_watch::check_fences(app, &with_leases.collect()).await;
    if let Err(error) = counted {
        tracing::error!(%error, "the traffic cannot be counted now");
    }
    (findings.started, findings.lost) = (started?, lost);
    let by_vmid: HashMap<Vmid, &Lease> = leases.iter().map(|lease| (lease.vmid, lease)).collect();
    orphans::compare_orphans(app, (&guests, &nodes), &by_vmid, &mut findings).await?;

    forget_ended(app, leases.iter().map(|lease| &lease.lease_id)).await?;
    if app.config.database.is_shared() {
        let troubles = app.alarms.troubles().into_iter();
        let words = troubles.map(|(id, trouble)| (id, trouble.word()));
        app.store.set_troubles(words.collect()).await?;
    }
    let connections = app.guests.counts();
    metrics::gauge!("guest_connections", "kind" => "control").set(connections.control as f64);
    metrics::gauge!("guest_connections", "kind" => "stream").set(connections.stream as f64);
    metrics::gauge!("leases_lost").set(findings.lost.len() as f64);
    metrics::gauge!("containers_orphaned").set(findings.orphans.len() as f64);
    metrics::gauge!("containers_foreign").set(findings.foreign.len() as f64);
    Ok(findings)
}

/// The part of a replica that does not have the comparison's duty: it takes over the troubles that
/// the comparing replica has stored, and checks those that it has found itself.
///
/// # Errors
/// The store did not answer.
pub async fn take_over_alarms(app: &App) -> Result<(), ApiError> {
    let told = app.store.troubles().await?.into_iter();
    let told = told.filter_map(|(id, word)| Some((id, Trouble::parse(&word)?)));
    app.alarms.take_over(&told.collect(), app.now());
    let leases = app.store.live_leases().await?;
    forget_ended(app, leases.iter().map(|lease| &lease.lease_id)).await?;
    // The other troubles end when the action succeeds that fails now.
    let seen_by_a_look = |trouble: &Trouble| {
        use Trouble::{Gone, Hidden, Template, Unmarked};
        matches!(trouble, Gone | Hidden | Template | Unmarked)
    };
    let own = app.alarms.found_here().into_iter();
    let own = own.filter(|(_, trouble)| seen_by_a_look(trouble));
    let own: HashSet<LeaseId> = own.map(|(id, _)| id).collect();
    let to_locate = leases
        .into_iter()
        .filter(|lease| own.contains(&lease.lease_id));
    locate_all(app, to_locate.collect()).await;
    // They are of the last comparison of this replica, if there ever was one.
    for gauge in ["leases_lost", "containers_orphaned", "containers_foreign"] {
        metrics::gauge!(gauge).set(0.0);
    }
    Ok(())
}

/// Drops the cached data of leases that are not live any more.
async fn forget_ended<'a>(
    app: &App,
    live: impl Iterator<Item = &'a LeaseId>,
) -> Result<(), StoreError> {
    let live: HashSet<&LeaseId> = live.collect();
    app.alarms.keep(|id| live.contains(id));
    app.retries.keep(|id| live.contains(id));
    app.alarms.measure();
    for id in app.known_guest_ids() {
        // The list may be older than a lease whose connections are in use already.
        if !live.contains(&id) && !is_live(app, &id).await? {
            app.drop_guest(&id);
        }
    }
    Ok(())
}

async fn is_live(app: &App, id: &LeaseId) -> Result<bool, StoreError> {
    let lease = app.store.lease(id).await?;
    Ok(lease.is_some_and(|lease| lease.state != LeaseState::Destroyed))
}

/// Whether the cluster's list shows a lease's container where it should be. What has its number is
/// looked at whenever something is done with it; here that would be a request for each lease.
fn is_as_expected(app: &App, guest: &GuestResource, lease: &Lease) -> bool {
    let pool = app.proxmox.config.pool.as_str();
    guest.kind == "lxc"
        && guest.node == lease.node
        && !guest.template
        && guest
            .name
            .as_deref()
            .is_none_or(|name| name == lease.hostname)
        && guest.pool.as_deref().is_none_or(|found| found == pool)
        && guest.status != ContainerState::Unknown
}

/// Whether the list alone can show that a container is in order. Other troubles end by locating it.
fn is_untroubled(app: &App, lease: &Lease) -> bool {
    let trouble = app.alarms.of(&lease.lease_id);
    trouble.is_none_or(|trouble| {
        matches!(
            trouble,
            Trouble::Protected | Trouble::Locked | Trouble::LinkDown
        )
    })
}

/// Locates the containers that are not as expected, at most [`LOOKS_PER_COMPARISON`] of them; the
/// next comparison begins with others. Returns the leases that have ended.
async fn locate_all(app: &App, mut leases: Vec<Lease>) -> Vec<LeaseId> {
    if leases.len() > LOOKS_PER_COMPARISON {
        tracing::warn!(
            leases = leases.len(),
            "more containers have to be located than fit into one comparison"
        );
        let minute = usize::try_from(app.now() / 60).unwrap_or(0);
        let first = minute.wrapping_mul(LOOKS_PER_COMPARISON) % leases.len();
        leases.rotate_left(first);
        leases.truncate(LOOKS_PER_COMPARISON);
    }
    let looks = leases
        .into_iter()
        .map(|lease| (lease.node.clone(), locate_one(app.clone(), lease)));
    let (mut lost, mut failed, mut first) = (Vec::new(), 0_u32, None);
    for look in per_node(looks, AT_ONCE).await {
        match look {
            Ok(ended) => lost.extend(ended),
            Err((id, error)) => {
                failed += 1;
                first.get_or_insert((id, error));
            }
        }
    }
    if let Some((id, error)) = first {
        tracing::warn!(lease.id = id.as_str(), code = %error.code, failed, "containers cannot be located now");
    }
    lost
}

/// Locates a container that is not as expected. Returns the lease's id, if the lease has ended.
async fn locate_one(app: App, lease: Lease) -> Result<Option<LeaseId>, (LeaseId, ApiError)> {
    let ended = async {
        let Some((trouble, since)) = gone_since(&app, &lease).await? else {
            return Ok(false);
        };
        Ok(app.now() - since >= LOST_AFTER && end_lost_lease(&app, &lease, trouble).await?)
    };
    match ended.await {
        Ok(ended) => Ok(ended.then_some(lease.lease_id)),
        Err(error) => Err((lease.lease_id, error)),
    }
}

/// Why the container of a lease is gone or cannot be used, and since when; stores when it began.
async fn gone_since(app: &App, lease: &Lease) -> Result<Option<(Trouble, i64)>, ApiError> {
    let (id, now) = (&lease.lease_id, app.now());
    let trouble = match locate(app, lease).await? {
        Located::Here(location) if location.template => Trouble::Template,
        Located::Gone => Trouble::Gone,
        other => {
            if matches!(other, Located::Away) {
                app.alarms.raise(id, lease.vmid, Trouble::NodeAway, now);
            }
            if app.store.gone_since(id).await?.is_some() {
                app.store.record_found(id).await?;
            }
            return Ok(None);
        }
    };
    // A call may have seen it before.
    let seen = app.alarms.raise(id, lease.vmid, trouble, now);
    let since = app.store.record_gone(id, seen).await?;
    Ok(Some((trouble, since)))
}

/// Ends a lease whose container cannot be used any more, and owes its unused part.
async fn end_lost_lease(app: &App, lease: &Lease, trouble: Trouble) -> Result<bool, ApiError> {
    let id = &lease.lease_id;
    let _lock = app.leases_in_work.take(id).await?;
    // Read again under the lock: the container may have come back, or the lease may have been
    // renewed or ended.
    let Some(lease) = app
        .store
        .lease(id)
        .await?
        .filter(|lease| lease.state.has_container())
    else {
        return Ok(false);
    };
    let since = match gone_since(app, &lease).await? {
        Some((still, since)) if still == trouble && app.now() - since >= LOST_AFTER => since,
        _ => return Ok(false),
    };
    Ok(lost::end_lost_lease(app, &lease, trouble, since).await?)
}

async fn count(app: &App) -> Result<(), ApiError> {
    let counts = app.store.lease_counts().await?;
    let states = LeaseState::ALL.map(LeaseState::as_str);
    for state in states.into_iter().chain(["settling", "unknown"]) {
        let number = counts.get(state).copied().unwrap_or(0);
        metrics::gauge!("leases", "state" => state).set(f64::from(number));
    }
    Ok(())
}
