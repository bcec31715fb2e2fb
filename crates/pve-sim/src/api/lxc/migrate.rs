//! `POST …/migrate`: containers move by stop, copy and start; there is no live migration of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::power::{fork_start, runs};
use super::work::{HeldLock, ask_to_halt, come_up, halt, with};
use crate::access::ROOT;
use crate::api::Call;
use crate::manager::{self, Request};
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, format, optional, required};
use crate::worker::{self, Failure, Worker};
use crate::world::ha::Resource;

pub(crate) const MIGRATE: &[Param] = &[
    optional("bwlimit", Kind::Number(0.0, f64::MAX)),
    optional("online", Kind::Bool),
    optional("restart", Kind::Bool),
    required("target", Kind::Format(255, format::node)),
    optional("target-storage", Kind::Text(0, 255)),
    optional("timeout", Kind::Int(0, i64::MAX)),
];

/// A migration that was asked for.
#[derive(Clone)]
struct Move {
    vmid: u32,
    target: String,
    online: bool,
    restart: bool,
    timeout: Duration,
}

pub(crate) fn migrate(call: &Call<'_>) -> Outcome {
    let params = call.params();
    let target = params.text("target").unwrap_or_default().to_owned();
    if target == call.node {
        return Err(Refusal::parameter("target", "target is local node."));
    }
    let (online, restart) = (params.flag("online"), params.flag("restart"));
    let vmid = call.vmid();
    let managed = {
        let world = call.world();
        if world.node(&target).is_none() {
            return Err(Refusal::died(format!("no such cluster node '{target}'")));
        }
        call.container(&world)?;
        world.ha.get(&vmid).is_some_and(Resource::managed)
    };
    if runs(call) && !online && !restart {
        return Err(Refusal::died(
            "can't migrate running container without --online or --restart",
        ));
    }
    if managed {
        let line = format!("Requesting HA migration for CT {vmid} to node {target}");
        let order = call.order("hamigrate");
        let upid = worker::fork(call.cluster, order, move |worker| async move {
            worker.log(line);
            manager::queue(&worker.cluster, vmid, Request::Relocate { target });
            Ok(())
        });
        return Ok(json!(upid).into());
    }
    let seconds = params.int("timeout").and_then(|n| u64::try_from(n).ok());
    let wanted = Move {
        vmid,
        target,
        online,
        restart,
        timeout: Duration::from_secs(seconds.unwrap_or(180)),
    };
    let order = call.order("vzmigrate");
    let upid = worker::fork(call.cluster, order, move |worker| work(worker, wanted));
    Ok(json!(upid).into())
}

/// Forks the migration by which high availability relocates a container that it has stopped.
pub(crate) fn fork_relocate(
    cluster: &Arc<crate::cluster::Cluster>,
    node: &str,
    vmid: u32,
    target: &str,
) -> String {
    let order = worker::Order {
        node,
        kind: "vzmigrate",
        id: vmid.to_string(),
        user: ROOT,
        fault: None,
    };
    let wanted = Move {
        vmid,
        target: target.to_owned(),
        online: false,
        restart: false,
        timeout: Duration::ZERO,
    };
    worker::fork(cluster, order, move |worker| work(worker, wanted))
}

/// Every failure of a migration ends the task with the same words; the log says why.
async fn work(worker: Arc<Worker>, wanted: Move) -> Result<(), Failure> {
    match carry_out(&worker, &wanted).await {
        Err(Failure::Died(why)) => {
            worker.log(format!(
                "ERROR: migration aborted (duration 00:00:00): {why}"
            ));
            Err(Failure::Died("migration aborted".into()))
        }
        Err(Failure::Vanished) => Err(Failure::Vanished),
        Ok(()) => {
            worker.log("INFO: migration finished successfully (duration 00:00:09)");
            Ok(())
        }
    }
}

async fn carry_out(worker: &Arc<Worker>, wanted: &Move) -> Result<(), Failure> {
    let Move { vmid, target, .. } = wanted;
    let vmid = *vmid;
    let running = with(worker, vmid, |container| {
        container.refuse_locked()?;
        Ok(container.running())
    })?;
    if running && wanted.online {
        return Err(String::from("lxc live migration is currently not implemented").into());
    }
    if running && !wanted.restart {
        return Err(String::from("running container can only be migrated in restart mode").into());
    }
    let reachable = worker
        .cluster
        .world()
        .node(target)
        .is_some_and(|node| node.online);
    if !reachable {
        let text = "Can't connect to destination address using public key";
        return Err(String::from(text).into());
    }
    if running {
        worker.log(format!("INFO: shutdown CT {vmid}"));
        if !ask_to_halt(worker, vmid, wanted.timeout).await {
            return Err(String::from("container did not stop").into());
        }
        halt(worker, vmid)?;
    }
    let moved = transfer(worker, vmid, target).await;
    if running && matches!(moved, Err(Failure::Died(_))) {
        worker.log("INFO: start container on source node");
        come_up(worker, vmid).await?;
    }
    moved?;
    if running {
        worker.log("INFO: start container on target node");
        fork_start(&worker.cluster, target, vmid, ROOT, None);
    }
    Ok(())
}

/// Copies a container that is stopped.
async fn transfer(worker: &Arc<Worker>, vmid: u32, target: &str) -> Result<(), Failure> {
    worker.log(format!(
        "INFO: starting migration of CT {vmid} to node '{target}' (127.0.0.1)"
    ));
    let lock = HeldLock::take(worker, vmid, "migrate").await?;
    worker.sleep(Duration::from_secs(5)).await;
    worker.trip()?;
    with(worker, vmid, |container| {
        target.clone_into(&mut container.node);
        Ok(())
    })?;
    worker.log("INFO: start final cleanup");
    worker.sleep(Duration::from_millis(500)).await;
    drop(lock);
    Ok(())
}
