//! The worker that moves a container to another node: by stop, copy and start.

use std::sync::Arc;
use std::time::Duration;

use super::{HeldLock, ask_to_halt, come_up, fork_start, halt, with};
use crate::access::ROOT;
use crate::cluster::Cluster;
use crate::worker::{self, Failure, Order, Worker};

/// A migration that was asked for.
#[derive(Clone)]
pub(crate) struct Migration {
    pub(crate) vmid: u32,
    pub(crate) target: String,
    pub(crate) online: bool,
    pub(crate) restart: bool,
    pub(crate) timeout: Duration,
}

/// Forks the migration by which high availability relocates a container that it has stopped.
pub(crate) fn fork_relocate(cluster: &Arc<Cluster>, node: &str, vmid: u32, target: &str) -> String {
    let order = Order {
        node,
        kind: "vzmigrate",
        id: vmid.to_string(),
        user: ROOT,
        fault: None,
    };
    let migration = Migration {
        vmid,
        target: target.to_owned(),
        online: false,
        restart: false,
        timeout: Duration::ZERO,
    };
    worker::fork(cluster, order, move |worker| {
        run_migration(worker, migration)
    })
}

/// Every failure of a migration ends the task with the same words; the log says why.
pub(crate) async fn run_migration(
    worker: Arc<Worker>,
    migration: Migration,
) -> Result<(), Failure> {
    match carry_out(&worker, &migration).await {
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

async fn carry_out(worker: &Arc<Worker>, migration: &Migration) -> Result<(), Failure> {
    let Migration { vmid, target, .. } = migration;
    let vmid = *vmid;
    let running = with(worker, vmid, |container| {
        container.refuse_locked()?;
        Ok(container.running())
    })?;
    if running && migration.online {
        return Err(String::from("lxc live migration is currently not implemented").into());
    }
    if running && !migration.restart {
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
        if !ask_to_halt(worker, vmid, migration.timeout).await {
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
