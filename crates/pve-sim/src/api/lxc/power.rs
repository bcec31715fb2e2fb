//! Start, stop, shutdown and reboot: refused at once if the container's state does not fit, else
//! done by a worker, which checks the configuration and its lock. Under high availability the
//! worker only passes the request to the manager.

use std::time::Duration;

use serde_json::json;

use crate::api::MethodCall;
use crate::guest_tasks::{ask_to_halt, boot, bring_down, fork_start, halt, kill};
use crate::manager::{self, HaRequest};
use crate::response::{DataResponse, ErrorResponse, HandlerResult};
use crate::worker;
use crate::world::container::Container;
use crate::world::ha::HaResource;

/// The state is checked before the existence: to start a container that does not exist is a task
/// that fails.
pub(crate) fn start(call: &MethodCall<'_>) -> HandlerResult {
    call.root_only(&["skiplock"])?;
    let vmid = call.vmid();
    if runs(call) {
        return Err(ErrorResponse::died(format!("CT {vmid} already running")));
    }
    if managed(call) {
        return Ok(pass_to_manager(call, "hastart", "start", HaRequest::Start));
    }
    let fault = call.fault.clone();
    let upid = fork_start(call.cluster, &call.node, vmid, call.authid(), fault);
    Ok(json!(upid).into())
}

pub(crate) fn stop(call: &MethodCall<'_>) -> HandlerResult {
    call.root_only(&["skiplock"])?;
    let vmid = call.vmid();
    running(call, "CT")?;
    let overrule = call.params().flag("overrule-shutdown");
    if managed(call) {
        if overrule {
            let text = "Not applicable for HA resources.";
            return Err(ErrorResponse::parameter("overrule-shutdown", text));
        }
        let request = HaRequest::Stop {
            timeout: Duration::ZERO,
        };
        return Ok(pass_to_manager(call, "hastop", "stop", request));
    }
    if overrule {
        abort_shutdowns(call, vmid);
    }
    let upid = worker::fork(
        call.cluster,
        call.task_order("vzstop"),
        move |worker| async move { kill(&worker, vmid).await },
    );
    Ok(json!(upid).into())
}

pub(crate) fn shutdown(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = call.vmid();
    running(call, "CT")?;
    let timeout = seconds(call, 60);
    if managed(call) {
        // The manager has no `forceStop`.
        return Ok(pass_to_manager(
            call,
            "hastop",
            "stop",
            HaRequest::Stop { timeout },
        ));
    }
    let force = call.params().flag("forceStop");
    let order = call.task_order("vzshutdown");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        bring_down(&worker, vmid, timeout, force).await
    });
    Ok(json!(upid).into())
}

pub(crate) fn reboot(call: &MethodCall<'_>) -> HandlerResult {
    let vmid = call.vmid();
    running(call, "VM")?;
    let timeout = seconds(call, 60);
    let order = call.task_order("vzreboot");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        let _lock = worker.lock_config(vmid).await?;
        // The lock is not checked before the container is down, and a container that does not halt
        // is killed.
        ask_to_halt(&worker, vmid, timeout).await;
        worker.fail_if_faulty()?;
        halt(&worker, vmid)?;
        boot(&worker, vmid).await
    });
    Ok(json!(upid).into())
}

/// Forks the worker that passes a request to the manager; the task ends when the request is queued.
fn pass_to_manager(
    call: &MethodCall<'_>,
    kind: &'static str,
    verb: &str,
    request: HaRequest,
) -> DataResponse {
    let vmid = call.vmid();
    let line = format!("Requesting HA {verb} for CT {vmid}");
    let upid = worker::fork(
        call.cluster,
        call.task_order(kind),
        move |worker| async move {
            worker.log(line);
            worker.sleep(Duration::from_millis(300)).await;
            worker.fail_if_faulty()?;
            manager::queue(&worker.cluster, vmid, request);
            Ok(())
        },
    );
    json!(upid).into()
}

/// Whether a container of that number exists and runs on this node.
pub(super) fn runs(call: &MethodCall<'_>) -> bool {
    call.container(&call.world()).is_ok_and(Container::running)
}

fn running(call: &MethodCall<'_>, what: &str) -> Result<(), ErrorResponse> {
    if runs(call) {
        return Ok(());
    }
    Err(ErrorResponse::died(format!(
        "{what} {} not running",
        call.vmid()
    )))
}

/// Whether high availability starts and stops it.
fn managed(call: &MethodCall<'_>) -> bool {
    let world = call.world();
    world.ha.get(&call.vmid()).is_some_and(HaResource::managed)
}

fn seconds(call: &MethodCall<'_>, default: u64) -> Duration {
    let given = call
        .params()
        .int("timeout")
        .and_then(|value| u64::try_from(value).ok());
    Duration::from_secs(given.unwrap_or(default))
}

fn abort_shutdowns(call: &MethodCall<'_>, vmid: u32) {
    let id = vmid.to_string();
    let world = call.world();
    for task in &world.tasks.all {
        let mine = task.user == call.authid() || call.is_root();
        if mine && task.exit.is_none() && task.kind == "vzshutdown" && task.id == id {
            task.abort.notify_one();
        }
    }
}
