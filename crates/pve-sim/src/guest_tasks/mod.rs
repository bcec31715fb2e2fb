//! The steps of workers: start, stop and move a container, and hold its configuration's lock.
//! API methods and the manager of high availability fork these workers.

mod migrate;
mod power;

use std::sync::Arc;
use std::time::Duration;

use crate::terminal::GuestOrder;
use crate::worker::{Worker, WorkerFailure};
use crate::world;
use crate::world::container::Container;
pub(crate) use migrate::{Migration, fork_relocate, run_migration};
pub(crate) use power::{fork_halt, fork_start};

/// Proxmox's warning about a systemd container without nesting.
pub(crate) const NESTING_WARNING: &str = "Systemd 252 detected. You may need to enable nesting.";

/// The work of `vzstop`.
pub(crate) async fn kill(worker: &Worker, vmid: u32) -> Result<(), WorkerFailure> {
    let _lock = worker.lock_config(vmid).await?;
    with(worker, vmid, |container| refuse_unless_mounted(container))?;
    worker.sleep(Duration::from_millis(800)).await;
    worker.fail_if_faulty()?;
    halt(worker, vmid)
}

/// The work of `vzshutdown`.
pub(crate) async fn bring_down(
    worker: &Worker,
    vmid: u32,
    timeout: Duration,
    force: bool,
) -> Result<(), WorkerFailure> {
    let _lock = worker.lock_config(vmid).await?;
    with(worker, vmid, |container| container.refuse_locked())?;
    let done = ask_to_halt(worker, vmid, timeout).await;
    worker.fail_if_faulty()?;
    if !done && !force {
        worker.log(format!(
            "command 'lxc-stop -n {vmid} --nokill --timeout {}' failed: exit code 1",
            timeout.as_secs()
        ));
        return Err(WorkerFailure::Died("container did not stop".into()));
    }
    halt(worker, vmid)
}

/// A container that is mounted by hand may be started and stopped; every other lock refuses that.
pub(crate) fn refuse_unless_mounted(container: &Container) -> Result<(), String> {
    match container.lock() {
        Some("mounted") => Ok(()),
        _ => container.refuse_locked(),
    }
}

/// Starts a container.
pub(crate) async fn boot(worker: &Worker, vmid: u32) -> Result<(), WorkerFailure> {
    if with(worker, vmid, |container| Ok(container.lacks_nesting()))? {
        worker.warn(NESTING_WARNING);
    }
    // The pre-start hook checks the lock on every start, also on those of high availability.
    with(worker, vmid, |container| {
        refuse_unless_mounted(container).map_err(|_| {
            format!("command 'systemctl start pve-container@{vmid}' failed: exit code 1")
        })
    })?;
    come_up(worker, vmid).await
}

/// The same without a check of the lock, for a worker that holds it.
pub(crate) async fn come_up(worker: &Worker, vmid: u32) -> Result<(), WorkerFailure> {
    worker.sleep(Duration::from_millis(1500)).await;
    worker.fail_if_faulty()?;
    let bridge = with(worker, vmid, |container| Ok(container.bridge()))?;
    if let Some(bridge) = bridge.filter(|name| !worker.cluster.world().has_vnet(name, &worker.node))
    {
        worker.log(format!("bridge '{bridge}' does not exist"));
        return Err(WorkerFailure::Died(format!(
            "startup for container '{vmid}' failed"
        )));
    }
    let order = with(worker, vmid, |container| Ok(GuestOrder::new(container)))?;
    if let Err(error) = worker.cluster.terminals.real_address(&order).await {
        return Err(WorkerFailure::Died(format!(
            "startup for container '{vmid}' failed: {error}"
        )));
    }
    let pid = worker.cluster.world().tasks.pid();
    let now = worker.cluster.clock.now();
    with(worker, vmid, |container| {
        container.start(now, pid);
        Ok(())
    })
}

/// Whether the container halts by itself within the time.
pub(crate) async fn ask_to_halt(worker: &Worker, vmid: u32, timeout: Duration) -> bool {
    let ignores = with(worker, vmid, |container| Ok(container.ignores_shutdown)).unwrap_or(false);
    let takes = Duration::from_millis(3000);
    if ignores || timeout < takes {
        worker.sleep(timeout).await;
        return false;
    }
    worker.sleep(takes).await;
    true
}

/// Stops a container at once.
pub(crate) fn halt(worker: &Worker, vmid: u32) -> Result<(), WorkerFailure> {
    let now = worker.cluster.clock.now();
    let stopped = with(worker, vmid, |container| {
        container.stop(now);
        Ok(())
    });
    // After the stop, so that no connection can start the container's programs once more.
    worker.cluster.terminals.end(vmid);
    stopped
}

/// Changes the container; fails with Proxmox's text if it does not exist any more.
pub(crate) fn with<T>(
    worker: &Worker,
    vmid: u32,
    change: impl FnOnce(&mut Container) -> Result<T, String>,
) -> Result<T, WorkerFailure> {
    let mut world = worker.cluster.world();
    let container = world
        .containers
        .get_mut(&vmid)
        .filter(|container| container.node == worker.node)
        .ok_or_else(|| world::missing(&worker.node, vmid))?;
    Ok(change(container)?)
}

/// A lock in a container's configuration, held by a worker. It is removed when the worker ends,
/// unless the process was killed or its node is down.
pub(crate) struct HeldLock {
    worker: Arc<Worker>,
    vmid: u32,
    name: &'static str,
}

impl HeldLock {
    /// Takes it.
    ///
    /// # Errors
    /// There is no such container on the worker's node, or it has a lock.
    pub(crate) async fn take(
        worker: &Arc<Worker>,
        vmid: u32,
        name: &'static str,
    ) -> Result<Self, WorkerFailure> {
        let _file = worker.lock_config(vmid).await?;
        with(worker, vmid, |container| {
            container.refuse_locked()?;
            container.set_lock(Some(name));
            Ok(())
        })?;
        Ok(Self::adopt(worker, vmid, name))
    }

    /// The lock that was set before the worker was forked.
    pub(crate) fn adopt(worker: &Arc<Worker>, vmid: u32, name: &'static str) -> Self {
        Self {
            worker: worker.clone(),
            vmid,
            name,
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if self.worker.killed() {
            return;
        }
        let mut world = self.worker.cluster.world();
        if let Some(container) = world.containers.get_mut(&self.vmid)
            && container.lock() == Some(self.name)
        {
            container.set_lock(None);
        }
    }
}
