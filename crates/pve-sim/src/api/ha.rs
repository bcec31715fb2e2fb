//! `/cluster/ha/resources`: the containers that high availability manages, and their requested
//! states.

use std::time::Duration;

use serde_json::{Value, json};

use super::MethodCall;
use crate::manager::{self, HaRequest};
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, format, optional, required};
use crate::world::World;
use crate::world::ha::HaResource;

const STATE: Param = optional(
    "state",
    ParamKind::OneOf(&["started", "stopped", "enabled", "disabled", "ignored"]),
);

pub(super) const CREATE: &[Param] = &[
    required("sid", ParamKind::Text(1, 64)),
    STATE,
    optional("comment", ParamKind::Text(0, 4096)),
    optional("failback", ParamKind::Bool),
    optional("max_relocate", ParamKind::Int(0, i64::MAX)),
    optional("max_restart", ParamKind::Int(0, i64::MAX)),
    optional("type", ParamKind::OneOf(&["ct", "vm"])),
];

pub(super) const CHANGE: &[Param] = &[
    STATE,
    optional("comment", ParamKind::Text(0, 4096)),
    optional("failback", ParamKind::Bool),
    optional("max_relocate", ParamKind::Int(0, i64::MAX)),
    optional("max_restart", ParamKind::Int(0, i64::MAX)),
];

pub(super) const REMOVE: &[Param] = &[optional("purge", ParamKind::Bool)];

/// The target node of a container.
pub(super) const RELOCATE: &[Param] = &[required("node", ParamKind::Format(255, format::node))];

/// The container of a service id, `ct:100` or `100`; only the short form has to exist.
fn service(call: &MethodCall<'_>, world: &World) -> Result<u32, ErrorResponse> {
    let sid = call.params().text("sid").unwrap_or_default();
    let (kind, name) = sid.split_once(':').unwrap_or(("ct", sid));
    let vmid = name.parse().ok().filter(|_| kind == "ct");
    let vmid =
        vmid.ok_or_else(|| ErrorResponse::died(format!("unable to parse service id '{sid}'")))?;
    if !sid.contains(':') && !world.containers.contains_key(&vmid) {
        let text = format!("unable to detect SID from VMID - VM/CT {vmid} does not exist");
        return Err(ErrorResponse::died(text));
    }
    Ok(vmid)
}

/// The same for one that is managed.
fn managed(call: &MethodCall<'_>, world: &World) -> Result<u32, ErrorResponse> {
    let vmid = service(call, world)?;
    match world.ha.contains_key(&vmid) {
        true => Ok(vmid),
        false => Err(ErrorResponse::died(format!("no such resource 'ct:{vmid}'"))),
    }
}

fn entry(vmid: u32, resource: &HaResource) -> Value {
    json!({"sid": format!("ct:{vmid}"), "type": "ct", "state": resource.requested})
}

/// `GET /cluster/ha/resources`.
pub(super) fn list(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let list: Value = world
        .ha
        .iter()
        .map(|(vmid, one)| entry(*vmid, one))
        .collect();
    Ok(list.into())
}

/// `GET /cluster/ha/resources/{sid}`.
pub(super) fn one(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let vmid = managed(call, &world)?;
    Ok(entry(vmid, &world.ha[&vmid]).into())
}

/// `POST /cluster/ha/resources`. Without a state the container is started.
pub(super) fn create(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = {
        let mut world = call.world();
        let vmid = service(call, &world)?;
        let Some(container) = world.containers.get(&vmid) else {
            let text = format!("resource 'ct:{vmid}' does not exist in cluster");
            return Err(ErrorResponse::died(text));
        };
        let running = container.running();
        if world.ha.contains_key(&vmid) {
            return Err(ErrorResponse::died(format!(
                "resource ID 'ct:{vmid}' already defined"
            )));
        }
        let resource = HaResource {
            state: "queued".into(),
            ..HaResource::new(running)
        };
        world.ha.insert(vmid, resource);
        vmid
    };
    demand(call, vmid, call.params().text("state").unwrap_or("started"));
    Ok(Value::Null.into())
}

/// `PUT /cluster/ha/resources/{sid}`.
pub(super) fn change(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = {
        let world = call.world();
        let vmid = managed(call, &world)?;
        let disabled = call.params().text("state") == Some("disabled");
        if world.ha[&vmid].state == "error" && !disabled {
            return Err(ErrorResponse::died(format!(
                "service 'ct:{vmid}' in error state, must be disabled and fixed first"
            )));
        }
        vmid
    };
    if let Some(state) = call.params().text("state") {
        demand(call, vmid, state);
    }
    Ok(Value::Null.into())
}

fn demand(call: &MethodCall<'_>, vmid: u32, state: &str) {
    match state {
        "started" | "enabled" => manager::queue(call.cluster, vmid, HaRequest::Start),
        "ignored" => {
            if let Some(resource) = call.world().ha.get_mut(&vmid) {
                "ignored".clone_into(&mut resource.requested);
            }
        }
        _ => {
            let timeout = Duration::from_secs(60);
            manager::queue(call.cluster, vmid, HaRequest::Stop { timeout });
        }
    }
}

/// `DELETE /cluster/ha/resources/{sid}`.
pub(super) fn remove(call: &MethodCall<'_>) -> HandlerResult {
    let mut world = call.world();
    let vmid = service(call, &world)?;
    if world.ha.remove(&vmid).is_none() {
        let text = format!("cannot delete service 'ct:{vmid}', not HA managed!");
        return Err(ErrorResponse::died(text));
    }
    Ok(Value::Null.into())
}

/// `POST /cluster/ha/resources/{sid}/migrate` and `…/relocate`, the same for containers.
pub(super) fn relocate(call: &MethodCall<'_>) -> HandlerResult {
    let target = call.params().text("node").unwrap_or_default().to_owned();
    let vmid = managed(call, &call.world())?;
    let answer = json!({"sid": format!("ct:{vmid}"), "requested-node": target});
    manager::queue(call.cluster, vmid, HaRequest::Relocate { target });
    Ok(answer.into())
}
