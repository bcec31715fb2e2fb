//! All checks of Proxmox, from the connection to the details. After a failed connection no further
//! check runs.

use service::clock::Clock;

use super::{
    Depth, Finding, access, bridge, connection, console, nodes, pool, setup::Zone, storage,
    templates, tenants, time,
};
use crate::proxmox::Proxmox;

/// Examines whether the host answers and is trusted; gives the release if it also knows the token.
pub(super) async fn reach(
    proxmox: &Proxmox,
    clock: &dyn Clock,
) -> (Vec<Finding>, connection::TokenCheck) {
    let seen = connection::probe_host(&proxmox.config.host).await;
    let (mut findings, answer) = connection::examine(proxmox, &seen).await;
    findings.extend(time::examine(seen.as_ref().ok(), clock));
    (findings, answer)
}

/// Runs all checks that an account with the rights of `doctor --setup` may make. `proven` is
/// whether a probe has shown that the bridge's own table fences tenants in.
pub(super) async fn examine(
    proxmox: &Proxmox,
    clock: &dyn Clock,
    depth: Depth,
    proven: bool,
) -> Vec<Finding> {
    let (mut findings, answer) = reach(proxmox, clock).await;
    let version = match answer {
        connection::TokenCheck::Release(version) => version,
        connection::TokenCheck::UnknownToken => {
            findings.push(connection::unknown_token(proxmox));
            return findings;
        }
        connection::TokenCheck::None => return findings,
    };
    let (named, usable) = nodes::examine(proxmox).await;
    let zone = bridge::zone(proxmox, &usable).await;
    let zone = zone.as_deref().map_or(Zone::Asked, Zone::Known);
    findings.extend(access::examine(proxmox, &usable, zone).await);
    findings.extend(named);
    let (pooled, members) = pool::examine(proxmox).await;
    findings.extend(pooled);
    findings.extend(storage::examine(proxmox, &usable).await);
    for node in &usable {
        findings.extend(bridge::examine(proxmox, node).await);
    }
    findings.extend(templates::examine(proxmox, &usable).await);
    findings.extend(tenants::examine(proxmox, &usable, proven).await);
    findings.push(console::examine(proxmox, &version, &members, depth).await);
    findings
}
