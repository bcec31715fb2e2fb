//! `/pools`: pools, also pools in pools (`a/b`), and their members.

use serde_json::{Value, json};

use super::{MethodCall, cluster};
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, format, optional, required};
use crate::world::World;

const TYPES: ParamKind = ParamKind::OneOf(&["qemu", "lxc", "storage"]);

pub(super) const LIST: &[Param] = &[
    optional("poolid", ParamKind::Format(255, format::pool)),
    optional("type", TYPES),
];

pub(super) const CREATE: &[Param] = &[
    optional("comment", ParamKind::Text(0, 4096)),
    required("poolid", ParamKind::Format(255, format::pool)),
];

/// Parameters of a change, without the pool's id.
pub(super) const UPDATE: &[Param] = &[
    optional("allow-move", ParamKind::Bool),
    optional("comment", ParamKind::Text(0, 4096)),
    optional("delete", ParamKind::Bool),
    optional("vms", ParamKind::Text(0, 4096)),
];

pub(super) const WHICH: &[Param] = &[required("poolid", ParamKind::Format(255, format::pool))];

pub(super) const ONE: &[Param] = &[optional("type", TYPES)];

/// `GET /pools[?poolid=…]`.
pub(super) fn list(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    // Proxmox checks `Pool.Audit` here and ignores the result.
    if let Some(pool) = call.params().text("poolid") {
        return Ok(json!([members(call, &world, pool)?]).into());
    }
    let pools: Value = world
        .access
        .pools
        .iter()
        .filter(|pool| {
            world
                .access
                .allows(call.authid(), &format!("/pool/{pool}"), &["Pool.Audit"])
        })
        .map(|pool| json!({"poolid": pool}))
        .collect();
    Ok(pools.into())
}

/// `GET /pools/{poolid}`, the older form.
pub(super) fn one(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let pool = call.params().text("poolid").unwrap_or_default();
    Ok(members(call, &world, pool)?.into())
}

fn members(call: &MethodCall<'_>, world: &World, pool: &str) -> Result<Value, ErrorResponse> {
    if !world.access.pools.contains(pool) {
        return Err(ErrorResponse::died(format!("pool '{pool}' does not exist")));
    }
    let guests = call.params().text("type").is_none_or(|kind| kind == "lxc");
    let members: Value = world
        .containers
        .values()
        .filter(|one| guests && world.pool_of(one.vmid) == Some(pool))
        .filter(|one| !world.unlisted.contains(&one.vmid))
        .map(|one| {
            let mut entry = cluster::guest(call, world, one);
            if let Some(fields) = entry.as_object_mut() {
                for live in ["lock", "tags", "pool", "hastate"] {
                    fields.remove(live);
                }
            }
            entry
        })
        .collect();
    Ok(json!({"poolid": pool, "members": members}))
}

/// `POST /pools`. A pool below another needs that one.
pub(super) fn create(call: &MethodCall<'_>) -> HandlerResult {
    let pool = call.params().text("poolid").unwrap_or_default();
    let mut world = call.world();
    let pools = &mut world.access.pools;
    if pools.contains(pool) {
        return Err(ErrorResponse::died(format!("pool '{pool}' already exists")));
    }
    let (parent, leaf) = match pool.rsplit_once('/') {
        Some((parent, leaf)) => (Some(parent), leaf),
        None => (None, pool),
    };
    if let Some(parent) = parent.filter(|parent| !pools.contains(*parent)) {
        let text = format!("parent '{parent}' of pool '{pool}' does not exist");
        return Err(ErrorResponse::died(text));
    }
    if !leaf.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(ErrorResponse::died("pool name must start with a letter"));
    }
    pools.insert(pool.to_owned());
    Ok(Value::Null.into())
}

/// `PUT /pools` and `PUT /pools/{poolid}`: guests join or, with `delete`, leave: all
/// of them or none.
pub(super) fn update(call: &MethodCall<'_>) -> HandlerResult {
    let params = call.params();
    let pool = params.text("poolid").unwrap_or_default();
    let mut world = call.world();
    if !world.access.pools.contains(pool) {
        return Err(ErrorResponse::died(format!("pool '{pool}' does not exist")));
    }
    let mut members = world.access.pool_of_guest.clone();
    for text in params.text("vms").into_iter().flat_map(format::list) {
        let vmid: u32 = text.parse().map_err(|_| {
            ErrorResponse::parameter(
                "vms",
                format!("value '{text}' does not look like a valid VM ID"),
            )
        })?;
        let path = format!("/vms/{vmid}");
        let needs = ["Permissions.Modify", "VM.Allocate"];
        world.access.check_any(call.authid(), &path, &needs)?;
        let current = members.get(&vmid).map(String::as_str);
        if params.flag("delete") {
            if current != Some(pool) {
                return Err(ErrorResponse::died(format!(
                    "VM {vmid} is not a pool member"
                )));
            }
            members.remove(&vmid);
            continue;
        }
        match current {
            Some(current) if current == pool => {
                return Err(ErrorResponse::died(format!(
                    "VM {vmid} is already a pool member"
                )));
            }
            Some(other) if !params.flag("allow-move") => {
                return Err(ErrorResponse::died(format!(
                    "VM {vmid} belongs already to pool '{other}' and 'allow-move' is not set"
                )));
            }
            Some(other) => {
                let path = format!("/pool/{other}");
                world
                    .access
                    .check(call.authid(), &path, &["Pool.Allocate"])?;
            }
            None => {}
        }
        members.insert(vmid, pool.to_owned());
    }
    world.access.pool_of_guest = members;
    Ok(Value::Null.into())
}

/// `DELETE /pools` and `DELETE /pools/{poolid}`: only one that is empty.
pub(super) fn remove(call: &MethodCall<'_>) -> HandlerResult {
    let pool = call.params().text("poolid").unwrap_or_default();
    let mut world = call.world();
    if !world.access.pools.contains(pool) {
        return Err(ErrorResponse::died(format!("pool '{pool}' does not exist")));
    }
    let below = format!("{pool}/");
    if let Some(inner) = world
        .access
        .pools
        .iter()
        .find(|one| one.starts_with(&below))
    {
        let text = format!("pool '{pool}' is not empty (contains pool '{inner}')");
        return Err(ErrorResponse::died(text));
    }
    let member = world
        .containers
        .keys()
        .find(|vmid| world.pool_of(**vmid) == Some(pool));
    if let Some(vmid) = member {
        let text = format!("pool '{pool}' is not empty (contains VM {vmid})");
        return Err(ErrorResponse::died(text));
    }
    world.access.pools.remove(pool);
    world.access.forget_path(&format!("/pool/{pool}"));
    Ok(Value::Null.into())
}
