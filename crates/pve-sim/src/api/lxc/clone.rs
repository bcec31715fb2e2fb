//! `POST …/clone`: the source is locked (`disk`) until the copy is there, so that one clone of a
//! container is made at a time, and the task bears the source's number.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::ROOT;
use crate::api::MethodCall;
use crate::guest_tasks::HeldLock;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, format, optional, required};
use crate::worker::{self, Worker, WorkerFailure};
use crate::world::World;
use crate::world::container::{Container, Disk};

pub(crate) const CLONE: &[Param] = &[
    optional("bwlimit", ParamKind::Number(0.0, f64::MAX)),
    optional("description", ParamKind::Text(0, 8192)),
    optional("full", ParamKind::Bool),
    optional("hostname", ParamKind::Format(255, format::dns_name)),
    required("newid", ParamKind::Int(100, 999_999_999)),
    optional("pool", ParamKind::Format(255, format::pool)),
    optional("snapname", ParamKind::Text(1, 40)),
    optional("storage", ParamKind::Format(255, format::storage)),
    optional("target", ParamKind::Format(255, format::node)),
];

/// The checked parameters of a clone, for its worker.
struct ClonePlan {
    vmid: u32,
    newid: u32,
    pool: Option<String>,
    rootfs: Value,
    disk: Option<Disk>,
    full: bool,
    running: bool,
}

pub(crate) fn clone(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = call.vmid();
    let plan = prepare(call)?;
    call.cluster.changed.notify_one();
    let order = call.task_order("vzclone");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        let _source = HeldLock::adopt(&worker, vmid, "disk");
        let draft = CloneDraft {
            worker: worker.clone(),
            newid: plan.newid,
        };
        let made = copy(&worker, &plan).await;
        drop(draft);
        made.map_err(|failure| match failure {
            WorkerFailure::Died(why) => WorkerFailure::Died(format!("clone failed: {why}")),
            WorkerFailure::Vanished => WorkerFailure::Vanished,
        })
    });
    Ok(json!(upid).into())
}

/// An unfinished copy. It is removed when its worker ends, unless the process was killed.
struct CloneDraft {
    worker: Arc<Worker>,
    newid: u32,
}

impl Drop for CloneDraft {
    fn drop(&mut self) {
        if self.worker.killed() {
            return;
        }
        let mut world = self.worker.cluster.world();
        let unfinished = |one: &Container| one.lock() == Some("create");
        if world.containers.get(&self.newid).is_some_and(unfinished) {
            world.forget(self.newid);
        }
    }
}

/// Checks, locks the source and writes the copy's configuration, which is locked as well.
fn prepare(call: &MethodCall<'_>) -> Result<ClonePlan, ErrorResponse> {
    let params = call.params();
    let vmid = call.vmid();
    let newid = params
        .int("newid")
        .and_then(|id| u32::try_from(id).ok())
        .expect("the schema requires a VMID within bounds");
    let pool = params.text("pool");
    let mut world = call.world();
    permitted(call, &world, newid, pool)?;
    let source = call.container(&world)?;
    source.refuse_locked().map_err(ErrorResponse::died)?;
    if let Some(other) = world.containers.get(&newid) {
        let text = format!("CT {newid} already exists on node '{}'", other.node);
        return Err(ErrorResponse::died(text));
    }
    let template = source.flag("template");
    let full = match params.has("full") {
        true => params.flag("full"),
        false => !template,
    };
    let running = source.running();
    check_disks(call, &world, source, full)?;
    let rootfs = source.config.get("rootfs").cloned().unwrap_or_default();
    let disk = source.disk.clone();

    let now = call.cluster.clock.now();
    let mut copy = world
        .copy_of(vmid, newid, now)
        .expect("the source is there");
    for name in ["hostname", "description"] {
        if let Some(text) = params.text(name).filter(|text| !text.is_empty()) {
            copy.config.insert(name.into(), json!(text));
        }
    }
    let rootfs_there = copy.config.remove("rootfs").unwrap_or(rootfs);
    copy.disk = None;
    copy.set_lock(Some("create"));
    world.containers.insert(newid, copy);
    world.firewall.copy_guest(vmid, newid);
    if let Some(source) = world.containers.get_mut(&vmid) {
        source.set_lock(Some("disk"));
    }
    Ok(ClonePlan {
        vmid,
        newid,
        pool: pool.map(str::to_owned),
        rootfs: rootfs_there,
        disk,
        full,
        running,
    })
}

