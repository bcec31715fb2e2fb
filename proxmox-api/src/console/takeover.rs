//! Takes a console over from another replica, so that the newest connection has it among replicas
//! too.

use std::time::Duration;

use pve::{ConsoleUse, TerminalError, terminal::ConsoleSession};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    ids::LeaseId, keys, memory::locations::ContainerLocation, state::App, store::AdvisoryLocks,
};

const GIVE_UP_MESSAGE: &str = "console ";
const KEY_MESSAGE: &str = keys::MESSAGE;
/// How long a command that has the terminal is waited for.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the service's own reading of host keys is waited for: it ends by itself, or its terminal
/// is dead.
const READING_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a console at another replica may take to close.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the terminal is tried until then.
const POLL: Duration = Duration::from_millis(200);

/// Opens a lease's terminal. A console at another replica is asked to close, and waited for.
///
/// # Errors
/// As [`pve::Consoles::open`].
pub(super) async fn open(
    app: &App,
    lease_id: &LeaseId,
    location: &ContainerLocation,
    size: (u16, u16),
) -> Result<ConsoleSession, TerminalError> {
    // The customer cannot know of it, and gets no refusal because of it.
    let reading = app.guest_routes.reading_ends(lease_id);
    if timeout(READING_TIMEOUT, reading).await.is_err() {
        tracing::warn!(
            lease.id = lease_id.as_str(),
            "the reading of host keys does not end; a console does not wait for it any longer"
        );
    }
    let consoles = &app.proxmox.consoles;
    let mut until = None;
    loop {
        let opened = consoles
            .open(&location.node, location.vmid, size, TERMINAL_TIMEOUT)
            .await;
        let (Err(TerminalError::InUse(in_use)), Some(locks)) = (&opened, &app.advisory_locks)
        else {
            return opened;
        };
        if in_use.by != ConsoleUse::Console {
            return opened;
        }
        match until {
            None => {
                locks.notify(&format!("{GIVE_UP_MESSAGE}{lease_id}")).await;
                until = Some(Instant::now() + LEAVE_TIMEOUT);
            }
            Some(until) if Instant::now() >= until => return opened,
            Some(_) => {}
        }
        sleep(POLL).await;
    }
}

/// Closes consoles here that were opened at another replica, until the process ends.
pub async fn listen(app: App, locks: AdvisoryLocks) {
    let mut words = locks.notifications();
    loop {
        match words.recv().await {
            Ok(words) => {
                if let Some(lease_id) = words.strip_prefix(GIVE_UP_MESSAGE) {
                    app.consoles.give_up(&lease_id.into());
                } else if let Some(key_id) = words.strip_prefix(KEY_MESSAGE) {
                    app.key_ends.announce(&key_id.into());
                }
            }
            // A console whose message was missed stays until its connection ends.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}
