//! Consoles as a service uses them: exclusive per container, by API token where the host accepts
//! that, else by the account that is kept for consoles on older hosts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::refusal::Refusal;
use crate::terminal::error::TerminalError;
use crate::terminal::locks::{ConsoleUse, TerminalLockGuard, TerminalLocks};
use crate::terminal::stream::Terminal;

/// Opens terminals and runs commands. Clones share the locks.
#[derive(Clone, Debug)]
pub struct Consoles {
    client: Client,
    fallback: Option<Client>,
    locks: TerminalLocks,
    use_fallback: Arc<AtomicBool>,
    /// Containers in whose terminal a lost command of this process may still run.
    left_behind: Arc<Mutex<HashSet<Vmid>>>,
}

/// An open terminal together with the right to it.
#[derive(Debug)]
pub struct ConsoleSession {
    /// The terminal.
    pub terminal: Terminal,
    /// The right to it; keep it for as long as the terminal is used.
    pub guard: TerminalLockGuard,
}

impl Consoles {
    /// Terminals by `client`, and by `fallback` once the host has turned out not to accept the
    /// former.
    pub fn new(client: Client, fallback: Option<Client>, locks: TerminalLocks) -> Self {
        Self {
            client,
            fallback,
            locks,
            use_fallback: Arc::default(),
            left_behind: Arc::default(),
        }
    }

    /// The registry of terminals in use.
    pub fn locks(&self) -> &TerminalLocks {
        &self.locks
    }

    /// The client that everything but consoles uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens a terminal for a person. Waits up to `timeout` for a command that has it.
    ///
    /// # Errors
    /// [`TerminalError::InUse`], [`TerminalError::NotRunning`]; see [`TerminalError`].
    pub async fn open(
        &self,
        node: &NodeName,
        vmid: Vmid,
        size: (u16, u16),
        timeout: Duration,
    ) -> Result<ConsoleSession, TerminalError> {
        let guard = self
            .locks
            .acquire(node, vmid, ConsoleUse::Console, timeout)
            .await?;
        // The host opens a terminal of a stopped container too, and shows an error message in it.
        if !self.client.container(node, vmid).await?.is_running() {
            return Err(TerminalError::NotRunning);
        }
        if self.has_left_behind(vmid) {
            self.end_left_behind(node, vmid).await;
        }
        let terminal = self.terminal(node, vmid, size).await?;
        Ok(ConsoleSession { terminal, guard })
    }

    /// Whether a lost command of this process may still run in the container's terminal.
    pub(crate) fn has_left_behind(&self, vmid: Vmid) -> bool {
        self.left().contains(&vmid)
    }

    /// Records or clears that.
    pub(crate) fn set_left_behind(&self, vmid: Vmid, left: bool) {
        if left {
            self.left().insert(vmid);
        } else {
            self.left().remove(&vmid);
        }
    }

    fn left(&self) -> MutexGuard<'_, HashSet<Vmid>> {
        self.left_behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a terminal with the first account that the host accepts. The caller holds the lock.
    pub(crate) async fn terminal(
        &self,
        node: &NodeName,
        vmid: Vmid,
        (cols, rows): (u16, u16),
    ) -> Result<Terminal, TerminalError> {
        let Some(fallback) = &self.fallback else {
            return self.client.terminal(node, vmid, cols, rows).await;
        };
        if self.use_fallback.load(Ordering::Relaxed) {
            return fallback.terminal(node, vmid, cols, rows).await;
        }
        match self.client.terminal(node, vmid, cols, rows).await {
            Err(refused) if is_about_the_account(&refused) => {
                tracing::warn!(
                    account = self.client.account(),
                    fallback = fallback.account(),
                    error = %refused,
                    "the host refused a console; the account for consoles is tried"
                );
                let terminal = fallback.terminal(node, vmid, cols, rows).await?;
                self.use_fallback.store(true, Ordering::Relaxed);
                Ok(terminal)
            }
            result => result,
        }
    }
}

fn is_about_the_account(error: &TerminalError) -> bool {
    match error {
        TerminalError::AuthUnsupported { .. } => true,
        TerminalError::Api(Error::Refused { kind, .. }) => {
            matches!(kind, Refusal::Unauthorized | Refusal::Forbidden { .. })
        }
        _ => false,
    }
}
