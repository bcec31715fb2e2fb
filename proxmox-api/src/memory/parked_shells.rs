//! Shells over SSH whose console's connection was lost. They wait for it to come back with its
//! resume ticket, and nothing is read from them meanwhile, so that their output waits in the
//! container. A connection that comes back before the loss of the one before was noticed gets the
//! shell as well. `console` fills this in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::guest::{ShellReader, ShellWriter};
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::ids::LeaseId;

/// How long a console that is open may take to leave its shell.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A shell that waits.
pub struct ParkedShell {
    /// The lease in whose container it is.
    pub lease_id: LeaseId,
    /// What it shows.
    pub reader: ShellReader,
    /// What is typed into it.
    pub writer: ShellWriter,
    /// Output that the client has perhaps not received.
    pub unsent: Option<Bytes>,
}

enum Shell {
    /// Its console is open; taken when that is asked to leave.
    Open(Option<oneshot::Sender<()>>),
    Parked(ParkedShell),
}

/// The shells, by the hash of the ticket that resumes them. Clones share them.
#[derive(Clone, Default)]
pub struct ParkedShells(Arc<Shells>);

#[derive(Default)]
struct Shells {
    all: Mutex<HashMap<String, Shell>>,
    /// Wakes those who wait for an open console to leave.
    left: Notify,
}

/// The shell of a console that is open. Dropped, the shell is gone.
pub struct OpenShell {
    shells: ParkedShells,
    ticket_hash: String,
    wanted: oneshot::Receiver<()>,
}

impl OpenShell {
    /// Completes when a connection has come back for the shell.
    pub async fn wanted(&mut self) {
        if (&mut self.wanted).await.is_err() {
            // The sender goes without a word only with the registry.
            std::future::pending::<()>().await;
        }
    }

    /// Keeps the shell until it is taken, for `keep` at most; then it is hung up on.
    pub fn park(self, shell: ParkedShell, keep: Duration) {
        let hash = self.ticket_hash.clone();
        let shells = self.shells.clone();
        shells.all().insert(hash.clone(), Shell::Parked(shell));
        shells.0.left.notify_waiters();
        tokio::spawn(async move {
            tokio::time::sleep(keep).await;
            drop(shells.all().remove(&hash));
        });
    }
}

impl Drop for OpenShell {
    fn drop(&mut self) {
        let mut all = self.shells.all();
        if matches!(all.get(&self.ticket_hash), Some(Shell::Open(_))) {
            all.remove(&self.ticket_hash);
            drop(all);
            self.shells.0.left.notify_waiters();
        }
    }
}

impl ParkedShells {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Shell>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A console with a shell was opened, which this ticket resumes.
    pub fn open(&self, ticket_hash: &str) -> OpenShell {
        let (want, wanted) = oneshot::channel();
        let shell = Shell::Open(Some(want));
        self.all().insert(ticket_hash.to_owned(), shell);
        OpenShell {
            shells: self.clone(),
            ticket_hash: ticket_hash.to_owned(),
            wanted,
        }
    }

    /// The shell that this ticket resumes. One whose console is still open is asked for, and waited
    /// for. A ticket is used once, so its hash is not used again.
    pub async fn take(&self, ticket_hash: &str) -> Option<ParkedShell> {
        let wait = async {
            loop {
                let left = self.0.left.notified();
                match self.take_now(ticket_hash) {
                    Ok(taken) => return taken,
                    Err(StillOpen) => left.await,
                }
            }
        };
        timeout(LEAVE_TIMEOUT, wait).await.ok().flatten()
    }

    fn take_now(&self, ticket_hash: &str) -> Result<Option<ParkedShell>, StillOpen> {
        let mut all = self.all();
        match all.get_mut(ticket_hash) {
            None => Ok(None),
            Some(Shell::Open(want)) => {
                if let Some(want) = want.take() {
                    // It may be leaving by itself.
                    let _ = want.send(());
                }
                Err(StillOpen)
            }
            Some(Shell::Parked(_)) => Ok(match all.remove(ticket_hash) {
                Some(Shell::Parked(shell)) => Some(shell),
                _ => None,
            }),
        }
    }

    /// Hangs up on all shells in a lease's container that wait.
    pub fn forget(&self, lease_id: &LeaseId) {
        self.all().retain(|_, shell| match shell {
            Shell::Open(_) => true,
            Shell::Parked(shell) => shell.lease_id != *lease_id,
        });
    }
}

/// The console has not left its shell yet.
struct StillOpen;
