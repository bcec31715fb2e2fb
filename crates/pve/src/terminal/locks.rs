//! Who uses a container's terminal. Proxmox gives all terminals of a container one session: what one types, the other
//! sees. So a command and a console must never be open at once, and neither must two commands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::ids::{NodeName, Vmid};

/// How often another process's command is looked at again.
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

/// Somebody else has the terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the terminal of container {vmid} is in use by {by}")]
pub struct ConsoleInUse {
    /// The container.
    pub vmid: Vmid,
    /// What has it.
    pub by: ConsoleUse,
    /// When it makes sense to ask again.
    pub retry_after: Duration,
}

/// The terminals of all containers that one process uses. Clones are the same registry.
#[derive(Clone)]
pub struct ConsoleLocks {
    inner: Arc<Inner>,
    shared: Option<Arc<dyn SharedTerminals>>,
}

/// The same among several processes that use the same containers.
#[async_trait::async_trait]
pub trait SharedTerminals: Send + Sync {
    /// Takes a container's terminal if no other process has it, else says what for.
    async fn try_take(&self, vmid: Vmid, purpose: ConsoleUse) -> Result<TerminalHold, ConsoleUse>;

    /// Waits for a permit to run a command on a node, from this process's share of them.
    async fn command_permit(&self, node: &NodeName) -> TerminalHold;
}

/// A terminal's lock guard, or a permit for a command on a node; released when it is dropped.
pub struct TerminalHold(#[allow(dead_code)] Box<dyn Send + Sync>);

impl TerminalHold {
    /// Gives back what is held when it is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for TerminalHold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminalHold")
    }
}

impl std::fmt::Debug for ConsoleLocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[derive(Debug)]
struct Inner {
    slots: Mutex<HashMap<Vmid, Arc<Slot>>>,
    nodes: Mutex<HashMap<NodeName, Arc<Semaphore>>>,
    execs_per_node: usize,
}

#[derive(Debug, Default)]
struct Slot {
    turn: Arc<tokio::sync::Mutex<()>>,
    holder: AtomicU8,
}

/// The right to a container's terminal, until it is dropped.
#[derive(Debug)]
pub struct ConsoleGuard {
    slot: Arc<Slot>,
    _shared: Option<TerminalHold>,
    _turn: OwnedMutexGuard<()>,
    _node: Option<TerminalHold>,
}

impl Drop for ConsoleGuard {
    fn drop(&mut self) {
        // Before the turn itself, which is dropped after this.
        self.slot.holder.store(0, Ordering::Release);
    }
}

impl Default for ConsoleLocks {
    fn default() -> Self {
        Self::new(8)
    }
}

impl ConsoleLocks {
    /// A registry that lets this many commands run at once on each node, which has a hundred terminal ports in all.
    /// After [`ConsoleLocks::among`] the [`SharedTerminals`] have that number instead.
    pub fn new(execs_per_node: usize) -> Self {
        let inner = Inner {
            slots: Mutex::default(),
            nodes: Mutex::default(),
            execs_per_node: execs_per_node.max(1),
        };
        Self {
            inner: Arc::new(inner),
            shared: None,
        }
    }

    /// The same registry among other processes' ones.
    #[must_use]
    pub fn among(self, shared: Option<Arc<dyn SharedTerminals>>) -> Self {
        Self { shared, ..self }
    }

    /// Takes a container's terminal. Waits up to `patience` while a command has it; an open console is not waited for.
    ///
    /// # Errors
    /// [`ConsoleInUse`] says what has it.
    pub async fn acquire(
        &self,
        node: &NodeName,
        vmid: Vmid,
        purpose: ConsoleUse,
        patience: Duration,
    ) -> Result<ConsoleGuard, ConsoleInUse> {
        let deadline = Instant::now() + patience;
        let slot = self.slot(vmid);
        let turn = match slot.turn.clone().try_lock_owned() {
            Ok(turn) => turn,
            Err(_) if slot.held_by() == Some(ConsoleUse::Console) => return Err(slot.in_use(vmid)),
            Err(_) => timeout_at(deadline, slot.turn.clone().lock_owned())
                .await
                .map_err(|_| slot.in_use(vmid))?,
        };
        let node = match purpose {
            ConsoleUse::Console => None,
            ConsoleUse::Exec => {
                let permit = timeout_at(deadline, self.command_permit(node)).await;
                Some(permit.map_err(|_| slot.in_use(vmid))?)
            }
        };
        let shared = self.take_among_all(vmid, purpose, deadline).await?;
        slot.holder.store(purpose as u8 + 1, Ordering::Release);
        Ok(ConsoleGuard {
            slot,
            _shared: shared,
            _turn: turn,
            _node: node,
        })
    }

    async fn command_permit(&self, node: &NodeName) -> TerminalHold {
        match &self.shared {
            Some(shared) => shared.command_permit(node).await,
            None => {
                let permit = self.node(node).acquire_owned().await;
                TerminalHold::new(permit.expect("the semaphore is never closed"))
            }
        }
    }

    /// By the same rules as within this process.
    async fn take_among_all(
        &self,
        vmid: Vmid,
        purpose: ConsoleUse,
        deadline: Instant,
    ) -> Result<Option<TerminalHold>, ConsoleInUse> {
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

    fn slot(&self, vmid: Vmid) -> Arc<Slot> {
        let mut slots = self
            .inner
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What nobody holds and nobody waits for is referred to by the map alone.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        slots.entry(vmid).or_default().clone()
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

impl Slot {
    fn held_by(&self) -> Option<ConsoleUse> {
        match self.holder.load(Ordering::Acquire) {
            0 => None,
            1 => Some(ConsoleUse::Exec),
            _ => Some(ConsoleUse::Console),
        }
    }

    fn in_use(&self, vmid: Vmid) -> ConsoleInUse {
        in_use(vmid, self.held_by().unwrap_or(ConsoleUse::Exec))
    }
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

    const NO_PATIENCE: Duration = Duration::ZERO;

    fn ids() -> (NodeName, Vmid) {
        ("pve".parse().unwrap(), "101".parse().unwrap())
    }

    #[tokio::test]
    async fn a_command_does_not_wait_for_a_console() {
        let (locks, (node, vmid)) = (ConsoleLocks::default(), ids());
        let console = locks
            .acquire(&node, vmid, ConsoleUse::Console, NO_PATIENCE)
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
            .acquire(&node, vmid, ConsoleUse::Exec, NO_PATIENCE)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn commands_on_one_container_take_turns() {
        let (locks, (node, vmid)) = (ConsoleLocks::default(), ids());
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
        assert!(locks.inner.slots.lock().unwrap().len() <= 1);
        locks.slot("102".parse().unwrap());
        assert_eq!(
            locks.inner.slots.lock().unwrap().len(),
            1,
            "released slots are forgotten"
        );
    }

    #[tokio::test]
    async fn a_node_runs_no_more_commands_than_it_is_allowed() {
        let (locks, (node, _)) = (ConsoleLocks::new(2), ids());
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
