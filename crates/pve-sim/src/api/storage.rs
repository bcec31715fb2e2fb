//! Storages and what is on them.

use serde_json::{Value, json};

use super::Call;
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, format, optional};
use crate::world::{Storage, World};

pub(super) const LIST: &[Param] = &[
    optional("content", Kind::Text(0, 255)),
    optional("enabled", Kind::Bool),
    optional("format", Kind::Bool),
    optional("storage", Kind::Format(255, format::storage)),
    optional("target", Kind::Format(255, format::node)),
];

pub(super) const CONTENT: &[Param] = &[
    optional("content", Kind::Text(0, 255)),
    optional("vmid", Kind::Int(100, 999_999_999)),
];

const VISIBLE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];

fn visible(call: &Call<'_>, world: &World, storage: &Storage) -> bool {
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
pub(super) fn definitions(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let list: Value = world
        .storages
        .iter()
        .filter(|storage| visible(call, &world, storage))
        .map(|storage| {
            json!({"storage": storage.name, "type": storage.kind, "content": storage.content.join(","), "shared": 0})
        })
        .collect();
    Ok(list.into())
}

/// `GET /nodes/{node}/storage`.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let params = call.params();
    let list: Value = world
        .storages
        .iter()
        .filter(|one| visible(call, &world, one) && holds(one, params.text("content")))
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
pub(super) fn status(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let storage = named(call, &world)?;
    Ok(usage(&world, storage, &call.node).into())
}

/// `GET /nodes/{node}/storage/{storage}/content`.
pub(super) fn content(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let storage = named(call, &world)?;
    let wanted = call.params().text("content");
    let mut list = Vec::new();
    if wanted.is_none_or(|kind| kind == "vztmpl") {
        let prefix = format!("{}:vztmpl/", storage.name);
        list.extend(
            world
                .templates
                .iter()
                .filter(|(volid, _)| volid.starts_with(&prefix))
                .map(|(volid, size)| {
                    json!({"volid": volid, "format": archive_format(volid), "size": size, "ctime": 1_725_000_000, "content": "vztmpl"})
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

/// Storages as the resource overview shows them.
pub(super) fn resources(call: &Call<'_>, world: &World, node: &str) -> Vec<Value> {
    world
        .storages
        .iter()
        .filter(|one| visible(call, world, one))
        .map(|one| {
            json!({
                "id": format!("storage/{node}/{}", one.name), "type": "storage", "storage": one.name, "node": node,
                "plugintype": one.kind, "content": one.content.join(","), "shared": 0, "status": "available",
                "disk": world.storage_used(one, node), "maxdisk": one.capacity,
            })
        })
        .collect()
}

fn named<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Storage, Refusal> {
    let name = call.params().text("storage").unwrap_or_default();
    world
        .storage(name)
        .ok_or_else(|| Refusal::died(format!("storage '{name}' does not exist")))
}

fn usage(world: &World, storage: &Storage, node: &str) -> Value {
    let used = world.storage_used(storage, node).min(storage.capacity);
    json!({
        "type": storage.kind,
        "content": storage.content.join(","),
        "active": 1,
        "enabled": 1,
        "shared": 0,
        "total": storage.capacity,
        "used": used,
        "avail": storage.capacity - used,
        "used_fraction": used as f64 / storage.capacity.max(1) as f64,
    })
}

fn archive_format(volid: &str) -> &'static str {
    match volid.rsplit('.').next() {
        Some("zst") => "tzst",
        Some("xz") => "txz",
        _ => "tgz",
    }
}
