//! `/nodes` and `/nodes/{node}/status`, by which a node is also rebooted.

use std::time::Duration;

use serde_json::{Value, json};

use super::MethodCall;
use crate::faults::FaultKind;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, optional, required};
use crate::world::{Bridge, Node, World};

pub(super) const COMMAND: &[Param] = &[required(
    "command",
    ParamKind::OneOf(&["reboot", "shutdown"]),
)];

/// How long a node is away when it reboots.
const BOOT: Duration = Duration::from_secs(60);

pub(super) const NETWORK: &[Param] = &[optional(
    "type",
    ParamKind::OneOf(&[
        "bridge",
        "eth",
        "vnet",
        "any_bridge",
        "any_local_bridge",
        "include_sdn",
    ]),
)];

/// `GET /nodes`.
pub(super) fn list(call: &MethodCall<'_>) -> HandlerResult {
    Ok(Value::from(entries(call, &call.world())).into())
}

/// Nodes as lists show them: figures only for accounts that may see them.
pub(super) fn entries(call: &MethodCall<'_>, world: &World) -> Vec<Value> {
    world
        .nodes
        .iter()
        .map(|node| {
            let faulty = call
                .cluster
                .faults
                .any(|kind| *kind == FaultKind::NodeOffline(node.name.clone()));
            let online = node.online && !faulty;
            let mut entry = json!({
                "id": format!("node/{}", node.name),
                "node": node.name,
                "type": "node",
                "status": if online { "online" } else { "offline" },
                "level": "",
                "ssl_fingerprint": call.cluster.fingerprint,
            });
            let path = format!("/nodes/{}", node.name);
            if online && world.access.allows(call.authid(), &path, &["Sys.Audit"]) {
                let load = NodeLoad::measure(world, node);
                entry["cpu"] = json!(load.cpu);
                entry["maxcpu"] = json!(node.cores);
                entry["mem"] = json!(load.memory);
                entry["maxmem"] = json!(node.memory);
                entry["disk"] = json!(load.rootfs);
                entry["maxdisk"] = json!(node.rootfs);
                entry["uptime"] = json!((call.cluster.clock.now() - node.booted) as u64);
            }
            entry
        })
        .collect()
}

/// `GET /nodes/{node}/status`.
pub(super) fn status(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let node = world
        .node(&call.node)
        .ok_or_else(|| ErrorResponse::died("no such node"))?;
    let load = NodeLoad::measure(&world, node);
    let free = node.memory.saturating_sub(load.memory);
    let kernel = &node.kernel;
    Ok(json!({
        "uptime": (call.cluster.clock.now() - node.booted) as u64,
        "idle": 0,
        "loadavg": ["0.12", "0.18", "0.15"],
        "kversion": format!("Linux {kernel} #1 SMP PREEMPT_DYNAMIC PMX {kernel}"),
        "current-kernel": {"sysname": "Linux", "machine": "x86_64", "release": kernel, "version": "#1 SMP PREEMPT_DYNAMIC PMX"},
        "boot-info": {"mode": "efi", "secureboot": 0},
        "cpuinfo": {
            "model": "Simulated Processor", "cores": node.cores, "cpus": node.cores, "sockets": 1,
            "mhz": "2400.000", "flags": "fpu vme sse2 avx2", "user_hz": 100, "hvm": "1",
        },
        "cpu": load.cpu,
        "wait": 0.0003,
        "memory": {"total": node.memory, "used": load.memory, "free": free, "available": free},
        "swap": {"total": 8_589_934_592_u64, "used": 0, "free": 8_589_934_592_u64},
        "ksm": {"shared": 0},
        "rootfs": {
            "total": node.rootfs, "used": load.rootfs,
            "avail": node.rootfs - load.rootfs, "free": node.rootfs - load.rootfs,
        },
        "pveversion": format!("pve-manager/9.2.11/{}", super::index::COMMIT),
    })
    .into())
}

/// `GET /nodes/{node}/network`: plain bridges, the first on a network card, and VNets on request.
/// Bridges and VNets are listed for accounts that may use them.
pub(super) fn network(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let usable = |bridge: &str| {
        let path = world.access.bridge_path(bridge);
        let any = ["SDN.Use", "SDN.Audit"];
        world.access.check_any(call.authid(), &path, &any).is_ok()
    };
    let wanted = call.params().text("type");
    let mut list = Vec::new();
    if matches!(wanted, Some("any_bridge" | "include_sdn" | "vnet")) {
        let vnets = world.access.zones.keys();
        let vnets = vnets.filter(|vnet| usable(vnet) && world.has_vnet(vnet, &call.node));
        list.extend(vnets.map(|vnet| json!({"iface": vnet, "type": "vnet", "active": "1"})));
    }
    let bridges = world.bridges.iter().filter(|(name, _)| usable(name));
    if wanted.is_none_or(|kind| kind.ends_with("bridge")) {
        let card = &call.cluster.config.bridge;
        list.extend(bridges.map(|(name, bridge)| bridge_row(name, bridge, name == card)));
    }
    if wanted.is_none_or(|kind| kind == "eth") {
        list.push(
            json!({"iface": "eno1", "type": "eth", "active": 1, "exists": 1, "method": "manual"}),
        );
    }
    Ok(Value::from(list).into())
}

fn bridge_row(name: &str, bridge: &Bridge, on_card: bool) -> Value {
    let mut row = json!({
        "iface": name, "type": "bridge", "active": 1, "autostart": 1, "method": "manual",
        "bridge_ports": if on_card { "eno1" } else { "none" },
    });
    if let Some(cidr) = &bridge.own_address {
        let (address, prefix) = cidr.split_once('/').unwrap_or((cidr, "32"));
        row["method"] = json!("static");
        row["cidr"] = json!(cidr);
        row["address"] = json!(address);
        row["netmask"] = json!(prefix);
        if on_card {
            row["gateway"] = json!("192.168.1.1");
        }
    }
    row
}

/// `POST /nodes/{node}/status`: the response comes at once, the command is executed two seconds
/// later.
pub(super) fn command(call: &MethodCall<'_>) -> HandlerResult {
    let again = call.params().text("command") == Some("reboot");
    let (cluster, name) = (call.cluster.clone(), call.node.clone());
    call.cluster.spawn(async move {
        cluster.clock.sleep(Duration::from_secs(2)).await;
        let now = cluster.clock.now();
        let stopped = cluster.world().power_off(&name, now);
        for vmid in stopped {
            cluster.terminals.end(vmid);
        }
        cluster.changed.notify_one();
        if !again {
            return;
        }
        cluster.clock.sleep(BOOT).await;
        cluster.world().power_on(&name, cluster.clock.now());
        cluster.changed.notify_one();
    });
    Ok(Value::Null.into())
}

/// The load of a node.
struct NodeLoad {
    cpu: f64,
    memory: u64,
    rootfs: u64,
}

impl NodeLoad {
    fn measure(world: &World, node: &Node) -> Self {
        let running: Vec<_> = world
            .containers
            .values()
            .filter(|one| one.node == node.name && one.running())
            .collect();
        let guests: u64 = running.iter().map(|one| super::lxc::memory_used(one)).sum();
        let base = (2 << 30).min(node.memory / 8);
        Self {
            cpu: (0.004 + 0.002 * running.len() as f64 / f64::from(node.cores.max(1))).min(1.0),
            memory: (base + guests).min(node.memory),
            rootfs: node.rootfs / 10,
        }
    }
}
