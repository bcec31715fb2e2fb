//! `/pools`: pools and their members.

use serde_json::{Value, json};

use super::{Call, cluster};
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, format, optional};
use crate::world::World;

const TYPES: Kind = Kind::OneOf(&["qemu", "lxc", "storage"]);

pub(super) const LIST: &[Param] = &[
    optional("poolid", Kind::Format(255, format::pool)),
    optional("type", TYPES),
];

pub(super) const ONE: &[Param] = &[optional("type", TYPES)];

/// `GET /pools[?poolid=…]`.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    if let Some(pool) = call.params().text("poolid") {
        let mut entry = members(call, &world, pool)?;
        entry["poolid"] = json!(pool);
        return Ok(json!([entry]).into());
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
pub(super) fn one(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let pool = call.params().text("poolid").unwrap_or_default();
    Ok(members(call, &world, pool)?.into())
}

fn members(call: &Call<'_>, world: &World, pool: &str) -> Result<Value, Refusal> {
    world
        .access
        .check(call.authid(), &format!("/pool/{pool}"), &["Pool.Audit"])?;
    if !world.access.pools.contains(pool) {
        return Err(Refusal::died(format!("pool '{pool}' does not exist")));
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
    Ok(json!({"members": members}))
}
