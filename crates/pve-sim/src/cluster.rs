//! What all requests and workers of one simulator share: the world behind its lock, the clock, the
//! faults, the keys, the log of requests and the background work that ends with the simulator.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::access::ticket::Signer;
use crate::clock::Clock;
use crate::config::SimConfig;
use crate::faults::Faults;
use crate::snapshot::RequestRecord;
use crate::terminal::Terminals;
use crate::world::{Secrets, World};

const REQUESTS_KEPT: usize = 10_000;

/// The shared heart of a simulator.
pub(crate) struct Cluster {
    world: Mutex<World>,
    pub(crate) config: SimConfig,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) signer: Signer,
    pub(crate) secrets: Secrets,
    pub(crate) fingerprint: String,
    pub(crate) terminals: Arc<Terminals>,
    /// Told after every change that the state file should have.
    pub(crate) changed: Notify,
    requests: Mutex<VecDeque<RequestRecord>>,
    background: Mutex<JoinSet<()>>,
    lock_files: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Cluster {
    pub(crate) fn new(config: SimConfig, secrets: Secrets, fingerprint: String) -> Self {
        let clock = Clock::new(config.time_scale);
        Self {
            world: Mutex::new(World::new(&config, &secrets, clock.now())),
            faults: Faults::new(config.seed),
            signer: Signer::new(secrets.ticket_key.as_bytes()),
            clock,
            terminals: Arc::new(Terminals::new(&config)),
            config,
            secrets,
            fingerprint,
            changed: Notify::new(),
            requests: Mutex::default(),
            background: Mutex::default(),
            lock_files: Mutex::default(),
        }
    }

    /// The world; keep the guard for as short as can be and never across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("no code panics while it holds the world")
    }

    /// Runs something that ends with the simulator at the latest.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut background = self
            .background
            .lock()
            .expect("no code panics while it holds the background set");
        while background.try_join_next().is_some() {}
        background.spawn(work);
    }

    /// Ends everything that [`Cluster::spawn`] began.
    pub(crate) async fn end_background(&self) {
        let mut background = std::mem::take(
            &mut *self
                .background
                .lock()
                .expect("no code panics while it holds the background set"),
        );
        background.shutdown().await;
    }

    /// Asks everything that [`Cluster::spawn`] began to end.
    pub(crate) fn abort_background(&self) {
        if let Ok(mut background) = self.background.lock() {
            background.abort_all();
        }
    }

    /// The lock file of a container's configuration.
    pub(crate) fn guest_lock(&self, vmid: u32) -> Arc<tokio::sync::Mutex<()>> {
        self.lock_file(format!("/run/lock/lxc/pve-config-{vmid}.lock"))
    }

    /// The lock file of a node's backups, of which there is one at a time.
    pub(crate) fn backup_lock(&self, node: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.lock_file(format!("{node}:/var/run/vzdump.lock"))
    }

    fn lock_file(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self
            .lock_files
            .lock()
            .expect("no code panics while it holds the lock table");
        locks.entry(name).or_default().clone()
    }

    pub(crate) fn record(&self, record: RequestRecord) {
        let mut requests = self.requests();
        if requests.len() == REQUESTS_KEPT {
            requests.pop_front();
        }
        requests.push_back(record);
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, VecDeque<RequestRecord>> {
        self.requests
            .lock()
            .expect("no code panics while it holds the request log")
    }
}
