//! Containers that belong to the operator, not to the service.

use serde_json::json;

use super::World;
use super::container::{Container, Disk, complete_network};

impl World {
    /// Puts an operator's own container onto a node: it runs and is in no pool.
    pub(crate) fn put_foreign(&mut self, node: &str, vmid: u32, hostname: &str, now: f64) {
        let config = [
            ("arch", json!("amd64")),
            ("cores", json!(2)),
            ("hostname", json!(hostname)),
            ("memory", json!(2048)),
            (
                "net0",
                json!(complete_network("name=eth0,bridge=vmbr0,ip=dhcp")),
            ),
            ("ostype", json!("debian")),
            (
                "rootfs",
                json!(format!("local-lvm:vm-{vmid}-disk-0,size=16G")),
            ),
            ("swap", json!(512)),
            ("unprivileged", json!(1)),
        ];
        let pid = self.tasks.pid();
        let mut container = Container::draft(vmid, node, now);
        container.config = config.map(|(name, value)| (name.to_owned(), value)).into();
        container.disk = Some(Disk {
            storage: "local-lvm".into(),
            bytes: 16 << 30,
        });
        container.start(now, pid);
        self.containers.insert(vmid, container);
        self.foreign.insert(vmid);
    }
}
