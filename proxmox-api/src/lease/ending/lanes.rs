//! Work on leases in lanes: each node has a limited number of slots for each kind of work, so that
//! a slow node delays no other, and queued work begins as soon as a slot is free. Work that takes
//! longer than [`SLOW_AFTER`] gives its slot back and goes on. `expiry` fills the lanes.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all, stream};
use pve::NodeName;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use crate::ids::LeaseId;

/// Work that takes longer counts as slow: a container shuts down within ten seconds, or ignores the
/// request.
pub const SLOW_AFTER: Duration = Duration::from_secs(10);
/// Slow work that may go on without a slot, for each slot of a lane. Further slow work keeps its
/// slot.
const SLOW_PER_SLOT: usize = 4;

/// The kinds of work on a container. They load a node differently: a stop waits for the guest; a
/// removal holds the storage's lock, for which Proxmox lets a task wait ten seconds only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneTask {
    /// It is shut down.
    Stop,
    /// It is removed.
    Remove,
}

/// One lane: a kind of work on one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeLane {
    /// The node.
    pub node: NodeName,
    /// The kind of work.
    pub task: LaneTask,
}

/// The number of slots in each lane. It may change; work that has begun keeps its slot.
#[derive(Debug, Clone)]
pub struct LaneCapacity {
    /// For stops.
    pub stops: watch::Receiver<usize>,
    /// For removals.
    pub removals: watch::Receiver<usize>,
}

impl LaneCapacity {
    fn of(&self, task: LaneTask) -> usize {
        *match task {
            LaneTask::Stop => self.stops.borrow(),
            LaneTask::Remove => self.removals.borrow(),
        }
    }

    /// Waits until a number changes.
    async fn changed(&mut self) {
        let changed = |places| async {
            let places: &mut watch::Receiver<usize> = places;
            if places.changed().await.is_err() {
                pending().await
            }
        };
        tokio::select! {
            () = changed(&mut self.stops) => {}
            () = changed(&mut self.removals) => {}
        }
    }
}

/// The result of work that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkResult<T> {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its result; `None` where it panicked or was cancelled.
    pub outcome: Option<T>,
}

/// The lanes of all nodes. Dropping them cancels work that has begun.
pub struct Lanes<T> {
    capacity: LaneCapacity,
    waiting: HashMap<NodeLane, VecDeque<LeaseId>>,
    in_progress: HashMap<LeaseId, WorkInProgress>,
    tasks: JoinSet<()>,
    tell: mpsc::UnboundedSender<WorkerMessage<T>>,
    news: mpsc::UnboundedReceiver<WorkerMessage<T>>,
}

struct WorkInProgress {
    lane: NodeLane,
    is_slow: bool,
}

/// What a worker reports to the lane: its work takes long, or has ended.
enum WorkerMessage<T> {
    IsSlow(LeaseId),
    Ended(WorkResult<T>),
}

/// Reports the end of work when it is dropped, so also after a panic.
struct Reporter<T> {
    lease_id: LeaseId,
    outcome: Option<T>,
    tell: mpsc::UnboundedSender<WorkerMessage<T>>,
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        // Sending fails only once the lanes, and with them the receiver, are dropped.
        let _ = self.tell.send(WorkerMessage::Ended(WorkResult {
            lease_id: self.lease_id.clone(),
            outcome: self.outcome.take(),
        }));
    }
}

impl<T: Send + 'static> Lanes<T> {
    /// Lanes without work.
    pub fn new(capacity: LaneCapacity) -> Self {
        let (tell, news) = mpsc::unbounded_channel();
        Self {
            capacity,
            waiting: HashMap::new(),
            in_progress: HashMap::new(),
            tasks: JoinSet::new(),
            tell,
            news,
        }
    }

    /// Replaces the queue, in the order in which work is to begin. Leases with work in progress are
    /// left out.
    pub fn refill(&mut self, work: impl IntoIterator<Item = (NodeLane, LeaseId)>) {
        self.waiting.clear();
        for (lane, lease_id) in work {
            if !self.in_progress.contains_key(&lease_id) {
                self.waiting.entry(lane).or_default().push_back(lease_id);
            }
        }
    }

    /// Begins queued work while slots are free.
    pub fn start<F>(&mut self, work: impl Fn(LeaseId) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let free: Vec<(NodeLane, usize)> = self
            .waiting
            .keys()
            .map(|lane| (lane.clone(), self.free(lane)))
            .collect();
        for (lane, free) in free {
            for _ in 0..free {
                let next = self.waiting.get_mut(&lane).and_then(VecDeque::pop_front);
                let Some(lease_id) = next else { break };
                self.begin(lane.clone(), lease_id, &work);
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
    }

    fn free(&self, lane: &NodeLane) -> usize {
        let places = self.capacity.of(lane.task);
        let own = self.in_progress.values().filter(|one| one.lane == *lane);
        let (slow, prompt): (Vec<_>, Vec<_>) = own.partition(|one| one.is_slow);
        let too_slow = slow.len().saturating_sub(places * SLOW_PER_SLOT);
        places.saturating_sub(prompt.len() + too_slow)
    }

    fn begin<F>(&mut self, lane: NodeLane, lease_id: LeaseId, work: &impl Fn(LeaseId) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let in_progress = WorkInProgress {
            lane,
            is_slow: false,
        };
        self.in_progress.insert(lease_id.clone(), in_progress);
        let (work, tell) = (work(lease_id.clone()), self.tell.clone());
        self.tasks.spawn(async move {
            let mut reporter = Reporter {
                lease_id,
                outcome: None,
                tell,
            };
            let mut work = std::pin::pin!(work);
            let outcome = match timeout(SLOW_AFTER, &mut work).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let slow = WorkerMessage::IsSlow(reporter.lease_id.clone());
                    let _ = reporter.tell.send(slow);
                    work.await
                }
            };
            reporter.outcome = Some(outcome);
        });
    }

    /// Waits until slots may be free again: work has ended, which is returned, or counts as slow,
    /// or the number of slots has changed. It waits for ever where no work is in progress and the
    /// number stays.
    pub async fn changed(&mut self) -> Option<WorkResult<T>> {
        let news = tokio::select! {
            // `self.tell` keeps the channel open.
            news = self.news.recv() => news?,
            () = self.capacity.changed() => return None,
        };
        while self.tasks.try_join_next().is_some() {}
        match news {
            WorkerMessage::IsSlow(lease_id) => {
                if let Some(in_progress) = self.in_progress.get_mut(&lease_id) {
                    in_progress.is_slow = true;
                }
                None
            }
            WorkerMessage::Ended(ended) => {
                self.in_progress.remove(&ended.lease_id);
                Some(ended)
            }
        }
    }

    /// The number of queued leases.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// How many leases have work in progress, and how many of these are slow.
    pub fn in_progress(&self) -> (usize, usize) {
        let slow = self.in_progress.values().filter(|one| one.is_slow).count();
        (self.in_progress.len(), slow)
    }
}

/// Does at most `at_once` pieces of work at a time on each node, on all nodes concurrently.
pub async fn per_node<F: Future>(
    work: impl IntoIterator<Item = (NodeName, F)>,
    at_once: usize,
) -> Vec<F::Output> {
    let mut nodes: HashMap<NodeName, Vec<F>> = HashMap::new();
    for (node, work) in work {
        nodes.entry(node).or_default().push(work);
    }
    let nodes = nodes.into_values().map(|work| {
        let work = stream::iter(work).buffer_unordered(at_once);
        work.collect::<Vec<_>>()
    });
    join_all(nodes).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
