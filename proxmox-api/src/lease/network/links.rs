//! The worker that puts a container's link up once the host's firewall has its rules; until then
//! the link is down. It is a worker of its own, because the end of another lease may take half a
//! minute while the paid time of this one runs.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use pve::Refusal;

use super::fence;
use crate::{
    config::FencePolicy,
    ids::LeaseId,
    lease::container::locate::{Located, locate},
    memory::{alarms::Trouble, fences::Fence},
    state::App,
    store::{Lease, StoreError},
};

/// How long a store that could not be read is left alone.
const RETRY: Duration = Duration::from_secs(5);
/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest sleep among replicas: another one may keep a link down and die before it puts it up.
const LONGEST_AMONG_REPLICAS: Duration = Duration::from_secs(5);
/// Links that are put up at a time.
const AT_ONCE: usize = 8;

/// Works until the process ends.
pub async fn run(app: App) {
    let longest = if app.config.database.is_shared() {
        LONGEST_AMONG_REPLICAS
    } else {
        LONGEST
    };
    loop {
        let pause = put_up_due(&app).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the links that are kept down cannot be read");
            RETRY
        });
        let pause = pause.min(longest);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let wake = app.clock.unix_millis().saturating_add(millis);
        tokio::select! {
            () = app.clock.sleep_until(wake) => {}
            // A system clock that is set back meanwhile holds nothing up.
            () = tokio::time::sleep(pause) => {}
            () = app.links_moved.notified() => {}
        }
    }
}

/// Puts up what is due; for how long there is nothing to do.
async fn put_up_due(app: &App) -> Result<Duration, StoreError> {
    let waiting = app.store.links_kept_down().await?;
    let ids: HashSet<&LeaseId> = waiting.iter().map(|(lease, _)| &lease.lease_id).collect();
    app.link_waits.keep(&ids);
    let now = app.clock.monotonic_millis();
    let next_try = |lease: &Lease, up_at: i64| {
        let left = up_at - app.now();
        app.link_waits.next_try(&lease.lease_id, left, now)
    };
    let due = waiting
        .iter()
        .filter(|(lease, up_at)| next_try(lease, *up_at) <= now);
    let tries: Vec<_> = due
        .map(|(lease, _)| put_up_or_say_why(app.clone(), lease.clone()))
        .collect();
    let done: Vec<_> = stream::iter(tries)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut up = HashSet::new();
    for done in done {
        up.extend(done?);
    }
    let left = waiting
        .iter()
        .filter(|(lease, _)| !up.contains(&lease.lease_id));
    let next = left.map(|(lease, up_at)| next_try(lease, *up_at)).min();
    let now = app.clock.monotonic_millis();
    let pause = next.map(|next| Duration::from_millis(next.saturating_sub(now)));
    Ok(pause.unwrap_or(Duration::MAX))
}

/// The lease's id, where its link is up now.
async fn put_up_or_say_why(app: App, lease: Lease) -> Result<Option<LeaseId>, StoreError> {
    let (id, vmid) = (&lease.lease_id, lease.vmid);
    // Another replica puts it up, or has done so since the links were read.
    let Some(_lock) = app.links_in_work.try_take(id).await? else {
        app.link_waits.failed(id, app.clock.monotonic_millis());
        return Ok(None);
    };
    if !app.store.is_link_kept_down(id).await? {
        return Ok(Some(lease.lease_id));
    }
    let is_up = match put_up(&app, &lease).await {
        Ok(is_up) => is_up,
        Err(cause) => {
            // It is tried again and again, and said once.
            if app.alarms.of(id) != Some(Trouble::LinkDown) {
                tracing::warn!(
                    lease.id = id.as_str(),
                    vmid = vmid.get(),
                    error = cause,
                    "the link of a container cannot be put up yet"
                );
            }
            app.alarms.raise(id, vmid, Trouble::LinkDown, app.now());
            false
        }
    };
    if !is_up {
        app.link_waits.failed(id, app.clock.monotonic_millis());
        return Ok(None);
    }
    app.store.link_is_up(id).await?;
    if app.alarms.of(id) == Some(Trouble::LinkDown) {
        app.alarms.clear(id, &[]);
    }
    Ok(Some(lease.lease_id))
}

/// Whether the container's link is up now.
async fn put_up(app: &App, lease: &Lease) -> Result<bool, String> {
    let located = locate(app, lease)
        .await
        .map_err(|error| error.to_string())?;
    let Located::Here(location) = located else {
        // One that is gone may come back, restored from a backup with its link down.
        return Ok(false);
    };
    // Since it was made, the operator may have taken the fence away, or moved it to a node without
    // one.
    let fence = fence::read_fence(app, &location.node).await;
    let fence = fence.map_err(|error| error.message)?;
    if let Some(gap) = fence::required_gap(app, fence) {
        return Err(format!("it would not be fenced in; {}", gap.mend()));
    }
    let client = &app.proxmox.client;
    let config = client.config(&location.node, location.vmid).await;
    let config = config.map_err(|error| error.safe_text())?;
    let Some(mut network) = config.net0().map_err(|error| error.to_string())? else {
        return Ok(true);
    };
    // One that is cut off for its traffic is put up once that is over.
    let traffic = app.store.traffic(&lease.lease_id).await;
    let traffic = traffic.map_err(|error| error.to_string())?;
    let is_cut = traffic.is_some_and(|traffic| traffic.kept.down.is_some());
    if !network.link_down || is_cut {
        return Ok(true);
    }
    // The operator may have changed the container's own firewall, or restored it without one.
    if fence == Fence::Guest && app.proxmox.config.network.fence == FencePolicy::Required {
        let filters =
            fence::filters_guest(&app.proxmox, &location.node, location.vmid, &network).await;
        if !filters.map_err(|error| error.safe_text())? {
            return Err("the container's own firewall does not filter; its options have to be \
                        enable=1, policy_in=DROP, ipfilter=1 and macfilter=1, with the group's rule and firewall=1 in net0"
                .into());
        }
    }
    network.link_down = false;
    let digest = config.digest.as_deref();
    match client
        .set_net0(&location.node, location.vmid, &network, digest)
        .await
    {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.refusal(), Some(Refusal::Locked(_))) => Ok(false),
        Err(error) => Err(error.safe_text()),
    }
}
