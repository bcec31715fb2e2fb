//! `PUT /nodes/{node}/lxc/{vmid}/config`.

use serde_json::{Value, json};

use super::configuration::stored;
use super::permission::check_options;
use crate::api::MethodCall;
use crate::faults::FaultKind;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::format;
use crate::worker;
use crate::world::container::Container;

pub(crate) fn update(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = call.vmid();
    let params = call.params();
    let changes: Vec<(String, Value)> = params
        .0
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "node" | "vmid" | "digest" | "delete" | "revert"
            )
        })
        .map(|(name, value)| (name.clone(), stored(name, value)))
        .collect();
    let deleted: Vec<&str> = params
        .text("delete")
        .map(|text| format::list(text).collect())
        .unwrap_or_default();
    if changes.is_empty() && deleted.is_empty() && !params.has("revert") {
        return Err(ErrorResponse::died("no options specified"));
    }
    let mut world = call.world();
    let container = call.container(&world)?;
    container.refuse_locked().map_err(ErrorResponse::died)?;
    let digest = container.digest();
    if params.text("digest").is_some_and(|given| given != digest) {
        return Err(ErrorResponse::died(
            "detected modified configuration - file changed by other user? Try again.",
        ));
    }
    let pool = world.pool_of(vmid);
    check_options(&world.access, call.authid(), vmid, pool, params)?;
    check_fixed(container, vmid, &changes, &deleted)?;
    if call.fault == Some(FaultKind::LockTimeout) {
        return Err(ErrorResponse::died(worker::lock_timeout(vmid)));
    }
    let container = world
        .containers
        .get_mut(&vmid)
        .expect("it was there under the same lock");
    let mac_before = container.mac();
    let rewired = deleted.contains(&"net0") || changes.iter().any(|(name, _)| name == "net0");
    for name in deleted {
        container.config.remove(name);
    }
    container.config.extend(changes);
    if rewired {
        container.rewire(call.cluster.clock.now(), mac_before.as_deref());
    }
    container
        .config
        .entry("memory".into())
        .or_insert(json!(512));
    drop(world);
    call.cluster.changed.notify_one();
    Ok(Value::Null.into())
}

/// Refuses options that cannot be changed, or not in this state.
fn check_fixed(
    container: &Container,
    vmid: u32,
    changes: &[(String, Value)],
    deleted: &[&str],
) -> Result<(), ErrorResponse> {
    for name in deleted {
        if let "memory" | "rootfs" | "ostype" = *name {
            let text = format!("unable to delete required option '{name}'");
            return Err(ErrorResponse::died(text));
        }
        if *name == "unprivileged" {
            let text = format!("unable to delete read-only option: '{name}'");
            return Err(ErrorResponse::died(text));
        }
    }
    for (name, _) in changes {
        if name == "unprivileged" {
            let text = format!("unable to modify read-only option: '{name}'");
            return Err(ErrorResponse::died(text));
        }
        if name == "rootfs" && container.flag("protection") {
            let text = format!("can't update CT {vmid} drive 'rootfs' - protection mode enabled");
            return Err(ErrorResponse::died(text));
        }
    }
    Ok(())
}
