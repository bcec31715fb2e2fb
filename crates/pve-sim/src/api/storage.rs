//! Storages and what is on them.

use serde_json::{Value, json};

use super::MethodCall;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, format, optional};
use crate::world::{Storage, World, is_on_node};

pub(super) const LIST: &[Param] = &[
    optional("content", ParamKind::Text(0, 255)),
    optional("enabled", ParamKind::Bool),
    optional("format", ParamKind::Bool),
    optional("storage", ParamKind::Format(255, format::storage)),
    optional("target", ParamKind::Format(255, format::node)),
];

pub(super) const CONTENT: &[Param] = &[
    optional("content", ParamKind::Text(0, 255)),
    optional("vmid", ParamKind::Int(100, 999_999_999)),
];

const VISIBLE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];

fn visible(call: &MethodCall<'_>, world: &World, storage: &Storage) -> bool {
    let path = format!("/storage/{}", storage.name);
    world
        .access
        .check_any(call.authid(), &path, VISIBLE)
        .is_ok()
}

fn holds(storage: &Storage, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        format::list(wanted).any(|kind| storage.content.iter().any(|held| held == kind))
    })
}

/// `GET /storage`.
pub(super) fn definitions(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let list: Value = world
        .storages
        .iter()
        .filter(|storage| visible(call, &world, storage))
        .map(|storage| {
            json!({
                "storage": storage.name, "type": storage.kind, "content": storage.content.join(","),
                "shared": u8::from(storage.shared),
            })
        })
        .collect();
    Ok(list.into())
}

/// `GET /nodes/{node}/storage`.
pub(super) fn list(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let params = call.params();
    let list: Value = world
        .storages
        .iter()
        .filter(|one| visible(call, &world, one) && holds(one, params.text("content")))
        // A storage of other nodes is left out only if a content type is given.
        .filter(|one| !params.has("content") || one.is_enabled_on(&call.node))
        .filter(|one| !params.flag("enabled") || one.enabled)
        .filter(|one| params.text("storage").is_none_or(|name| name == one.name))
        .map(|one| {
            let mut entry = usage(&world, one, &call.node);
            entry["storage"] = json!(one.name);
            entry
        })
        .collect();
    Ok(list.into())
}

/// `GET /nodes/{node}/storage/{storage}/status`.
pub(super) fn status(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let storage = named(call, &world)?;
    Ok(usage(&world, storage, &call.node).into())
}

/// `GET /nodes/{node}/storage/{storage}/content`.
pub(super) fn content(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let storage = named(call, &world)?;
    storage.usable(&call.node)?;
    if storage.fails {
        return Err(ErrorResponse::died("got timeout"));
    }
    let wanted = call.params().text("content");
    let mut list = Vec::new();
    if wanted.is_none_or(|kind| kind == "vztmpl") {
        let prefix = format!("{}:vztmpl/", storage.name);
        list.extend(
            world
                .templates
                .iter()
                .filter(|(volid, _)| volid.starts_with(&prefix))
                .filter(|(_, template)| storage.shared || is_on_node(&template.nodes, &call.node))
                .map(|(volid, template)| {
                    json!({
                        "volid": volid, "format": archive_format(volid), "size": template.size,
                        "ctime": 1_725_000_000, "content": "vztmpl",
                    })
                }),
        );
    }
    if wanted.is_none_or(|kind| kind == "rootdir") {
        let mine = world.containers.values().filter(|one| {
            let path = format!("/vms/{}", one.vmid);
            one.node == call.node
                && one
                    .disk
                    .as_ref()
                    .is_some_and(|disk| disk.storage == storage.name)
                && world.access.allows(call.authid(), &path, &["VM.Audit"])
        });
        list.extend(mine.map(|one| {
            json!({
                "volid": format!("{}:vm-{}-disk-0", storage.name, one.vmid), "format": "raw",
                "size": one.disk_bytes(), "ctime": one.created as u64, "content": "rootdir", "vmid": one.vmid,
            })
        }));
    }
    Ok(Value::from(list).into())
}

/// `GET /nodes/{node}/aplinfo`: the index of templates that can be downloaded.
pub(super) fn appliances(call: &MethodCall<'_>) -> HandlerResult {
    let entry = |file: &String| {
        let (name, rest) = file.split_once('_').unwrap_or((file, ""));
        let (version, rest) = rest.split_once('_').unwrap_or((rest, ""));
        let section = if name.contains("-turnkey-") {
            "turnkeylinux"
        } else if name.starts_with("proxmox-") {
            "mail"
        } else {
            "system"
        };
        json!({
            "template": file, "package": name, "version": version, "section": section, "type": "lxc",
            "architecture": rest.split('.').next(), "os": name.split("-standard").next(),
            "source": "http://download.proxmox.com/images", "headline": name,
        })
    };
    let list: Value = call.cluster.config.appliances.iter().map(entry).collect();
    Ok(list.into())
}

/// Storages as the resource overview shows them.
pub(super) fn resources(call: &MethodCall<'_>, world: &World, node: &str) -> Vec<Value> {
    world
        .storages
        .iter()
        .filter(|one| visible(call, world, one))
        .map(|one| {
            json!({
                "id": format!("storage/{node}/{}", one.name), "type": "storage", "storage": one.name, "node": node,
                "plugintype": one.kind, "content": one.content.join(","), "shared": u8::from(one.shared),
                "status": if one.usable(node).is_ok() { "available" } else { "unknown" },
                "disk": world.storage_used(one, node), "maxdisk": one.capacity,
            })
        })
        .collect()
}

fn named<'w>(call: &MethodCall<'_>, world: &'w World) -> Result<&'w Storage, ErrorResponse> {
    let name = call.params().text("storage").unwrap_or_default();
    world
        .storage(name)
        .ok_or_else(|| ErrorResponse::died(format!("storage '{name}' does not exist")))
}

fn usage(world: &World, storage: &Storage, node: &str) -> Value {
    let active = storage.usable(node).is_ok();
    let capacity = if active { storage.capacity } else { 0 };
    let used = world.storage_used(storage, node).min(capacity);
    let mut entry = json!({
        "type": storage.kind,
        "content": storage.content.join(","),
        "active": u8::from(active),
        "enabled": u8::from(storage.is_enabled_on(node)),
        "shared": u8::from(storage.shared),
        "total": capacity,
        "used": used,
        "avail": capacity - used,
    });
    if active {
        entry["used_fraction"] = json!(used as f64 / capacity.max(1) as f64);
    }
    entry
}

fn archive_format(volid: &str) -> &'static str {
    match volid.rsplit('.').next() {
        Some("zst") => "tzst",
        Some("xz") => "txz",
        Some("tar") => "tar",
        _ => "tgz",
    }
}
