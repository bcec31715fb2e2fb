//! Traffic of leased containers: counts it, and slows, cuts off and in the end stops a container
//! that has sent more than the bought time includes; a renewal undoes that. `ladder` decides the
//! step, `notice` tells the customer, `power` stops and starts.

mod ladder;
mod notice;
mod power;

use std::collections::HashMap;

use api_types::TrafficStep;
use futures_util::{StreamExt as _, stream};
use pve::{ContainerState, GuestResource, Refusal};
use serde_json::json;

use super::fence;
use crate::{
    ids::LeaseId,
    lease::container::locate::{Located, locate},
    memory::locations::ContainerLocation,
    state::App,
    store::{CounterSample, Counters, Lease, StoreError, Traffic, TrafficChange, log_event},
};
pub use notice::notice;

/// Containers that are slowed, cut off or let go at a time.
const AT_ONCE: usize = 8;

/// Counts by the cluster's list, by one write for all, and takes the steps that belong to what was
/// counted. What cannot be done is done by a later call.
///
/// # Errors
/// The store failed.
pub(crate) async fn update(
    app: &App,
    listed: &[(&Lease, &GuestResource)],
) -> Result<(), StoreError> {
    let own = listed
        .iter()
        .filter(|(lease, guest)| is_own(app, lease, guest));
    let looks: Vec<_> = own
        .filter_map(|(lease, guest)| read_counters(app, lease, guest))
        .collect();
    let count = app.store.count_traffic(looks, app.now()).await?;
    for lease_id in &count.doubtful {
        metrics::counter!("traffic_doubtful_total").increment(1);
        tracing::warn!(
            lease.id = lease_id.as_str(),
            "the traffic counters of a container do not fit the last ones; nothing is counted this time"
        );
    }
    let counted = count.counted;
    metrics::counter!("traffic_bytes_total", "direction" => "sent").increment(counted.sent);
    metrics::counter!("traffic_bytes_total", "direction" => "received").increment(counted.received);

    let mut all = app.store.traffic_of_live().await?;
    let due: Vec<_> = all
        .iter()
        .filter(|traffic| wanted(app, traffic) != traffic.step)
        .map(|traffic| take_step(app, &traffic.lease_id))
        .collect();
    let moves = !due.is_empty();
    let mut steps = stream::iter(due).buffer_unordered(AT_ONCE);
    while let Some(taken) = steps.next().await {
        taken?;
    }
    drop(steps);
    if moves {
        all = app.store.traffic_of_live().await?;
    }
    let mut at = HashMap::from(TrafficStep::ALL.map(|step| (step, 0_u32)));
    for traffic in &all {
        *at.entry(traffic.step).or_default() += 1;
    }
    for (step, number) in at {
        metrics::gauge!("leases_by_traffic_step", "step" => step.as_str()).set(number);
    }
    Ok(())
}

/// What a lease may send in all, in bytes; `None` without a limit.
pub fn included(app: &App, traffic: &Traffic) -> Option<u64> {
    app.config.tenants.included_traffic(traffic.minutes)
}

fn wanted(app: &App, traffic: &Traffic) -> TrafficStep {
    let stop_after = app.config.tenants.stop_after();
    ladder::step(traffic, included(app, traffic), stop_after)
}

/// Whether what the list shows under a lease's number is the lease's container, on whichever node.
fn is_own(app: &App, lease: &Lease, guest: &GuestResource) -> bool {
    let pool = app.proxmox.config.pool.as_str();
    let name = guest.name.as_deref();
    guest.kind == "lxc"
        && !guest.template
        && name.is_none_or(|name| name == lease.hostname)
        && guest.pool.as_deref().is_none_or(|found| found == pool)
        && !app.alarms.may_be_another(&lease.lease_id)
}

/// The counters of a lease's container, where the list has them.
fn read_counters(app: &App, lease: &Lease, guest: &GuestResource) -> Option<CounterSample> {
    let counters = match guest.status {
        // What is stopped begins anew.
        ContainerState::Stopped => Counters::default(),
        ContainerState::Running => Counters {
            sent: guest.netout?,
            received: guest.netin?,
            uptime: guest.uptime?,
        },
        ContainerState::Unknown => return None,
    };
    // The list lags: this may be the last one that had the number.
    let age = u64::try_from(app.now() - lease.created_at).unwrap_or(0);
    (counters.uptime <= age.saturating_add(60)).then(|| CounterSample {
        lease_id: lease.lease_id.clone(),
        counters,
    })
}

/// Takes the step that belongs to what a lease's container has sent, unless something else is done
/// with the lease just now.
///
/// # Errors
/// The store failed.
async fn take_step(app: &App, lease_id: &LeaseId) -> Result<(), StoreError> {
    match app.leases_in_work.try_take(lease_id).await? {
        Some(_lock) => take_step_locked(app, lease_id).await,
        None => Ok(()),
    }
}

