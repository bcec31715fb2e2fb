//! Locks on the terminals of containers. Proxmox gives all terminals of a container one session, so
//! that each sees what the other types. A command and a console must therefore never be open at
//! once, and neither must two commands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use named_locks::{NamedLock, NamedLockGuard, NamedLocks};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use crate::ids::{NodeName, Vmid};

/// The pause between two tries to take a terminal that another process's command has.
const POLL: Duration = Duration::from_millis(100);

/// What a terminal is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleUse {
    /// A command, which ends soon.
    Exec,
    /// A person, who may stay for hours.
    Console,
}

impl std::fmt::Display for ConsoleUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exec => "a command",
            Self::Console => "an open console",
        })
    }
}

/// The terminal is in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the terminal of container {vmid} is in use by {by}")]
pub struct ConsoleInUse {
    /// The container.
    pub vmid: Vmid,
    /// What uses it.
    pub by: ConsoleUse,
    /// After what time to try again.
    pub retry_after: Duration,
}

/// The locks of one process on the terminals of all containers. Clones share them.
#[derive(Clone)]
pub struct TerminalLocks {
    inner: Arc<Inner>,
    shared: Option<Arc<dyn SharedTerminals>>,
}

/// Locks that several processes share on the terminals of the same containers.
#[async_trait::async_trait]
pub trait SharedTerminals: Send + Sync {
    /// Takes a container's terminal; the error says what another process uses it for.
    async fn try_take(&self, vmid: Vmid, purpose: ConsoleUse) -> Result<SharedGuard, ConsoleUse>;

    /// Waits for one of this process's permits to run a command on a node.
    async fn command_permit(&self, node: &NodeName) -> SharedGuard;
}

/// A terminal's lock guard, or a permit for a command on a node; released when it is dropped.
pub struct SharedGuard(#[allow(dead_code)] Box<dyn Send + Sync>);

impl SharedGuard {
    /// A guard that drops `held` when it is dropped itself.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for SharedGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedGuard")
    }
}

impl std::fmt::Debug for TerminalLocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[derive(Debug)]
struct Inner {
    terminals: NamedLocks<Vmid, Holder>,
    nodes: Mutex<HashMap<NodeName, Arc<Semaphore>>>,
    execs_per_node: usize,
}

/// What the holder of a terminal's lock uses it for; zero while the lock is free.
#[derive(Debug, Default)]
struct Holder(AtomicU8);

/// The lock guard of a container's terminal.
#[derive(Debug)]
pub struct TerminalLockGuard {
    _shared: Option<SharedGuard>,
    lock_guard: NamedLockGuard<Holder>,
    _node: Option<SharedGuard>,
}

impl Drop for TerminalLockGuard {
    fn drop(&mut self) {
        // The lock guard is dropped after this, so the next holder never sees an old entry.
        self.lock_guard.value().0.store(0, Ordering::Release);
    }
}

impl Default for TerminalLocks {
    fn default() -> Self {
        Self::new(8)
    }
}

impl TerminalLocks {
    /// Locks that let this many commands run at once on each node, which has a hundred terminal
    /// ports in all. After [`TerminalLocks::shared_through`] the [`SharedTerminals`] decide that
    /// number instead.
    pub fn new(execs_per_node: usize) -> Self {
        let inner = Inner {
            terminals: NamedLocks::default(),
            nodes: Mutex::default(),
            execs_per_node: execs_per_node.max(1),
        };
        Self {
            inner: Arc::new(inner),
            shared: None,
        }
    }

    /// The same locks, which also respect those of other processes.
    #[must_use]
    pub fn shared_through(self, shared: Option<Arc<dyn SharedTerminals>>) -> Self {
        Self { shared, ..self }
    }

    /// Takes a container's terminal. Waits up to `timeout` while a command has it; does not wait
    /// for an open console to end.
    ///
    /// # Errors
    /// [`ConsoleInUse`] says what uses it.
    pub async fn acquire(
        &self,
        node: &NodeName,
        vmid: Vmid,
        purpose: ConsoleUse,
        timeout: Duration,
    ) -> Result<TerminalLockGuard, ConsoleInUse> {
        let deadline = Instant::now() + timeout;
        let lock = self.inner.terminals.named(vmid);
        let lock_guard = match lock.try_lock() {
            Some(lock_guard) => lock_guard,
            None if held_by(&lock) == Some(ConsoleUse::Console) => {
                return Err(in_use(vmid, ConsoleUse::Console));
            }
            None => timeout_at(deadline, lock.lock())
                .await
                .map_err(|_| held(vmid, &lock))?,
        };
        let node = match purpose {
            ConsoleUse::Console => None,
            ConsoleUse::Exec => {
                let permit = timeout_at(deadline, self.command_permit(node)).await;
                Some(permit.map_err(|_| held(vmid, &lock))?)
            }
        };
        let shared = self.take_shared(vmid, purpose, deadline).await?;
        lock.value().0.store(purpose as u8 + 1, Ordering::Release);
        Ok(TerminalLockGuard {
            _shared: shared,
            lock_guard,
            _node: node,
        })
    }

