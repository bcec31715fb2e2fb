//! `DELETE /nodes/{node}/lxc/{vmid}`.

use std::time::Duration;

use serde_json::json;

use crate::api::Call;
use crate::faults::FaultKind;
use crate::refusal::{Outcome, Refusal};
use crate::worker;
use crate::world;

pub(crate) fn destroy(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    let force = call.params().flag("force");
    {
        let world = call.world();
        let container = call.container(&world)?;
        if container.flag("protection") {
            return Err(Refusal::died(format!(
                "can't remove CT {vmid} - protection mode enabled"
            )));
        }
        container.refuse_locked().map_err(Refusal::died)?;
        if world.ha.contains_key(&vmid) && !call.params().flag("purge") {
            return Err(Refusal::died(format!(
                "unable to remove CT {vmid} - used in HA resources and purge parameter not set."
            )));
        }
        if container.running() && !force {
            return Err(Refusal::died(format!(
                "unable to destroy CT {vmid} - container is running"
            )));
        }
        if call.fault == Some(FaultKind::LockTimeout) {
            return Err(Refusal::died(worker::lock_timeout(vmid)));
        }
    }
    let upid = worker::fork(
        call.cluster,
        call.order("vzdestroy"),
        move |worker| async move {
            let _lock = worker::lock_config(&worker.cluster, vmid).await?;
            let running = {
                let world = worker.cluster.world();
                let container = world
                    .containers
                    .get(&vmid)
                    .filter(|container| container.node == worker.node)
                    .ok_or_else(|| world::missing(&worker.node, vmid))?;
                container.refuse_locked()?;
                container.running()
            };
            if running && !force {
                return Err(format!("unable to destroy CT {vmid} - container is running").into());
            }
            worker.trip()?;
            if running {
                worker.log(format!("stopping CT {vmid}"));
                worker.sleep(Duration::from_millis(800)).await;
                let now = worker.cluster.clock.now();
                if let Some(container) = worker.cluster.world().containers.get_mut(&vmid) {
                    container.stop(now);
                }
            }
            worker.sleep(Duration::from_millis(1000)).await;
            worker.cluster.terminals.forget_in_task(vmid).await;
            worker.log(format!(
                "  Logical volume \"vm-{vmid}-disk-0\" successfully removed."
            ));
            {
                // The configuration shrinks to its lock, and every right on the container goes, before the id is free again.
                let mut world = worker.cluster.world();
                if let Some(container) = world.containers.get_mut(&vmid) {
                    container.disk = None;
                    container.config.clear();
                    container.set_lock(Some("destroyed"));
                }
                world.access.pool_of_guest.remove(&vmid);
                world.access.forget_path(&format!("/vms/{vmid}"));
            }
            worker.log(format!("purging CT {vmid} from related configurations.."));
            worker.sleep(Duration::from_millis(300)).await;
            worker.cluster.world().forget(vmid);
            Ok(())
        },
    );
    Ok(json!(upid).into())
}
