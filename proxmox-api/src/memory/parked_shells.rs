//! Shells over SSH whose console's connection was lost. They wait for it to come back with its
//! resume ticket, and nothing is read from them meanwhile, so that their output waits in the
//! container. `console` fills this in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::guest::{ShellReader, ShellWriter};
use bytes::Bytes;

use crate::ids::LeaseId;

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

/// The shells that wait, by the hash of the ticket that resumes them. Clones share them.
#[derive(Clone, Default)]
pub struct ParkedShells(Arc<Mutex<HashMap<String, ParkedShell>>>);

impl ParkedShells {
    fn all(&self) -> MutexGuard<'_, HashMap<String, ParkedShell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a shell until it is taken, for `keep` at most; then it is hung up on.
    pub fn park(&self, ticket_hash: &str, shell: ParkedShell, keep: Duration) {
        self.all().insert(ticket_hash.to_owned(), shell);
        let (shells, hash) = (self.clone(), ticket_hash.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(keep).await;
            drop(shells.take(&hash));
        });
    }

    /// The shell that this ticket resumes. A ticket is used once, so its hash is not used again.
    pub fn take(&self, ticket_hash: &str) -> Option<ParkedShell> {
        self.all().remove(ticket_hash)
    }

    /// Hangs up on all shells in a lease's container.
    pub fn forget(&self, lease_id: &LeaseId) {
        self.all().retain(|_, shell| shell.lease_id != *lease_id);
    }
}
