//! `POST /nodes/{node}/vzdump`: backups, one after the other on each node. A container has the lock
//! `backup` all the time, which refuses starts, stops, changes and removals.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Call;
use crate::guest_tasks::{HeldLock, come_up, halt, with};
use crate::refusal::Outcome;
use crate::schema::{Kind, Param, format, optional};
use crate::worker::{self, Failure, Order, Worker};
use crate::world::backup::{Backup, file_time};

pub(super) const VZDUMP: &[Param] = &[
    optional("all", Kind::Bool),
    optional("bwlimit", Kind::Int(0, i64::MAX)),
    optional("compress", Kind::OneOf(&["0", "1", "gzip", "lzo", "zstd"])),
    optional("mode", Kind::OneOf(&["snapshot", "suspend", "stop"])),
    optional("notes-template", Kind::Text(0, 1024)),
    optional("protected", Kind::Bool),
    optional("remove", Kind::Bool),
    optional("storage", Kind::Format(255, format::storage)),
    optional("vmid", Kind::Text(0, 4096)),
];

/// `POST /nodes/{node}/vzdump`.
pub(super) fn vzdump(call: &Call<'_>) -> Outcome {
    let params = call.params();
    let storage = params.text("storage").unwrap_or("local").to_owned();
    let wanted: Vec<u32> = params
        .text("vmid")
        .map(|list| {
            format::list(list)
                .filter_map(|id| id.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    let here: Vec<u32> = {
        let world = call.world();
        let all = params.flag("all");
        let elsewhere = |vmid: &u32| {
            let there = world.containers.get(vmid);
            there.is_some_and(|one| one.node != call.node)
        };
        let all_here = world
            .containers
            .values()
            .filter(|one| one.node == call.node);
        match all {
            true => all_here.map(|one| one.vmid).collect(),
            false => wanted.into_iter().filter(|vmid| !elsewhere(vmid)).collect(),
        }
    };
    // Guests of other nodes are theirs; with nothing to do there is no task.
    if here.is_empty() && !params.flag("all") {
        return Ok(json!("OK").into());
    }
    let path = format!("/storage/{storage}");
    let needs = ["Datastore.AllocateSpace"];
    call.world().access.check(call.authid(), &path, &needs)?;
    Ok(json!(fork(call, storage, here)).into())
}

fn fork(call: &Call<'_>, storage: String, vmids: Vec<u32>) -> String {
    let stop = call.params().text("mode") == Some("stop");
    let user = call.authid().to_owned();
    let order = Order {
        node: &call.node,
        kind: "vzdump",
        id: match vmids[..] {
            [one] => one.to_string(),
            _ => String::new(),
        },
        user: call.authid(),
        fault: call.fault.clone(),
    };
    worker::fork(call.cluster, order, move |worker| async move {
        let file = worker.cluster.backup_lock(&worker.node);
        let _one_at_a_time = file.lock().await;
        may_back_up(&worker, &user, &storage, &vmids)?;
        let mut failed = false;
        for vmid in vmids {
            worker.log(format!("INFO: Starting Backup of VM {vmid} (lxc)"));
            match one(&worker, &storage, vmid, stop).await {
                Ok(()) => worker.log(format!("INFO: Finished Backup of VM {vmid} (00:00:20)")),
                Err(Failure::Died(why)) => {
                    worker.log(format!("ERROR: Backup of VM {vmid} failed - {why}"));
                    failed = true;
                }
                Err(Failure::Vanished) => return Err(Failure::Vanished),
            }
        }
        match failed {
            true => Err(Failure::Died("job errors".into())),
            false => Ok(()),
        }
    })
}

/// What ends the whole job and not the backup of one container.
fn may_back_up(worker: &Worker, user: &str, storage: &str, vmids: &[u32]) -> Result<(), Failure> {
    let world = worker.cluster.world();
    let takes = world
        .storage(storage)
        .is_some_and(|one| one.content.iter().any(|kind| kind == "backup"));
    if !takes {
        return Err(Failure::Died(format!(
            "could not get storage information for '{storage}': \
             can't use storage '{storage}' for backups - wrong content type"
        )));
    }
    for vmid in vmids
        .iter()
        .filter(|vmid| world.containers.contains_key(vmid))
    {
        world
            .access
            .check(user, &format!("/vms/{vmid}"), &["VM.Backup"])
            .map_err(|refusal| Failure::Died(refusal.message))?;
    }
    Ok(())
}

async fn one(worker: &Arc<Worker>, storage: &str, vmid: u32, stop: bool) -> Result<(), Failure> {
    if !worker.cluster.world().containers.contains_key(&vmid) {
        return Err(Failure::Died(format!("unable to find VM '{vmid}'")));
    }
    let lock = HeldLock::take(worker, vmid, "backup").await?;
    let running = with(worker, vmid, |container| Ok(container.running()))?;
    let backup = Backup::of(&worker.cluster.world(), vmid)
        .ok_or_else(|| format!("unable to find VM '{vmid}'"))?;
    let restart = stop && running;
    if restart {
        worker.log("INFO: stopping virtual guest");
        halt(worker, vmid)?;
    }
    let time = file_time(worker.cluster.clock.seconds());
    let name = format!("vzdump-lxc-{vmid}-{time}.tar.zst");
    worker.log(format!(
        "INFO: creating vzdump archive '/var/lib/vz/dump/{name}'"
    ));
    worker.sleep(Duration::from_secs(20)).await;
    worker.trip()?;
    let volid = format!("{storage}:backup/{name}");
    worker.cluster.world().backups.insert(volid, backup);
    if restart {
        worker.log("INFO: restarting vm");
        come_up(worker, vmid).await?;
    }
    drop(lock);
    Ok(())
}
