//! `POST /nodes/{node}/lxc` with `restore=1`: a container from a backup, under any number. What
//! the request gives goes before what the backup says.

use std::time::Duration;

use serde_json::json;

use super::configuration::stored;
use super::permission::{NOT_OPTIONS, check_options};
use crate::api::Call;
use crate::guest_tasks::fork_start;
use crate::refusal::{Outcome, Refusal};
use crate::schema::property;
use crate::worker::{self, Failure, Worker};
use crate::world::World;
use crate::world::container::{Container, random_mac};

/// What the worker needs.
struct Plan {
    vmid: u32,
    node: String,
    user: String,
    archive: String,
    storage: String,
    given: Vec<(String, serde_json::Value)>,
    pool: Option<String>,
    unique: bool,
    start: bool,
    /// What had the number before, with the lock of the restore.
    before: Option<Container>,
}

pub(crate) fn restore(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    let plan = {
        let mut world = call.world();
        let before = overwritten(call, &world)?;
        let plan = checked(call, &world, before)?;
        let now = call.cluster.clock.now();
        let mut draft = plan
            .before
            .clone()
            .unwrap_or_else(|| Container::draft(vmid, &call.node, now));
        draft.set_lock(Some("create"));
        world.containers.insert(vmid, draft);
        plan
    };
    let order = call.order("vzrestore");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        match build(&worker, &plan).await {
            Ok(()) => {}
            Err(Failure::Vanished) => return Err(Failure::Vanished),
            Err(Failure::Died(why)) => {
                undo(&mut worker.cluster.world(), &plan);
                return Err(Failure::Died(format!(
                    "unable to restore CT {vmid} - {why}"
                )));
            }
        }
        if plan.start {
            fork_start(&worker.cluster, &plan.node, vmid, &plan.user, None);
        }
        Ok(())
    });
    Ok(json!(upid).into())
}

/// The container that the restore overwrites, if there is one and it may.
fn overwritten(call: &Call<'_>, world: &World) -> Result<Option<Container>, Refusal> {
    let vmid = call.vmid();
    let Some(there) = world.containers.get(&vmid) else {
        return Ok(None);
    };
    if there.node != call.node || !call.params().flag("force") {
        let text = format!("CT {vmid} already exists on node '{}'", there.node);
        return Err(Refusal::died(text));
    }
    if there.running() {
        return Err(Refusal::died("can't overwrite running container"));
    }
    if there.flag("protection") {
        let text = format!("unable to restore CT {vmid} - protection mode enabled");
        return Err(Refusal::died(text));
    }
    there
        .refuse_locked()
        .map_err(|why| Refusal::died(format!("unable to restore CT {vmid} - {why}")))?;
    Ok(Some(there.clone()))
}

fn checked(call: &Call<'_>, world: &World, before: Option<Container>) -> Result<Plan, Refusal> {
    let (vmid, params, authid) = (call.vmid(), call.params(), call.authid());
    let access = &world.access;
    let pool = params.text("pool");
    if let Some(pool) = pool.filter(|pool| !access.pools.contains(*pool)) {
        return Err(Refusal::forbidden(&format!("pool '{pool}' does not exist")));
    }
    let may = |path: &str, privilege: &str| access.allows(authid, path, &[privilege]);
    let guest = format!("/vms/{vmid}");
    let allowed = may(&guest, "VM.Allocate")
        || pool.is_some_and(|pool| may(&format!("/pool/{pool}"), "VM.Allocate"))
        || before.is_some() && may(&guest, "VM.Backup");
    if !allowed {
        return Err(Refusal::forbidden_plainly());
    }
    check_options(access, authid, vmid, pool, params)?;
    let archive = params.text("ostemplate").unwrap_or_default();
    let Some((at, _)) = archive.split_once(':') else {
        return Err(Refusal::died(format!(
            "unable to parse volume ID '{archive}'"
        )));
    };
    if !call.is_root() {
        access.check(
            authid,
            &format!("/storage/{at}"),
            &["Datastore.AllocateSpace"],
        )?;
        if let Some(backup) = world.backups.get(archive) {
            let owner = format!("/vms/{}", backup.container.vmid);
            access.check(authid, &owner, &["VM.Backup"])?;
        }
    }
    let storage = params.text("storage").unwrap_or("local");
    check_storage(world, authid, storage)?;
    let given = params
        .0
        .iter()
        .filter(|(name, _)| !NOT_OPTIONS.contains(&name.as_str()) && *name != "rootfs")
        .map(|(name, value)| (name.clone(), stored(name, value)))
        .collect();
    Ok(Plan {
        vmid,
        node: call.node.clone(),
        user: authid.to_owned(),
        archive: archive.to_owned(),
        storage: storage.to_owned(),
        given,
        pool: pool.map(str::to_owned),
        unique: params.flag("unique"),
        start: params.flag("start"),
        before,
    })
}

fn check_storage(world: &World, authid: &str, name: &str) -> Result<(), Refusal> {
    let storage = world
        .storage(name)
        .ok_or_else(|| Refusal::died(format!("storage '{name}' does not exist")))?;
    if !storage.content.iter().any(|kind| kind == "rootdir") {
        let text = format!("storage '{name}' does not support container directories");
        return Err(Refusal::parameter("storage", text));
    }
    let path = format!("/storage/{name}");
    world
        .access
        .check(authid, &path, &["Datastore.AllocateSpace"])
}

async fn build(worker: &Worker, plan: &Plan) -> Result<(), Failure> {
    let Plan { vmid, archive, .. } = plan;
    let _lock = worker.lock_config(*vmid).await?;
    worker.log(format!(
        "recovering backed-up configuration from '{archive}'"
    ));
    let backup = worker.cluster.world().backups.get(archive).cloned();
    let Some(backup) = backup else {
        return Err(Failure::Died(format!("volume '{archive}' does not exist")));
    };
    worker.sleep(Duration::from_secs(1)).await;
    worker.log(format!("restoring '{archive}' now.."));
    worker.cluster.terminals.forget_in_task(*vmid).await;
    worker.sleep(Duration::from_secs(4)).await;
    worker.trip()?;
    worker.log("merging backed-up and given configuration..");
    let now = worker.cluster.clock.now();
    let mut world = worker.cluster.world();
    world.restore(&backup, *vmid, plan.pool.as_deref(), now);
    let Some(made) = world.containers.get_mut(vmid) else {
        return Err(Failure::Died(format!("CT {vmid} vanished")));
    };
    made.node.clone_from(&plan.node);
    made.settle_on(&plan.storage);
    if plan.unique {
        for (name, value) in &mut made.config {
            let index = name.strip_prefix("net").map(str::parse::<u32>);
            if let (Some(Ok(_)), Some(text)) = (index, value.as_str()) {
                *value = json!(property::replace(text, "hwaddr", &random_mac()));
            }
        }
    }
    made.config.extend(plan.given.iter().cloned());
    Ok(())
}

/// What was there before comes back without its lock; what was not goes.
fn undo(world: &mut World, plan: &Plan) {
    match &plan.before {
        Some(before) => {
            world.containers.insert(plan.vmid, before.clone());
        }
        None => world.forget(plan.vmid),
    }
}
