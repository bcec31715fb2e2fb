//! The manager of high availability. A request to it is answered at once; it acts on it seconds
//! later, by tasks of its own as `root@pam` on whatever node has the container by then.

use std::sync::Arc;
use std::time::Duration;

use crate::access::ROOT;
use crate::api;
use crate::cluster::Cluster;

/// Half of the time between a request and the act: the manager's cycle, then the node's.
const CYCLE: Duration = Duration::from_secs(5);

/// What the manager is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Start,
    /// With no time at all the container is stopped hard, otherwise asked to halt and never forced.
    Stop {
        timeout: Duration,
    },
}

impl Request {
    fn wanted(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop { .. } => "stopped",
        }
    }

    fn under_way(self) -> &'static str {
        match self {
            Self::Start => "request_start",
            Self::Stop { .. } => "request_stop",
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
        request.wanted().clone_into(&mut resource.requested);
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

/// Carries a request out and gives the state that the manager then shows.
async fn act(cluster: &Arc<Cluster>, vmid: u32, request: Request) -> &'static str {
    let place = {
        let world = cluster.world();
        world.containers.get(&vmid).and_then(|container| {
            let node = world.node(&container.node).filter(|node| node.online)?;
            Some((node.name.clone(), container.running()))
        })
    };
    // Nobody can act on a node that is away; the manager waits to fence it.
    let Some((node, running)) = place else {
        return "fence";
    };
    let upid = match request {
        Request::Start if running => return "started",
        Request::Stop { .. } if !running => return "stopped",
        Request::Start => api::fork_start(cluster, &node, vmid, ROOT, None),
        Request::Stop { timeout } => api::fork_halt(cluster, &node, vmid, ROOT, timeout),
    };
    match ended(cluster, &upid).await.as_str() {
        "OK" => request.wanted(),
        text if text.starts_with("WARNINGS") => request.wanted(),
        _ => "error",
    }
}

/// Waits for a task's end and gives its exit status.
async fn ended(cluster: &Cluster, upid: &str) -> String {
    loop {
        let exit = cluster
            .world()
            .tasks
            .find(upid)
            .map(|task| task.exit.clone());
        match exit {
            Some(None) => tokio::time::sleep(Duration::from_millis(2)).await,
            Some(Some(exit)) => return exit,
            None => return "no such task".into(),
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