    async fn command_permit(&self, node: &NodeName) -> SharedGuard {
        match &self.shared {
            Some(shared) => shared.command_permit(node).await,
            None => {
                let permit = self.node(node).acquire_owned().await;
                SharedGuard::new(permit.expect("the semaphore is never closed"))
            }
        }
    }

    /// Takes the lock that processes share, by the same rules as within this process.
    async fn take_shared(
        &self,
        vmid: Vmid,
        purpose: ConsoleUse,
        deadline: Instant,
    ) -> Result<Option<SharedGuard>, ConsoleInUse> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        loop {
            match shared.try_take(vmid, purpose).await {
                Ok(hold) => return Ok(Some(hold)),
                Err(ConsoleUse::Exec) if Instant::now() + POLL < deadline => sleep(POLL).await,
                Err(by) => return Err(in_use(vmid, by)),
            }
        }
    }

    fn node(&self, node: &NodeName) -> Arc<Semaphore> {
        let mut nodes = self
            .inner
            .nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Semaphore::new(self.inner.execs_per_node));
        nodes.entry(node.clone()).or_insert_with(fresh).clone()
    }
}

fn held_by(lock: &NamedLock<Holder>) -> Option<ConsoleUse> {
    match lock.value().0.load(Ordering::Acquire) {
        0 => None,
        1 => Some(ConsoleUse::Exec),
        _ => Some(ConsoleUse::Console),
    }
}

fn held(vmid: Vmid, lock: &NamedLock<Holder>) -> ConsoleInUse {
    in_use(vmid, held_by(lock).unwrap_or(ConsoleUse::Exec))
}

fn in_use(vmid: Vmid, by: ConsoleUse) -> ConsoleInUse {
    let retry_after = match by {
        ConsoleUse::Exec => Duration::from_secs(5),
        ConsoleUse::Console => Duration::from_secs(30),
    };
    ConsoleInUse {
        vmid,
        by,
        retry_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::ZERO;

    fn ids() -> (NodeName, Vmid) {
        ("pve".parse().unwrap(), "101".parse().unwrap())
    }

    #[tokio::test]
    async fn a_command_does_not_wait_for_a_console() {
        let (locks, (node, vmid)) = (TerminalLocks::default(), ids());
        let console = locks
            .acquire(&node, vmid, ConsoleUse::Console, NO_WAIT)
            .await
            .unwrap();
        let long = Duration::from_secs(3600);
        let refused = locks
            .acquire(&node, vmid, ConsoleUse::Exec, long)
            .await
            .unwrap_err();
        assert_eq!(refused.by, ConsoleUse::Console);
        drop(console);
        locks
            .acquire(&node, vmid, ConsoleUse::Exec, NO_WAIT)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn commands_on_one_container_take_turns() {
        let (locks, (node, vmid)) = (TerminalLocks::default(), ids());
        let running = Arc::new(AtomicU8::new(0));
        let all: Vec<_> = (0..10)
            .map(|_| {
                let (locks, node, running) = (locks.clone(), node.clone(), running.clone());
                tokio::spawn(async move {
                    let long = Duration::from_secs(30);
                    let guard = locks
                        .acquire(&node, vmid, ConsoleUse::Exec, long)
                        .await
                        .unwrap();
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_node_runs_no_more_commands_than_it_is_allowed() {
        let (locks, (node, _)) = (TerminalLocks::new(2), ids());
        let take = |number: u32, purpose| {
            let (locks, node) = (locks.clone(), node.clone());
            async move {
                let vmid = Vmid::try_from(number).unwrap();
                locks
                    .acquire(&node, vmid, purpose, Duration::from_millis(20))
                    .await
            }
        };
        let _one = take(101, ConsoleUse::Exec).await.unwrap();
        let two = take(102, ConsoleUse::Exec).await.unwrap();
        assert!(take(103, ConsoleUse::Exec).await.is_err());
        let _console = take(104, ConsoleUse::Console).await.unwrap();
        drop(two);
        take(103, ConsoleUse::Exec).await.unwrap();
    }
}