fn permitted(
    call: &MethodCall<'_>,
    world: &World,
    newid: u32,
    pool: Option<&str>,
) -> Result<(), ErrorResponse> {
    let access = &world.access;
    let allowed = |path: &str| access.allows(call.authid(), path, &["VM.Allocate"]);
    let by_pool = pool.is_some_and(|pool| allowed(&format!("/pool/{pool}")));
    if call.authid() != ROOT && !allowed(&format!("/vms/{newid}")) && !by_pool {
        return Err(ErrorResponse::forbidden_plainly());
    }
    match pool.filter(|pool| !access.pools.contains(*pool)) {
        Some(pool) => Err(ErrorResponse::forbidden(&format!(
            "pool '{pool}' does not exist"
        ))),
        None => Ok(()),
    }
}

fn check_disks(
    call: &MethodCall<'_>,
    world: &World,
    source: &Container,
    full: bool,
) -> Result<(), ErrorResponse> {
    let params = call.params();
    let storage = params.text("storage");
    if storage.is_some() && !full {
        return Err(ErrorResponse::died(
            "parameter 'storage' not allowed for linked clones",
        ));
    }
    if let Some(name) = storage.filter(|name| world.storage(name).is_none()) {
        return Err(ErrorResponse::died(format!(
            "storage '{name}' does not exist"
        )));
    }
    if let Some(name) = params.text("snapname") {
        if !source.snapshots.contains_key(name) {
            return Err(ErrorResponse::died(format!(
                "snapshot '{name}' does not exist"
            )));
        }
    } else if full && source.running() {
        return Err(ErrorResponse::died(
            "Full clone of a running container is only possible from a snapshot",
        ));
    }
    let Some(disk) = &source.disk else {
        return Ok(());
    };
    let path = format!("/storage/{}", storage.unwrap_or(&disk.storage));
    let needs = ["Datastore.AllocateSpace"];
    world.access.check(call.authid(), &path, &needs)?;
    if !full && !source.flag("template") && !params.has("snapname") {
        let rootfs = source.text("rootfs").unwrap_or_default();
        let volume = rootfs.split(',').next().unwrap_or_default();
        let text = format!("Linked clone feature for '{volume}' is not available");
        return Err(ErrorResponse::died(text));
    }
    let target = params.text("target").filter(|target| *target != call.node);
    if let Some(target) = target {
        let text = format!("can't clone CT to node '{target}' (CT uses local storage)");
        return Err(ErrorResponse::died(text));
    }
    Ok(())
}

async fn copy(worker: &Arc<Worker>, plan: &ClonePlan) -> Result<(), WorkerFailure> {
    let ClonePlan { vmid, newid, .. } = plan;
    let rootfs = plan.rootfs.as_str().unwrap_or_default();
    let volume = rootfs.split(',').next().unwrap_or_default();
    worker.log(format!(
        "creating a clone of container {vmid} with ID {newid}"
    ));
    let (kind, takes) = match plan.full {
        true => ("full clone of mountpoint", 8),
        false => ("linked clone of mount point", 1),
    };
    worker.log(format!("create {kind} rootfs ({volume})"));
    worker.sleep(Duration::from_secs(takes)).await;
    worker.fail_if_faulty()?;
    if !plan.running {
        let terminals = worker.cluster.terminals.clone();
        let (from, to) = (*vmid, *newid);
        // A copy that was interrupted has no files.
        let _ = tokio::task::spawn_blocking(move || terminals.copy_files(from, to)).await;
    }
    let mut world = worker.cluster.world();
    if let Some(pool) = &plan.pool {
        world.set_pool(*newid, Some(pool));
    }
    let Some(made) = world.containers.get_mut(newid) else {
        return Err(world_lost(*newid));
    };
    made.config.insert("rootfs".into(), plan.rootfs.clone());
    made.disk.clone_from(&plan.disk);
    made.set_lock(None);
    Ok(())
}

fn world_lost(newid: u32) -> WorkerFailure {
    WorkerFailure::Died(format!("container {newid} is gone"))
}
