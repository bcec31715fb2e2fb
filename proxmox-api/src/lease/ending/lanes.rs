//! Work on leases in lanes: each node has places of its own for each kind of work, so that a slow
//! node delays no other, and queued work begins as soon as a place is free. Work that takes
//! unusually long gives its place back while it goes on.

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

/// After this, work is set aside: a container shuts down within ten seconds, or does not listen.
pub const SLOW_AFTER: Duration = Duration::from_secs(10);
/// Work of one lane that is set aside at most, for each of its places. More keeps its location.
const ASIDE: usize = 4;

/// Kinds of work on a container. They load a node differently: a stop waits for the guest, a removal
/// holds the storage's lock, on which Proxmox lets a task wait for ten seconds only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneTask {
    /// It is shut down.
    Stop,
    /// It is removed.
    Remove,
}

/// A lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeLane {
    /// The node.
    pub node: NodeName,
    /// The kind of work.
    pub task: LaneTask,
}

/// LaneCapacity in each lane, which may get more or fewer; work that is in hand keeps its location.
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

    /// Waits until there are more or fewer.
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

/// Work that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkResult<T> {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its result; `None` where it panicked or was cancelled.
    pub outcome: Option<T>,
}

/// The lanes of all nodes. Work in hand is cut off when they are dropped.
pub struct Lanes<T> {
    capacity: LaneCapacity,
    waiting: HashMap<NodeLane, VecDeque<LeaseId>>,
    in_hand: HashMap<LeaseId, InHand>,
    tasks: JoinSet<()>,
    tell: mpsc::UnboundedSender<LaneNews<T>>,
    news: mpsc::UnboundedReceiver<LaneNews<T>>,
}

struct InHand {
    lane: NodeLane,
    is_slow: bool,
}

enum LaneNews<T> {
    IsSlow(LeaseId),
    WorkResult(WorkResult<T>),
}

/// Reports the end of work when it is dropped, so also after a panic.
struct Reporter<T> {
    lease_id: LeaseId,
    outcome: Option<T>,
    tell: mpsc::UnboundedSender<LaneNews<T>>,
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        // Sending fails only once the lanes, and with them the receiver, are dropped.
        let _ = self.tell.send(LaneNews::WorkResult(WorkResult {
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
            in_hand: HashMap::new(),
            tasks: JoinSet::new(),
            tell,
            news,
        }
    }

    /// Replaces the queue, in the order in which work is to begin. Leases that are in hand are left
    /// out.
    pub fn refill(&mut self, work: impl IntoIterator<Item = (NodeLane, LeaseId)>) {
        self.waiting.clear();
        for (lane, lease_id) in work {
            if !self.in_hand.contains_key(&lease_id) {
                self.waiting.entry(lane).or_default().push_back(lease_id);
            }
        }
    }

    /// Begins queued work while places are free.
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
        let own = self.in_hand.values().filter(|one| one.lane == *lane);
        let (slow, prompt): (Vec<_>, Vec<_>) = own.partition(|one| one.is_slow);
        let too_slow = slow.len().saturating_sub(places * ASIDE);
        places.saturating_sub(prompt.len() + too_slow)
    }

    fn begin<F>(&mut self, lane: NodeLane, lease_id: LeaseId, work: &impl Fn(LeaseId) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let in_hand = InHand {
            lane,
            is_slow: false,
        };
        self.in_hand.insert(lease_id.clone(), in_hand);
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
                    let slow = LaneNews::IsSlow(reporter.lease_id.clone());
                    let _ = reporter.tell.send(slow);
                    work.await
                }
            };
            reporter.outcome = Some(outcome);
        });
    }

    /// Waits until places may be free again: because work has ended, which is returned, or because
    /// it is slow, or because there are more places. For ever, where nothing is in hand and their
    /// number stays.
    pub async fn changed(&mut self) -> Option<WorkResult<T>> {
        let news = tokio::select! {
            // Ours is never the last sender that is dropped.
            news = self.news.recv() => news?,
            () = self.capacity.changed() => return None,
        };
        while self.tasks.try_join_next().is_some() {}
        match news {
            LaneNews::IsSlow(lease_id) => {
                if let Some(in_hand) = self.in_hand.get_mut(&lease_id) {
                    in_hand.is_slow = true;
                }
                None
            }
            LaneNews::WorkResult(ended) => {
                self.in_hand.remove(&ended.lease_id);
                Some(ended)
            }
        }
    }

    /// The number of queued leases.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// How many leases are in hand, and how many of these are set aside as slow.
    pub fn in_hand(&self) -> (usize, usize) {
        let slow = self.in_hand.values().filter(|one| one.is_slow).count();
        (self.in_hand.len(), slow)
    }
}

/// Does work on each node at most `at_once` at a time, on all nodes side by side.
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
