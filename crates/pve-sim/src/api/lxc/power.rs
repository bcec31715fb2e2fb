//! Start, stop, shutdown and reboot: refused at once where the container's state does not fit, else
//! a worker, which looks at the configuration and its lock. Under high availability the worker only
//! hands the request on to the manager.

use std::time::Duration;

use serde_json::json;

use crate::api::Call;
use crate::guest_tasks::{ask_to_halt, boot, bring_down, fork_start, halt, kill};
use crate::manager::{self, Request};
use crate::refusal::{Answer, Outcome, Refusal};
use crate::worker;
use crate::world::container::Container;
use crate::world::ha::Resource;

/// Whether a container runs is asked before whether there is one: to start what is not there is a
/// task that fails.
pub(crate) fn start(call: &Call<'_>) -> Outcome {
    call.root_only(&["skiplock"])?;
    let vmid = call.vmid();
    if runs(call) {
        return Err(Refusal::died(format!("CT {vmid} already running")));
    }
    if managed(call) {
        return Ok(hand_on(call, "hastart", "start", Request::Start));
    }
    let fault = call.fault.clone();
    let upid = fork_start(call.cluster, &call.node, vmid, call.authid(), fault);
    Ok(json!(upid).into())
}

pub(crate) fn stop(call: &Call<'_>) -> Outcome {
    call.root_only(&["skiplock"])?;
    let vmid = call.vmid();
    running(call, "CT")?;
    let overrule = call.params().flag("overrule-shutdown");
    if managed(call) {
        if overrule {
            let text = "Not applicable for HA resources.";
            return Err(Refusal::parameter("overrule-shutdown", text));
        }
        let request = Request::Stop {
            timeout: Duration::ZERO,
        };
        return Ok(hand_on(call, "hastop", "stop", request));
    }
    if overrule {
        abort_shutdowns(call, vmid);
    }
    let upid = worker::fork(
        call.cluster,
        call.order("vzstop"),
        move |worker| async move { kill(&worker, vmid).await },
    );
    Ok(json!(upid).into())
}

pub(crate) fn shutdown(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    running(call, "CT")?;
    let timeout = seconds(call, 60);
    if managed(call) {
        // The manager knows no `forceStop`.
        return Ok(hand_on(call, "hastop", "stop", Request::Stop { timeout }));
    }
    let force = call.params().flag("forceStop");
    let order = call.order("vzshutdown");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        bring_down(&worker, vmid, timeout, force).await
    });
    Ok(json!(upid).into())
}

pub(crate) fn reboot(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    running(call, "VM")?;
    let timeout = seconds(call, 60);
    let order = call.order("vzreboot");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        let _lock = worker.lock_config(vmid).await?;
        // No lock is looked at before the container is down, and what does not halt is killed.
        ask_to_halt(&worker, vmid, timeout).await;
        worker.trip()?;
        halt(&worker, vmid)?;
        boot(&worker, vmid).await
    });
    Ok(json!(upid).into())
}

/// Forks the worker that passes a request on to high availability; it is done when it is queued.
fn hand_on(call: &Call<'_>, kind: &'static str, verb: &str, request: Request) -> Answer {
    let vmid = call.vmid();
    let line = format!("Requesting HA {verb} for CT {vmid}");
    let upid = worker::fork(call.cluster, call.order(kind), move |worker| async move {
        worker.log(line);
        worker.sleep(Duration::from_millis(300)).await;
        worker.trip()?;
        manager::queue(&worker.cluster, vmid, request);
        Ok(())
    });
    json!(upid).into()
}

/// Whether a container of that number runs on this node. One that does not exist does not.
pub(super) fn runs(call: &Call<'_>) -> bool {
    call.container(&call.world()).is_ok_and(Container::running)
}

fn running(call: &Call<'_>, what: &str) -> Result<(), Refusal> {
    if runs(call) {
        return Ok(());
    }
    Err(Refusal::died(format!("{what} {} not running", call.vmid())))
}

/// Whether high availability starts and stops it.
fn managed(call: &Call<'_>) -> bool {
    let world = call.world();
    world.ha.get(&call.vmid()).is_some_and(Resource::managed)
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
