//! `POST …/clone`: the source is locked (`disk`) until the copy is there, so that one clone of a
//! container is made at a time, and the task bears the source's number.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::ROOT;
use crate::api::Call;
use crate::guest_tasks::HeldLock;
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, format, optional, required};
use crate::worker::{self, Failure, Worker};
use crate::world::World;
use crate::world::container::{Container, Disk};

pub(crate) const CLONE: &[Param] = &[
    optional("bwlimit", Kind::Number(0.0, f64::MAX)),
    optional("description", Kind::Text(0, 8192)),
    optional("full", Kind::Bool),
    optional("hostname", Kind::Format(255, format::dns_name)),
    required("newid", Kind::Int(100, 999_999_999)),
    optional("pool", Kind::Format(255, format::pool)),
    optional("snapname", Kind::Text(1, 40)),
    optional("storage", Kind::Format(255, format::storage)),
    optional("target", Kind::Format(255, format::node)),
];

/// What the worker needs.
struct Plan {
    vmid: u32,
    newid: u32,
    pool: Option<String>,
    rootfs: Value,
    disk: Option<Disk>,
    full: bool,
    running: bool,
}

pub(crate) fn clone(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    let plan = prepare(call)?;
    call.cluster.changed.notify_one();
    let order = call.order("vzclone");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        let _source = HeldLock::taken(&worker, vmid, "disk");
        let draft = Draft {
            worker: worker.clone(),
            newid: plan.newid,
        };
        let made = copy(&worker, &plan).await;
        drop(draft);
        made.map_err(|failure| match failure {
            Failure::Died(why) => Failure::Died(format!("clone failed: {why}")),
            Failure::Vanished => Failure::Vanished,
        })
    });
    Ok(json!(upid).into())
}

/// A copy that is not finished. It goes with its worker, unless the process was killed.
struct Draft {
    worker: Arc<Worker>,
    newid: u32,
}

impl Drop for Draft {
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
fn prepare(call: &Call<'_>) -> Result<Plan, Refusal> {
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
    source.refuse_locked().map_err(Refusal::died)?;
    if let Some(other) = world.containers.get(&newid) {
        let text = format!("CT {newid} already exists on node '{}'", other.node);
        return Err(Refusal::died(text));
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
    Ok(Plan {
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
    call: &Call<'_>,
    world: &World,
    newid: u32,
    pool: Option<&str>,
) -> Result<(), Refusal> {
    let access = &world.access;
    let allowed = |path: &str| access.allows(call.authid(), path, &["VM.Allocate"]);
    let by_pool = pool.is_some_and(|pool| allowed(&format!("/pool/{pool}")));
    if call.authid() != ROOT && !allowed(&format!("/vms/{newid}")) && !by_pool {
        return Err(Refusal::forbidden_plainly());
    }
    match pool.filter(|pool| !access.pools.contains(*pool)) {
        Some(pool) => Err(Refusal::forbidden(&format!("pool '{pool}' does not exist"))),
        None => Ok(()),
    }
}

fn check_disks(
    call: &Call<'_>,
    world: &World,
    source: &Container,
    full: bool,
) -> Result<(), Refusal> {
    let params = call.params();
    let storage = params.text("storage");
    if storage.is_some() && !full {
        return Err(Refusal::died(
            "parameter 'storage' not allowed for linked clones",
        ));
    }
    if let Some(name) = storage.filter(|name| world.storage(name).is_none()) {
        return Err(Refusal::died(format!("storage '{name}' does not exist")));
    }
    if let Some(name) = params.text("snapname") {
        if !source.snapshots.contains_key(name) {
            return Err(Refusal::died(format!("snapshot '{name}' does not exist")));
        }
    } else if full && source.running() {
        return Err(Refusal::died(
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
        return Err(Refusal::died(text));
    }
    let target = params.text("target").filter(|target| *target != call.node);
    if let Some(target) = target {
        let text = format!("can't clone CT to node '{target}' (CT uses local storage)");
        return Err(Refusal::died(text));
    }
    Ok(())
}

async fn copy(worker: &Arc<Worker>, plan: &Plan) -> Result<(), Failure> {
    let Plan { vmid, newid, .. } = plan;
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
    worker.trip()?;
    if !plan.running {
        let terminals = worker.cluster.terminals.clone();
        let (from, to) = (*vmid, *newid);
        // A copy that is cut short is the same as none.
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

fn world_lost(newid: u32) -> Failure {
    Failure::Died(format!("container {newid} is gone"))
}