/// As `take_step`, for a caller that holds the lease's lock, such as a renewal.
///
/// # Errors
/// The store failed.
pub async fn take_step_locked(app: &App, lease_id: &LeaseId) -> Result<(), StoreError> {
    // Read again under the lock, because the lease may have been renewed or ended.
    let lease = app
        .store
        .lease(lease_id)
        .await?
        .filter(|lease| lease.state.has_container());
    let traffic = app.store.traffic(lease_id).await?;
    let Some((lease, traffic)) = lease.zip(traffic) else {
        return Ok(());
    };
    let step = wanted(app, &traffic);
    if step == traffic.step {
        return Ok(());
    }
    match apply_step(app, &lease, &traffic, step).await {
        Ok(true) => store_step(app, &lease, &traffic, step).await,
        Ok(false) => Ok(()),
        Err(cause) => {
            tracing::warn!(
                lease.id = lease_id.as_str(),
                vmid = lease.vmid.get(),
                step = step.as_str(),
                error = cause,
                "the network of a container cannot be changed yet"
            );
            Ok(())
        }
    }
}

/// Tells Proxmox; false: not now.
async fn apply_step(
    app: &App,
    lease: &Lease,
    traffic: &Traffic,
    step: TrafficStep,
) -> Result<bool, String> {
    let located = locate(app, lease)
        .await
        .map_err(|error| error.to_string())?;
    let Located::Here(location) = located else {
        return Ok(false);
    };
    if !set_interface(app, lease, traffic, step, &location).await? {
        return Ok(false);
    }
    match (traffic.step, step) {
        (_, TrafficStep::Stopped) => power::stop(app, lease, &location).await,
        (TrafficStep::Stopped, _) => power::start(app, lease, &location).await,
        _ => Ok(true),
    }
}

/// Changes the container's interface as a step wants it; false: not now.
async fn set_interface(
    app: &App,
    lease: &Lease,
    traffic: &Traffic,
    step: TrafficStep,
    location: &ContainerLocation,
) -> Result<bool, String> {
    let client = &app.proxmox.client;
    let config = client.config(&location.node, location.vmid).await;
    let config = config.map_err(|error| error.safe_text())?;
    let Some(network) = config.net0().map_err(|error| error.to_string())? else {
        return Ok(true);
    };
    let waits = traffic.waits_for_firewall;
    let kept = ladder::keep(&network, step, traffic.kept, waits);
    if kept != traffic.kept {
        let stored = app.store.keep_interface(&lease.lease_id, kept).await;
        stored.map_err(|error| error.to_string())?;
    }
    let changed = ladder::interface(&network, step, kept, waits);
    if changed == network {
        return Ok(true);
    }
    if network.link_down && !changed.link_down {
        // While it was cut off, the operator may have taken the fence away.
        let fence = fence::read_fence(app, &location.node).await;
        let fence = fence.map_err(|error| error.message)?;
        if let Some(gap) = fence::required_gap(app, fence) {
            return Err(format!("it would not be fenced in; {}", gap.mend()));
        }
    }
    let digest = config.digest.as_deref();
    let set = client
        .set_net0(&location.node, location.vmid, &changed, digest)
        .await;
    match set {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.refusal(), Some(Refusal::Locked(_))) => Ok(false),
        Err(error) => Err(error.safe_text()),
    }
}

async fn store_step(
    app: &App,
    lease: &Lease,
    traffic: &Traffic,
    step: TrafficStep,
) -> Result<(), StoreError> {
    let id = &lease.lease_id;
    let kept = app
        .store
        .traffic(id)
        .await?
        .map_or(traffic.kept, |now| now.kept);
    let kind = match step {
        TrafficStep::Full => "traffic_restored",
        TrafficStep::Slowed => "traffic_slowed",
        TrafficStep::Cut => "traffic_cut",
        TrafficStep::Stopped => "traffic_stopped",
    };
    let data = json!({
        "vmid": lease.vmid, "from": traffic.step,
        "sent": traffic.counted.sent, "included": included(app, traffic),
    });
    log_event(id, kind, &data);
    let change = TrafficChange {
        lease_id: id.clone(),
        from: traffic.step,
        to: step,
        kept: ladder::kept_after(step, kept),
        event: (kind, data.to_string()),
    };
    if app.store.set_traffic_step(change, app.now()).await? {
        metrics::counter!("traffic_steps_total", "step" => step.as_str()).increment(1);
    }
    Ok(())
}

/// Why a lease's container stays off even if its owner wants it on; `None` where it may run.
///
/// # Errors
/// The store failed.
pub async fn keeps_off(app: &App, lease_id: &LeaseId) -> Result<Option<String>, StoreError> {
    let is_stopped = |traffic: &Traffic| {
        traffic.step == TrafficStep::Stopped && wanted(app, traffic) == TrafficStep::Stopped
    };
    let traffic = app.store.traffic(lease_id).await?;
    Ok(traffic
        .filter(is_stopped)
        .and_then(|traffic| notice(app, &traffic)))
}
