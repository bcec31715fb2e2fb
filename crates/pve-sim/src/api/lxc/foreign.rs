//! Containers that belong to the operator, not to the service.

use std::sync::Arc;

use serde_json::json;

use super::configuration::complete_net;
use crate::cluster::Cluster;
use crate::world::container::{Container, Disk};

/// An operator's own container, running, outside of any pool.
pub(crate) fn put_foreign(cluster: &Arc<Cluster>, node: &str, vmid: u32, hostname: &str) {
    let now = cluster.clock.now();
    let config = [
        ("arch", json!("amd64")),
        ("cores", json!(2)),
        ("hostname", json!(hostname)),
        ("memory", json!(2048)),
        (
            "net0",
            json!(complete_net("name=eth0,bridge=vmbr0,ip=dhcp")),
        ),
        ("ostype", json!("debian")),
        (
            "rootfs",
            json!(format!("local-lvm:vm-{vmid}-disk-0,size=16G")),
        ),
        ("swap", json!(512)),
        ("unprivileged", json!(1)),
    ];
    let mut world = cluster.world();
    let pid = world.tasks.pid();
    let mut container = Container::draft(vmid, node, now);
    container.config = config.map(|(name, value)| (name.to_owned(), value)).into();
    container.disk = Some(Disk {
        storage: "local-lvm".into(),
        bytes: 16 << 30,
    });
    container.start(now, pid);
    world.containers.insert(vmid, container);
    world.foreign.insert(vmid);
    drop(world);
    cluster.changed.notify_one();
}
