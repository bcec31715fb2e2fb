//! Workers: what Proxmox forks for everything that takes time. A worker has a task id, writes a
//! log, can be aborted, and ends with an exit status. Faults of the request that started it meet it
//! here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::cluster::Cluster;
use crate::faults::FaultKind;

/// The task of a worker.
pub(crate) struct TaskOrder<'a> {
    pub(crate) node: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) id: String,
    /// `user@realm` or `user@realm!token`.
    pub(crate) user: &'a str,
    pub(crate) fault: Option<FaultKind>,
}

/// The failure of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkerFailure {
    /// It ends with this text.
    Died(String),
    /// Its process ends without a status.
    Vanished,
}

impl From<String> for WorkerFailure {
    fn from(text: String) -> Self {
        Self::Died(text)
    }
}

/// The running worker, as its body sees it.
pub(crate) struct Worker {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) fault: Option<FaultKind>,
    /// The node that it runs on.
    pub(crate) node: String,
    upid: String,
}

impl Worker {
    pub(crate) fn log(&self, line: impl Into<String>) {
        if let Some(task) = self.cluster.world().tasks.find_mut(&self.upid) {
            task.log.push(line.into());
        }
    }

    /// Logs a warning; the task then ends with `WARNINGS: n`.
    pub(crate) fn warn(&self, text: &str) {
        if let Some(task) = self.cluster.world().tasks.find_mut(&self.upid) {
            task.log.push(format!("WARN: {text}"));
            task.warnings += 1;
        }
    }

    /// Lets realistic time pass.
    pub(crate) async fn sleep(&self, realistic: Duration) {
        self.cluster.clock.sleep(realistic).await;
    }

    /// Whether the worker's process ends without cleaning up: it is killed, or its node goes down.
    pub(crate) fn killed(&self) -> bool {
        if self.fault == Some(FaultKind::TaskUnexpectedStatus) {
            return true;
        }
        let world = self.cluster.world();
        world
            .tasks
            .find(&self.upid)
            .is_some_and(|task| task.exit.is_some())
    }

    /// Waits for the lock file of a container's configuration as long as Proxmox does.
    pub(crate) async fn lock_config(
        &self,
        vmid: u32,
    ) -> Result<OwnedMutexGuard<()>, WorkerFailure> {
        if self.fault == Some(FaultKind::LockTimeout) {
            return Err(WorkerFailure::Died(lock_timeout(vmid)));
        }
        let lock = self.cluster.guest_lock(vmid);
        // Ten seconds on the real node; scaled, but never so short that a busy machine fails by
        // chance.
        let timeout = self
            .cluster
            .clock
            .scaled(Duration::from_secs(10))
            .max(Duration::from_secs(2));
        tokio::time::timeout(timeout, lock.lock_owned())
            .await
            .map_err(|_| WorkerFailure::Died(lock_timeout(vmid)))
    }

    /// Fails here if a fault requires it.
    pub(crate) fn fail_if_faulty(&self) -> Result<(), WorkerFailure> {
        match &self.fault {
            Some(FaultKind::TaskFailure(text)) => Err(WorkerFailure::Died(text.clone())),
            Some(FaultKind::TaskUnexpectedStatus) => Err(WorkerFailure::Vanished),
            _ => Ok(()),
        }
    }
}

/// Starts a worker and returns its task id.
pub(crate) fn fork<F, Work>(cluster: &Arc<Cluster>, order: TaskOrder<'_>, body: F) -> String
where
    F: FnOnce(Arc<Worker>) -> Work + Send + 'static,
    Work: Future<Output = Result<(), WorkerFailure>> + Send + 'static,
{
    let (upid, abort) = {
        let now = cluster.clock.now();
        let mut world = cluster.world();
        let booted = world.node(order.node).map_or(now, |node| node.booted);
        let task = world.tasks.open(
            order.node,
            order.kind,
            &order.id,
            order.user,
            now as u64,
            now - booted,
        );
        (task.upid.clone(), task.abort.clone())
    };
    let worker = Arc::new(Worker {
        cluster: cluster.clone(),
        fault: order.fault,
        node: order.node.to_owned(),
        upid: upid.clone(),
    });
    let home = cluster.clone();
    cluster.spawn(async move {
        let work = async {
            if let Some(FaultKind::SlowTask(longer)) = worker.fault {
                tokio::time::sleep(longer).await;
            }
            body(worker.clone()).await?;
            if worker.fault == Some(FaultKind::Warnings) {
                worker.warn("a warning that was asked for");
            }
            Ok(())
        };
        // An aborted worker does nothing more.
        let end = tokio::select! {
            biased;
            () = abort.notified() => Err(WorkerFailure::Died("received interrupt".into())),
            end = work => end,
        };
        close(&worker, end);
        home.changed.notify_one();
    });
    upid
}

fn close(worker: &Worker, end: Result<(), WorkerFailure>) {
    let now = worker.cluster.clock.seconds();
    let mut world = worker.cluster.world();
    let task = world.tasks.find_mut(&worker.upid);
    // A worker whose node went down has ended already.
    let Some(task) = task.filter(|task| task.exit.is_none()) else {
        return;
    };
    let (line, exit) = match end {
        Ok(()) if task.warnings > 0 => {
            let text = format!("WARNINGS: {}", task.warnings);
            (Some(format!("TASK {text}")), text)
        }
        Ok(()) => (Some("TASK OK".into()), "OK".into()),
        Err(WorkerFailure::Died(text)) => (Some(format!("TASK ERROR: {text}")), text),
        Err(WorkerFailure::Vanished) => (None, "unexpected status".into()),
    };
    task.log.extend(line);
    task.exit = Some(exit);
    task.ended = Some(now);
    task.took = Some(task.forked.elapsed());
}

/// Proxmox's text for a configuration lock that could not be taken in time.
pub(crate) fn lock_timeout(vmid: u32) -> String {
    format!("can't lock file '/run/lock/lxc/pve-config-{vmid}.lock' - got timeout")
}
