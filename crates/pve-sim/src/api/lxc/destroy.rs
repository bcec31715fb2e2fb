//! `DELETE /nodes/{node}/lxc/{vmid}`.

use std::time::Duration;

use serde_json::json;

use crate::api::Call;
use crate::guest_tasks::{halt, with};
use crate::refusal::{Outcome, Refusal};
use crate::worker::{self, Failure, Worker};
use crate::world::World;
use crate::world::container::Container;

/// How long high availability takes to stop a container that is to be destroyed.
const MANAGER: Duration = Duration::from_secs(10);

/// What the caller has asked for.
#[derive(Clone, Copy)]
struct Wanted {
    vmid: u32,
    force: bool,
    purge: bool,
}

impl Wanted {
    /// Checked when the call comes and again by the worker.
    fn check(self, world: &World, container: &Container) -> Result<(), String> {
        let vmid = self.vmid;
        if container.flag("protection") {
            return Err(format!("can't remove CT {vmid} - protection mode enabled"));
        }
        container.refuse_locked()?;
        if world.ha.contains_key(&vmid) && !self.purge {
            return Err(format!(
                "unable to remove CT {vmid} - used in HA resources and purge parameter not set."
            ));
        }
        if container.running() && !self.force {
            return Err(format!(
                "unable to destroy CT {vmid} - container is running"
            ));
        }
        Ok(())
    }
}

pub(crate) fn destroy(call: &Call<'_>) -> Outcome {
    let wanted = Wanted {
        vmid: call.vmid(),
        force: call.params().flag("force"),
        purge: call.params().flag("purge"),
    };
    {
        let world = call.world();
        let container = call.container(&world)?;
        wanted.check(&world, container).map_err(Refusal::died)?;
    }
    let order = call.order("vzdestroy");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        let _lock = worker.lock_config(wanted.vmid).await?;
        stop(&worker, wanted).await?;
        remove(&worker, wanted).await
    });
    Ok(json!(upid).into())
}

/// Stops the container if it runs; one under high availability is stopped by the manager.
async fn stop(worker: &Worker, wanted: Wanted) -> Result<(), Failure> {
    let vmid = wanted.vmid;
    let container = with(worker, vmid, |container| Ok(container.clone()))?;
    let managed = {
        let world = worker.cluster.world();
        wanted.check(&world, &container)?;
        world.ha.contains_key(&vmid)
    };
    worker.trip()?;
    if !container.running() {
        return Ok(());
    }
    worker.log(format!("forced to stop CT {vmid} before destroying!"));
    let takes = if managed {
        MANAGER
    } else {
        Duration::from_millis(800)
    };
    worker.sleep(takes).await;
    halt(worker, vmid)
}

async fn remove(worker: &Worker, wanted: Wanted) -> Result<(), Failure> {
    let vmid = wanted.vmid;
    worker.sleep(Duration::from_millis(1000)).await;
    worker.cluster.terminals.forget_in_task(vmid).await;
    worker.log(format!(
        "  Logical volume \"vm-{vmid}-disk-0\" successfully removed."
    ));
    {
        // The configuration shrinks to its lock, and every right on the container goes, before the
        // number is free again.
        let mut world = worker.cluster.world();
        if let Some(container) = world.containers.get_mut(&vmid) {
            container.disk = None;
            container.config.clear();
            container.set_lock(Some("destroyed"));
        }
        world.access.pool_of_guest.remove(&vmid);
        world.access.forget_path(&format!("/vms/{vmid}"));
        world.firewall.guests.remove(&vmid);
    }
    if wanted.purge {
        worker.log(format!("purging CT {vmid} from related configurations.."));
    }
    worker.sleep(Duration::from_millis(300)).await;
    worker.cluster.world().forget(vmid);
    Ok(())
}
