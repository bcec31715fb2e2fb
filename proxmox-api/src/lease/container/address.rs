//! Reads the address of a container, and stores it with its lease. A fixed address is known
//! already.

use std::net::IpAddr;
use std::time::Duration;

use pve::{ContainerConfig, NodeName, Vmid, address_of};
use tokio::time::{Instant, sleep};

use crate::{
    state::App,
    store::{Lease, StoreError},
};

/// How long an address that comes late is waited for.
const LATE_ADDRESS_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_FIRST: Duration = Duration::from_millis(40);
const LOOK_MOST: Duration = Duration::from_secs(1);
/// The address at which others reach the container, once there is one.
pub async fn address(app: &App, node: &NodeName, vmid: Vmid, until: Instant) -> Option<IpAddr> {
    let mut looks = app.proxmox.addresses.start(LOOK_FIRST, LOOK_MOST);
    loop {
        let client = &app.proxmox.client;
        let interfaces = client.interfaces(node, vmid).await.unwrap_or_default();
        let mut found = address_of(&interfaces, None);
        // The customer has perhaps renamed it; else there is nothing to ask for.
        let others = || interfaces.iter().any(|one| !one.reachable().is_empty());
        if found.is_none() && others() {
            let config = client.config(node, vmid).await.ok();
            let hwaddr = config.as_ref().and_then(ContainerConfig::hwaddr);
            found = address_of(&interfaces, hwaddr);
        }
        if found.is_some() {
            looks.done();
            return found;
        }
        if Instant::now() >= until {
            return None;
        }
        sleep(looks.next_pause()).await;
    }
}

/// Writes down an address that comes late, in a task of its own.
pub fn store_late_address(app: App, lease: Lease) {
    tokio::spawn(async move {
        let until = Instant::now() + LATE_ADDRESS_TIMEOUT;
        if let Err(error) = store_address(&app, &lease, (&lease.node, lease.vmid), until).await {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "the address of a container cannot be stored");
        }
    });
}

/// Writes down the address of a lease's container, once there is one. One of ours is known already:
/// what is read inside the container is what its tenant wants to be read, such as the address of a
/// neighbour.
///
/// # Errors
/// The store failed.
pub async fn store_address(
    app: &App,
    lease: &Lease,
    (node, vmid): (&NodeName, Vmid),
    until: Instant,
) -> Result<(), StoreError> {
    if lease.address.is_some() {
        return Ok(());
    }
    if let Some(ip) = address(app, node, vmid, until).await {
        let ip = ip.to_string();
        app.store.set_ip(&lease.lease_id, &ip, app.now()).await?;
    }
    Ok(())
}
