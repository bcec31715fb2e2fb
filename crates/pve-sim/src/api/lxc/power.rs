//! Start, stop, shutdown and reboot: refused at once where the state does not fit, else a worker.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::create::NESTING;
use crate::api::Call;
use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::refusal::{Outcome, Refusal};
use crate::worker::{self, Failure, Order, Worker};
use crate::world::container::Container;

pub(crate) fn start(call: &Call<'_>) -> Outcome {
    call.root_only(&["skiplock"])?;
    let vmid = ready(call)?;
    if call.container(&call.world())?.running() {
        return Err(Refusal::died(format!("CT {vmid} already running")));
    }
    let upid = fork_start(
        call.cluster,
        &call.node,
        vmid,
        call.authid(),
        call.fault.clone(),
    );
    Ok(json!(upid).into())
}

pub(crate) fn stop(call: &Call<'_>) -> Outcome {
    call.root_only(&["skiplock"])?;
    let vmid = ready(call)?;
    running(call, "CT", "not running")?;
    if call.params().flag("overrule-shutdown") {
        abort_shutdowns(call, vmid);
    }
    let upid = worker::fork(
        call.cluster,
        call.order("vzstop"),
        move |worker| async move {
            let _lock = worker::lock_config(&worker.cluster, vmid).await?;
            with(&worker, vmid, |container| container.refuse_locked())?;
            worker.sleep(Duration::from_millis(800)).await;
            worker.trip()?;
            halt(&worker, vmid)
        },
    );
    Ok(json!(upid).into())
}

pub(crate) fn shutdown(call: &Call<'_>) -> Outcome {
    let vmid = ready(call)?;
    running(call, "CT", "not running")?;
    let timeout = seconds(call, 60);
    let force = call.params().flag("forceStop");
    let upid = worker::fork(
        call.cluster,
        call.order("vzshutdown"),
        move |worker| async move {
            let _lock = worker::lock_config(&worker.cluster, vmid).await?;
            with(&worker, vmid, |container| container.refuse_locked())?;
            let done = ask_to_halt(&worker, vmid, timeout).await;
            worker.trip()?;
            if !done && !force {
                let text = format!(
                    "command 'lxc-stop -n {vmid} --nokill --timeout {}' failed: exit code 1",
                    timeout.as_secs()
                );
                return Err(Failure::Died(text));
            }
            halt(&worker, vmid)
        },
    );
    Ok(json!(upid).into())
}

pub(crate) fn reboot(call: &Call<'_>) -> Outcome {
    let vmid = ready(call)?;
    running(call, "VM", "not running")?;
    let timeout = seconds(call, 60);
    let upid = worker::fork(
        call.cluster,
        call.order("vzreboot"),
        move |worker| async move {
            let _lock = worker::lock_config(&worker.cluster, vmid).await?;
            with(&worker, vmid, |container| container.refuse_locked())?;
            if !ask_to_halt(&worker, vmid, timeout).await {
                return Err(Failure::Died("reboot timed out".into()));
            }
            worker.trip()?;
            halt(&worker, vmid)?;
            boot(&worker, vmid).await
        },
    );
    Ok(json!(upid).into())
}

/// Forks the worker that starts a container, also on behalf of a create with `start=1`.
pub(super) fn fork_start(
    cluster: &Arc<Cluster>,
    node: &str,
    vmid: u32,
    user: &str,
    fault: Option<FaultKind>,
) -> String {
    let order = Order {
        node,
        kind: "vzstart",
        id: vmid.to_string(),
        user,
        fault,
    };
    worker::fork(cluster, order, move |worker| async move {
        let _lock = worker::lock_config(&worker.cluster, vmid).await?;
        with(&worker, vmid, |container| {
            container.refuse_locked()?;
            match container.running() {
                true => Err(format!("CT {vmid} already running")),
                false => Ok(()),
            }
        })?;
        boot(&worker, vmid).await
    })
}

async fn boot(worker: &Worker, vmid: u32) -> Result<(), Failure> {
    if with(worker, vmid, |container| Ok(container.lacks_nesting()))? {
        worker.warn(NESTING);
    }
    worker.sleep(Duration::from_millis(1500)).await;
    worker.trip()?;
    let pid = worker.cluster.world().tasks.pid();
    let now = worker.cluster.clock.now();
    with(worker, vmid, |container| {
        container.start(now, pid);
        Ok(())
    })
}

/// Whether the container halts by itself within the time.
async fn ask_to_halt(worker: &Worker, vmid: u32, timeout: Duration) -> bool {
    let stubborn = with(worker, vmid, |container| Ok(container.ignores_shutdown)).unwrap_or(false);
    let takes = Duration::from_millis(3000);
    if stubborn || timeout < takes {
        worker.sleep(timeout).await;
        return false;
    }
    worker.sleep(takes).await;
    true
}

fn halt(worker: &Worker, vmid: u32) -> Result<(), Failure> {
    worker.cluster.terminals.end(vmid);
    let now = worker.cluster.clock.now();
    with(worker, vmid, |container| {
        container.stop(now);
        Ok(())
    })
}

/// The container, or the text that the worker dies with when it has gone.
fn with<T>(
    worker: &Worker,
    vmid: u32,
    change: impl FnOnce(&mut Container) -> Result<T, String>,
) -> Result<T, Failure> {
    let mut world = worker.cluster.world();
    let container = world
        .containers
        .get_mut(&vmid)
        .ok_or_else(|| format!("Configuration file for CT {vmid} does not exist"))?;
    Ok(change(container)?)
}

/// Checks that every power method makes first.
fn ready(call: &Call<'_>) -> Result<u32, Refusal> {
    call.container(&call.world())?;
    let vmid = call.vmid();
    if call.fault == Some(FaultKind::LockTimeout) {
        return Err(Refusal::died(worker::lock_timeout(vmid)));
    }
    Ok(vmid)
}

fn running(call: &Call<'_>, what: &str, text: &str) -> Result<(), Refusal> {
    if call.container(&call.world())?.running() {
        return Ok(());
    }
    Err(Refusal::died(format!("{what} {} {text}", call.vmid())))
}

fn seconds(call: &Call<'_>, default: u64) -> Duration {
    let given = call
        .params()
        .int("timeout")
        .and_then(|value| u64::try_from(value).ok());
    Duration::from_secs(given.unwrap_or(default))
}

fn abort_shutdowns(call: &Call<'_>, vmid: u32) {
    let id = vmid.to_string();
    let world = call.world();
    for task in &world.tasks.all {
        let mine = task.user == call.authid() || call.is_root();
        if mine && task.exit.is_none() && task.kind == "vzshutdown" && task.id == id {
            task.abort.notify_one();
        }
    }
}
