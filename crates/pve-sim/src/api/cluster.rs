//! `/cluster`: the next free id, the resource overview with its staleness, and the cluster's
//! members.

use serde_json::{Value, json};

use super::{MethodCall, node, storage};
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, optional};
use crate::world::World;
use crate::world::container::Container;

pub(super) const NEXT_ID: &[Param] = &[optional("vmid", ParamKind::Int(100, 999_999_999))];

pub(super) const RESOURCES: &[Param] = &[optional(
    "type",
    ParamKind::OneOf(&["vm", "storage", "node", "sdn"]),
)];

/// `GET /cluster/nextid`: a pure read; the number comes as a string.
pub(super) fn next_id(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    if call.params().has("vmid") {
        let vmid = call.vmid();
        if world.containers.contains_key(&vmid) {
            return Err(ErrorResponse::parameter(
                "vmid",
                format!("VM {vmid} already exists"),
            ));
        }
        return Ok(json!(vmid.to_string()).into());
    }
    Ok(json!(world.next_free_vmid().to_string()).into())
}

/// `GET /cluster/resources`.
pub(super) fn resources(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let wanted = call.params().text("type");
    let all = wanted.is_none();
    let mut list = Vec::new();
    if all {
        let pools = world.access.pools.iter().filter(|pool| {
            let path = format!("/pool/{pool}");
            world.access.allows(call.authid(), &path, &["Pool.Audit"])
        });
        list.extend(
            pools.map(|pool| json!({"id": format!("/pool/{pool}"), "pool": pool, "type": "pool"})),
        );
    }
    if all || wanted == Some("vm") {
        list.extend(
            world
                .containers
                .values()
                .filter(|one| !world.unlisted.contains(&one.vmid))
                .filter(|one| {
                    world
                        .access
                        .allows(call.authid(), &format!("/vms/{}", one.vmid), &["VM.Audit"])
                })
                .map(|one| guest(call, &world, one)),
        );
    }
    if all || wanted == Some("node") {
        list.extend(node::entries(call, &world));
    }
    if all || wanted == Some("storage") {
        for one in &world.nodes {
            list.extend(storage::resources(call, &world, &one.name));
        }
    }
    Ok(Value::from(list).into())
}

/// A container as the resource overview shows it: status and name as the status daemon last
/// reported them.
pub(super) fn guest(call: &MethodCall<'_>, world: &World, container: &Container) -> Value {
    let now = call.cluster.clock.now();
    let lag = call
        .cluster
        .clock
        .scaled(call.cluster.config.resource_lag)
        .as_secs_f64();
    let online = world.node(&container.node).is_some_and(|node| node.online);
    let unseen = lag > 0.0 && now - container.created < lag || !online;
    let outdated = lag > 0.0 && now - container.changed < lag;
    let running = container.running() != outdated;
    let mut entry = json!({
        "id": format!("lxc/{}", container.vmid),
        "type": "lxc",
        "vmid": container.vmid,
        "node": world.listed_on.get(&container.vmid).unwrap_or(&container.node),
        "status": if unseen { "unknown" } else if running { "running" } else { "stopped" },
    });
    if !unseen {
        entry["template"] = json!(u8::from(container.flag("template")));
        let uptime = container
            .running_since
            .filter(|_| running)
            .map_or(0, |since| (now - since) as u64);
        entry["name"] = json!(container.hostname());
        entry["uptime"] = json!(uptime);
        entry["cpu"] = json!(if running { 0.0021 } else { 0.0 });
        entry["maxcpu"] = json!(
            container
                .number("cores")
                .unwrap_or(u64::from(call.cluster.config.node.cores))
        );
        entry["mem"] = json!(if running {
            super::lxc::memory_used(container)
        } else {
            0
        });
        entry["maxmem"] = json!(container.memory_mib() << 20);
        entry["disk"] = json!(if running {
            container.disk_bytes() / 10
        } else {
            0
        });
        entry["maxdisk"] = json!(container.disk_bytes());
        let [netin, netout] = container.meter.traffic(now);
        for (counter, bytes) in [
            ("netin", netin),
            ("netout", netout),
            ("diskread", uptime * 512),
            ("diskwrite", uptime * 512),
        ] {
            entry[counter] = json!(if running { bytes } else { 0 });
        }
    }
    if let Some(lock) = container.lock() {
        entry["lock"] = json!(lock);
    }
    if let Some(resource) = world.ha.get(&container.vmid).filter(|one| one.managed()) {
        entry["hastate"] = json!(resource.state);
    }
    if let Some(tags) = container.text("tags") {
        entry["tags"] = json!(tags);
    }
    let pool = world.pool_of(container.vmid).filter(|pool| {
        world
            .access
            .allows(call.authid(), &format!("/pool/{pool}"), &["Pool.Audit"])
    });
    if let Some(pool) = pool {
        entry["pool"] = json!(pool);
    }
    entry
}

/// `GET /cluster/status`.
pub(super) fn status(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let nodes: Value = world
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            json!({
                "id": format!("node/{}", node.name),
                "type": "node",
                "name": node.name,
                "nodeid": index,
                "local": u8::from(index == 0),
                "online": u8::from(node.online),
                "ip": "127.0.0.1",
                "level": "",
            })
        })
        .collect();
    Ok(nodes.into())
}
