//! Reads what the operator has to know of the host while tenants use it. `memory::host_alarms`
//! decides what is an alarm.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use pve::{ContainerStatus, Node, NodeName, NodeState, Storage};
use tokio::time::timeout;

use crate::state::App;

/// How long a node may take to answer.
const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks at every node that is online, and at the containers of those in `holding`, which have
/// leased ones. A node that does not answer keeps its alarms.
pub async fn check_host(app: &App, nodes: &[Node], holding: &HashSet<&NodeName>) {
    let online = nodes.iter().filter(|node| node.status == NodeState::Online);
    let looks = online.map(|node| async {
        let name = &node.node;
        let asked = async { tokio::join!(containers(app, name, holding), storages(app, name)) };
        (name, timeout(NODE_TIMEOUT, asked).await)
    });
    for (node, looked) in join_all(looks).await {
        let Ok((containers, storages)) = looked else {
            tracing::warn!(%node, "the node takes too long to report its containers and storages");
            continue;
        };
        if let Ok(containers) = containers {
            app.host_alarms.pressure(node, &containers);
            app.host_alarms.starts(node, &containers);
        }
        if let Ok(storages) = storages {
            let disks = storages.iter();
            let disks = disks.filter(|one| one.storage == app.proxmox.config.storage);
            app.host_alarms.storages(node, disks.collect());
        }
    }
    let known: HashSet<&NodeName> = nodes.iter().map(|node| &node.node).collect();
    app.host_alarms.keep(&known);
    app.host_alarms.measure();
}

async fn containers(
    app: &App,
    node: &NodeName,
    holding: &HashSet<&NodeName>,
) -> Result<Vec<ContainerStatus>, pve::Error> {
    if !holding.contains(node) {
        return Ok(Vec::new());
    }
    app.proxmox.client.containers(node).await
}

async fn storages(app: &App, node: &NodeName) -> Result<Vec<Storage>, pve::Error> {
    app.proxmox.client.storages(node, None).await
}
