//! Tasks and their ids. A task is a worker process on the real node: it has a log, an end, and an
//! id that carries node, process, start time, type, object and user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// All tasks since the start, oldest first.
pub(crate) struct Tasks {
    pub(crate) all: Vec<Task>,
    next_pid: u32,
}

/// One task.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) upid: String,
    pub(crate) node: String,
    pub(crate) pid: u32,
    pub(crate) pstart: u32,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) forked: Instant,
    /// Its duration, more precise than Proxmox's seconds.
    pub(crate) took: Option<Duration>,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) log: Vec<String>,
    pub(crate) warnings: u32,
    /// `None` while it runs.
    pub(crate) exit: Option<String>,
    /// Notified when the task is aborted.
    pub(crate) abort: Arc<Notify>,
}

impl Tasks {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            all: Vec::new(),
            next_pid: 1000 + u32::try_from(seed % 500_000).unwrap_or_default(),
        }
    }

    /// A process id that was not there before.
    pub(crate) fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// Adds a running task.
    pub(crate) fn open(
        &mut self,
        node: &str,
        kind: &str,
        id: &str,
        user: &str,
        now: u64,
        uptime: f64,
    ) -> &Task {
        let pid = self.pid();
        let pstart = (uptime * 100.0) as u64 as u32;
        let task = Task {
            upid: format!("UPID:{node}:{pid:08X}:{pstart:08X}:{now:08X}:{kind}:{id}:{user}:"),
            node: node.to_owned(),
            pid,
            pstart,
            started: now,
            ended: None,
            forked: Instant::now(),
            took: None,
            kind: kind.to_owned(),
            id: id.to_owned(),
            user: user.to_owned(),
            log: Vec::new(),
            warnings: 0,
            exit: None,
            abort: Arc::new(Notify::new()),
        };
        self.all.push(task);
        self.all.last().expect("just pushed")
    }

    /// Ends the running tasks of a node that goes down: without a last line.
    pub(crate) fn vanish(&mut self, node: &str, now: u64) {
        for task in self.all.iter_mut() {
            if task.node == node && task.exit.is_none() {
                task.exit = Some("unexpected status".into());
                task.ended = Some(now);
                task.took = Some(task.forked.elapsed());
                task.abort.notify_one();
            }
        }
    }

    pub(crate) fn find(&self, upid: &str) -> Option<&Task> {
        self.all.iter().rev().find(|task| task.upid == upid)
    }

    pub(crate) fn find_mut(&mut self, upid: &str) -> Option<&mut Task> {
        self.all.iter_mut().rev().find(|task| task.upid == upid)
    }
}

/// Whether a text has the form of a task id.
pub(crate) fn is_upid(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |part: &str, lengths: &[usize]| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    parts.len() == 9
        && parts[0] == "UPID"
        && !parts[1].is_empty()
        && hex(parts[2], &[8])
        && hex(parts[3], &[8, 9])
        && hex(parts[4], &[8])
        && !parts[5].is_empty()
        && !parts[7].is_empty()
        && parts[8].is_empty()
}
