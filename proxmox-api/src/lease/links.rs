//! Puts containers on their bridge once the host's firewall knows their rules. Until then their link is down. This is a worker
//! of its own: the end of a neighbour's lease may take half a minute, and the paid time of this one runs.

use futures_util::{StreamExt as _, stream};
use pve::Refusal;

use super::{
    alarms::Trouble,
    fence,
    locate::{Located, locate},
};
use crate::{
    state::App,
    store::{Lease, StoreError},
};

/// Seconds after which a link that could not be put up is tried again.
const RETRY: i64 = 5;
/// The longest sleep, in seconds.
const LONGEST: i64 = 300;
/// The same where another replica may keep a link down, and die before it may be put up.
const LONGEST_AMONG_REPLICAS: i64 = 5;
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
        let next = put_up_due(&app).await.unwrap_or_else(|error| {
            tracing::error!(%error, "links to be put up cannot be read");
            app.now() + RETRY
        });
        let wake = next.min(app.now() + longest);
        let millis = u64::try_from(wake).unwrap_or(0).saturating_mul(1000);
        tokio::select! {
            () = app.clock.sleep_until(millis) => {}
            () = app.links_moved.notified() => {}
        }
    }
}

/// Puts up what is due; when the next one is, Unix seconds.
async fn put_up_due(app: &App) -> Result<i64, StoreError> {
    let (due, next) = app.store.links_to_put_up(app.now()).await?;
    let tries: Vec<_> = due
        .into_iter()
        .map(|lease| put_up_or_say_why(app.clone(), lease))
        .collect();
    let done: Vec<_> = stream::iter(tries)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut next = next.unwrap_or(i64::MAX);
    for done in done {
        if !done? {
            next = next.min(app.now() + RETRY);
        }
    }
    Ok(next)
}

async fn put_up_or_say_why(app: App, lease: Lease) -> Result<bool, StoreError> {
    let (id, vmid) = (&lease.lease_id, lease.vmid);
    let is_up = match put_up(&app, &lease).await {
        Ok(is_up) => is_up,
        Err(cause) => {
            // It is tried every few seconds, and said once.
            if app.alarms.of(id) != Some(Trouble::LinkDown) {
                tracing::warn!(
                    lease.id = id,
                    vmid,
                    cause,
                    "a container's link cannot be put up yet"
                );
            }
            app.alarms.raise(id, vmid, Trouble::LinkDown, app.now());
            false
        }
    };
    if is_up {
        app.store.link_is_up(id).await?;
        if app.alarms.of(id) == Some(Trouble::LinkDown) {
            app.alarms.clear(id, &[]);
        }
    }
    Ok(is_up)
}

/// Whether the container's link is up now.
async fn put_up(app: &App, lease: &Lease) -> Result<bool, String> {
    let located = locate(app, lease)
        .await
        .map_err(|error| error.to_string())?;
    let Located::Here(place) = located else {
        // One that is gone may come back, restored from a backup with its link down.
        return Ok(false);
    };
    // Since it was made, the operator may have taken the fence away, or moved it to a node without one.
    let fence = fence::of_node(app, &place.node).await;
    let fence = fence.map_err(|error| error.message)?;
    if let Some(gap) = fence::required_gap(app, fence) {
        return Err(format!("it would not be fenced in; {}", gap.mend()));
    }
    let client = &app.proxmox.client;
    let config = client.config(&place.node, place.vmid).await;
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
    network.link_down = false;
    let digest = config.digest.as_deref();
    match client
        .set_net0(&place.node, place.vmid, &network, digest)
        .await
    {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.refusal(), Some(Refusal::Locked(_))) => Ok(false),
        Err(error) => Err(error.safe_text()),
    }
}
