//! Limits that hold for all replicas together. A limit on concurrent work is divided: each replica
//! has a share, which changes as replicas come and go. A rate limit is counted by each replica, and
//! `shared_rates` sends the counts to the others. A single replica has the whole of each limit.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use pve::NodeName;
use service::{
    caller::RateLimit,
    clock::Clock,
    semaphore::{ResizablePermit, ResizableSemaphore},
};
use tokio::sync::watch;

use crate::store::{AdvisoryLocks, Replicas};

/// This replica's shares; clones are the same. By default it is alone.
#[derive(Clone, Default)]
pub struct Shares(Option<watch::Receiver<Replicas>>);

impl Shares {
    /// Shares of the replicas that share advisory locks; without these, the whole of each limit.
    pub fn new(advisory_locks: Option<&AdvisoryLocks>) -> Self {
        Self(advisory_locks.map(AdvisoryLocks::replicas))
    }

    /// This replica's share of a limit on concurrent work, which changes with the replicas.
    pub fn share_of(&self, limit: usize) -> watch::Receiver<usize> {
        let Some(mut replicas) = self.0.clone() else {
            return watch::channel(limit).1;
        };
        let now = replicas.borrow_and_update().share_of(limit);
        let (share, watched) = watch::channel(now);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = share.closed() => return,
                    changed = replicas.changed() => match changed {
                        Ok(()) => share.send_replace(replicas.borrow_and_update().share_of(limit)),
                        Err(_) => return,
                    },
                };
            }
        });
        watched
    }

    /// A rate limit for each client.
    pub fn rate_limit(&self, per_minute: NonZeroU32, clock: &Arc<dyn Clock>) -> RateLimit {
        let limit = RateLimit::new(per_minute, Arc::clone(clock));
        match self.0 {
            None => limit,
            Some(_) => limit.among_others(),
        }
    }
}

/// A limit on concurrent work on each node.
pub struct NodeSemaphores {
    size: watch::Receiver<usize>,
    nodes: Mutex<HashMap<NodeName, ResizableSemaphore>>,
}

impl NodeSemaphores {
    /// This many permits on each node, following the share as it changes.
    pub fn new(size: watch::Receiver<usize>) -> Self {
        let nodes = Mutex::default();
        Self { size, nodes }
    }

    /// Waits for a permit of a node.
    pub async fn acquire(&self, node: &NodeName) -> ResizablePermit {
        let semaphore = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || ResizableSemaphore::new(self.size.clone());
            nodes.entry(node.clone()).or_insert_with(fresh).clone()
        };
        semaphore.acquire().await
    }
}
