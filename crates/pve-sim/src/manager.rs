//! The manager of high availability. A request to it is answered at once; it acts on it seconds
//! later, by tasks of its own as `root@pam` on whatever node has the container by then.

use std::sync::Arc;
use std::time::Duration;

use crate::access::ROOT;
use crate::cluster::Cluster;
use crate::guest_tasks::{fork_halt, fork_relocate, fork_start};
use crate::world::ha::Resource;

/// Half of the time between a request and the act: the manager's cycle, then the node's.
const CYCLE: Duration = Duration::from_secs(5);

/// What the manager is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Start,
    /// With no time at all the container is stopped hard, otherwise asked to halt and never forced.
    Stop {
        timeout: Duration,
    },
    /// Stopped, moved to a node, and started there if it is to run.
    Relocate {
        target: String,
    },
}

impl Request {
    /// What the container is to be from now on, if that changes.
    fn wanted(&self) -> Option<&'static str> {
        match self {
            Self::Start => Some("started"),
            Self::Stop { .. } => Some("stopped"),
            Self::Relocate { .. } => None,
        }
    }

    fn under_way(&self) -> &'static str {
        match self {
            Self::Start => "request_start",
            Self::Stop { .. } => "request_stop",
            Self::Relocate { .. } => "relocate",
        }
    }
}

/// Queues a request. The manager forgets it if another one follows before it acts.
pub(crate) fn queue(cluster: &Arc<Cluster>, vmid: u32, request: Request) {
    let number = {
        let mut world = cluster.world();
        let Some(resource) = world.ha.get_mut(&vmid) else {
            return;
        };
        if let Some(wanted) = request.wanted() {
            wanted.clone_into(&mut resource.requested);
        }
        resource.request += 1;
        resource.request
    };
    let home = cluster.clone();
    cluster.spawn(async move {
        home.clock.sleep(CYCLE).await;
        if !set_state(&home, vmid, number, request.under_way()) {
            return;
        }
        home.clock.sleep(CYCLE).await;
        let state = act(&home, vmid, request).await;
        set_state(&home, vmid, number, state);
    });
}

/// A container has ended by itself: the manager starts it again if it is to run.
pub(crate) fn notice_end(cluster: &Arc<Cluster>, vmid: u32) {
    let wanted = {
        let world = cluster.world();
        world.ha.get(&vmid).is_some_and(Resource::wants_start)
    };
    if wanted {
        queue(cluster, vmid, Request::Start);
    }
}

/// Carries a request out and gives the state that the manager then shows.
async fn act(cluster: &Arc<Cluster>, vmid: u32, request: Request) -> &'static str {
    // A node that is away carries out nothing; the manager waits until it is fenced.
    let Some((node, running)) = place(cluster, vmid) else {
        return "fence";
    };
    match request {
        Request::Start => start(cluster, &node, vmid, running).await,
        Request::Stop { timeout } => stop(cluster, &node, vmid, running, timeout).await,
        Request::Relocate { target } => {
            relocate(cluster, &node, vmid, running, &target).await;
            let wanted = {
                let world = cluster.world();
                world.ha.get(&vmid).is_some_and(Resource::wants_start)
            };
            match place(cluster, vmid) {
                Some((node, running)) if wanted => start(cluster, &node, vmid, running).await,
                _ => "stopped",
            }
        }
    }
}

/// The node that has the container, if it is there, and whether the container runs.
fn place(cluster: &Cluster, vmid: u32) -> Option<(String, bool)> {
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

/// Waits for a task's end and says whether it is a good one.
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
