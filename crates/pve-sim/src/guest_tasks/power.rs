//! The workers that start and stop a container.

use std::sync::Arc;
use std::time::Duration;

use super::{boot, bring_down, kill, refuse_unless_mounted, with};
use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::worker::{self, Order};

/// Forks the worker that starts a container, also on behalf of a create with `start=1`.
pub(crate) fn fork_start(
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
        let _lock = worker.lock_config(vmid).await?;
        with(&worker, vmid, |container| {
            if container.flag("template") {
                return Err("you can't start a CT if it's a template".into());
            }
            refuse_unless_mounted(container)?;
            match container.running() {
                true => Err(format!("CT {vmid} already running")),
                false => Ok(()),
            }
        })?;
        boot(&worker, vmid).await
    })
}

/// Forks the worker by which high availability stops a container: hard, or within a time.
pub(crate) fn fork_halt(
    cluster: &Arc<Cluster>,
    node: &str,
    vmid: u32,
    user: &str,
    timeout: Duration,
) -> String {
    let hard = timeout.is_zero();
    let order = Order {
        node,
        kind: if hard { "vzstop" } else { "vzshutdown" },
        id: vmid.to_string(),
        user,
        fault: None,
    };
    worker::fork(cluster, order, move |worker| async move {
        match hard {
            true => kill(&worker, vmid).await,
            false => bring_down(&worker, vmid, timeout, false).await,
        }
    })
}
