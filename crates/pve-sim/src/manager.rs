//! The manager of high availability. A request to it is accepted at once and executed
//! seconds later, by tasks as `root@pam` on the node that has the container by then.

use std::sync::Arc;
use std::time::Duration;

use crate::access::ROOT;
use crate::cluster::Cluster;
use crate::guest_tasks::{fork_halt, fork_relocate, fork_start};
use crate::world::ha::HaResource;

/// Half of the time between a request and its execution: the manager's cycle, then the node's.
const CYCLE: Duration = Duration::from_secs(5);

/// A request to the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HaRequest {
    Start,
    /// With a timeout of zero the container is killed, otherwise told to halt and never forced.
    Stop {
        timeout: Duration,
    },
    /// Stopped, moved to a node, and started there if it is to run.
    Relocate {
        target: String,
    },
}

impl HaRequest {
    /// The requested state of the container, if the request changes it.
    fn requested_state(&self) -> Option<&'static str> {
        match self {
            Self::Start => Some("started"),
            Self::Stop { .. } => Some("stopped"),
            Self::Relocate { .. } => None,
        }
    }

    fn transition(&self) -> &'static str {
        match self {
            Self::Start => "request_start",
            Self::Stop { .. } => "request_stop",
            Self::Relocate { .. } => "relocate",
        }
    }
}

/// Queues a request. The manager forgets it if another one follows before it acts.
pub(crate) fn queue(cluster: &Arc<Cluster>, vmid: u32, request: HaRequest) {
    let number = {
        let mut world = cluster.world();
        let Some(resource) = world.ha.get_mut(&vmid) else {
            return;
        };
        if let Some(wanted) = request.requested_state() {
            wanted.clone_into(&mut resource.requested);
        }
        resource.request += 1;
        resource.request
    };
    let home = cluster.clone();
    cluster.spawn(async move {
        home.clock.sleep(CYCLE).await;
        if !set_state(&home, vmid, number, request.transition()) {
            return;
        }
        home.clock.sleep(CYCLE).await;
        let state = act(&home, vmid, request).await;
        set_state(&home, vmid, number, state);
    });
}

/// Restarts a container that has ended by itself, if its requested state is `started`.
pub(crate) fn notice_end(cluster: &Arc<Cluster>, vmid: u32) {
    let wanted = {
        let world = cluster.world();
        world.ha.get(&vmid).is_some_and(HaResource::wants_start)
    };
    if wanted {
        queue(cluster, vmid, HaRequest::Start);
    }
}

/// Executes a request and returns the state that the manager then shows.
async fn act(cluster: &Arc<Cluster>, vmid: u32, request: HaRequest) -> &'static str {
    // A node that is offline executes nothing; the manager waits until it is fenced.
    let Some((node, running)) = locate(cluster, vmid) else {
        return "fence";
    };
    match request {
        HaRequest::Start => start(cluster, &node, vmid, running).await,
        HaRequest::Stop { timeout } => stop(cluster, &node, vmid, running, timeout).await,
        HaRequest::Relocate { target } => {
            relocate(cluster, &node, vmid, running, &target).await;
            let wanted = {
                let world = cluster.world();
                world.ha.get(&vmid).is_some_and(HaResource::wants_start)
            };
            match locate(cluster, vmid) {
                Some((node, running)) if wanted => start(cluster, &node, vmid, running).await,
                _ => "stopped",
            }
        }
    }
}

/// The node that has the container, if it is there, and whether the container runs.
fn locate(cluster: &Cluster, vmid: u32) -> Option<(String, bool)> {
    let world = cluster.world();
    let container = world.containers.get(&vmid)?;
    let node = world.node(&container.node).filter(|node| node.online)?;
    Some((node.name.clone(), container.running()))
}

async fn start(cluster: &Arc<Cluster>, node: &str, vmid: u32, running: bool) -> &'static str {
    if running {
        return "started";
    }
    let upid = fork_start(cluster, node, vmid, ROOT, None);
    match succeeded(cluster, &upid).await {
        true => "started",
        false => "error",
    }
}

async fn stop(
    cluster: &Arc<Cluster>,
    node: &str,
    vmid: u32,
    running: bool,
    timeout: Duration,
) -> &'static str {
    if !running {
        return "stopped";
    }
    let upid = fork_halt(cluster, node, vmid, ROOT, timeout);
    match succeeded(cluster, &upid).await {
        true => "stopped",
        false => "error",
    }
}

async fn relocate(cluster: &Arc<Cluster>, node: &str, vmid: u32, running: bool, target: &str) {
    if target == node {
        return;
    }
    if running {
        let upid = fork_halt(cluster, node, vmid, ROOT, Duration::from_secs(60));
        succeeded(cluster, &upid).await;
    }
    let upid = fork_relocate(cluster, node, vmid, target);
    succeeded(cluster, &upid).await;
}

/// Waits for a task's end and returns whether it succeeded.
async fn succeeded(cluster: &Cluster, upid: &str) -> bool {
    loop {
        let exit = cluster
            .world()
            .tasks
            .find(upid)
            .map(|task| task.exit.clone());
        match exit {
            Some(None) => tokio::time::sleep(Duration::from_millis(2)).await,
            Some(Some(exit)) => return exit == "OK" || exit.starts_with("WARNINGS"),
            None => return false,
        }
    }
}

/// Shows a state, if that request is still the last one.
fn set_state(cluster: &Cluster, vmid: u32, number: u32, state: &str) -> bool {
    let mut world = cluster.world();
    let Some(resource) = world.ha.get_mut(&vmid).filter(|one| one.request == number) else {
        return false;
    };
    state.clone_into(&mut resource.state);
    drop(world);
    cluster.changed.notify_one();
    true
}
