//! `POST …/termproxy` and `GET …/vncwebsocket`: the methods that open a terminal.

use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use crate::api::MethodCall;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, required};
use crate::terminal::WaitingProxy;
use crate::worker::{self, WorkerFailure};

/// Parameters of `vncwebsocket`.
pub(crate) const SOCKET: &[Param] = &[
    required("port", ParamKind::Int(5900, 5999)),
    required("vncticket", ParamKind::Text(0, 512)),
];

/// Frees the port when the proxy's worker ends, however it ends.
struct Port {
    cluster: std::sync::Arc<crate::cluster::Cluster>,
    number: u16,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.cluster.terminals.release(self.number);
    }
}

/// `POST …/termproxy`. It does not check whether the container runs.
pub(crate) fn termproxy(call: &MethodCall<'_>) -> HandlerResult {
    call.container(&call.world())?;
    let vmid = call.vmid();
    let terminals = &call.cluster.terminals;
    let number = terminals
        .reserve()
        .ok_or_else(|| ErrorResponse::died("unable to find free port (5900-6000)"))?;
    let port = Port {
        cluster: call.cluster.clone(),
        number,
    };
    let (claimed, connection) = oneshot::channel();
    let (ended, end) = oneshot::channel();
    terminals.wait_on(
        number,
        WaitingProxy {
            vmid,
            claimed,
            ended,
        },
    );
    let window = call.cluster.config.terminal_window;
    let upid = worker::fork(
        call.cluster,
        call.task_order("vncproxy"),
        move |worker| async move {
            let port = port;
            let failed = || {
                WorkerFailure::Died(format!(
                    "command '/usr/bin/termproxy {} --path /vms/{vmid} --perm VM.Console' failed: exit code 1",
                    port.number
                ))
            };
            worker.log(format!("starting lxc termproxy for CT {vmid}"));
            connected(connection, window).await.ok_or_else(failed)?;
            match end.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(failed()),
            }
        },
    );
    let now = call.cluster.clock.seconds();
    let path = format!("/vms/{vmid}");
    Ok(json!({
        "user": call.authid(),
        "ticket": call.cluster.signer.terminal(call.authid(), &path, number, now),
        "port": number,
        "upid": upid,
    })
    .into())
}

async fn connected(connection: oneshot::Receiver<()>, window: Duration) -> Option<()> {
    tokio::time::timeout(window, connection).await.ok()?.ok()
}

/// `GET …/vncwebsocket`, without the upgrade, which follows if this succeeds.
pub(crate) fn vncwebsocket(call: &MethodCall<'_>) -> HandlerResult {
    let params = call.params();
    let port = params
        .int("port")
        .and_then(|port| u16::try_from(port).ok())
        .expect("the schema requires a port within bounds");
    let path = format!("/vms/{}", call.vmid());
    let now = call.cluster.clock.seconds();
    let ticket = params.text("vncticket").unwrap_or_default();
    let signer = &call.cluster.signer;
    if !signer.verify_terminal(ticket, call.authid(), &path, port, now) {
        return Err(ErrorResponse::bad_terminal_ticket());
    }
    Ok(json!({"port": port}).into())
}
