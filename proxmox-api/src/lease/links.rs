//! Puts containers on their bridge once the host's firewall knows their rules. Until then their link is down.

use pve::Refusal;

use super::locate::{Located, locate};
use crate::{
    state::App,
    store::{Lease, StoreError},
};

/// Seconds after which a link that could not be put up is tried again.
const RETRY: i64 = 5;

/// Puts up what is due; when the next one is, Unix seconds.
///
/// # Errors
/// The store failed.
pub(super) async fn put_up_due(app: &App) -> Result<i64, StoreError> {
    let (due, next) = app.store.links_to_put_up(app.now()).await?;
    let mut next = next.unwrap_or(i64::MAX);
    for lease in due {
        match put_up(app, &lease).await {
            Ok(true) => app.store.link_is_up(&lease.lease_id).await?,
            Ok(false) => next = next.min(app.now() + RETRY),
            Err(cause) => {
                next = next.min(app.now() + RETRY);
                let id = &lease.lease_id;
                tracing::warn!(
                    lease.id = id,
                    vmid = lease.vmid,
                    cause,
                    "a container's link cannot be put up yet"
                );
            }
        }
    }
    Ok(next)
}

/// Whether the container's link is up now.
async fn put_up(app: &App, lease: &Lease) -> Result<bool, String> {
    let located = locate(app, lease)
        .await
        .map_err(|error| error.to_string())?;
    let place = match located {
        Located::Here(place) => place,
        // There is nothing to put up any more.
        Located::Gone => return Ok(true),
        Located::Unclear(_) | Located::Away => return Ok(false),
    };
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
