//! Takes a console over from another replica: the newest visitor has it there as well as here.

use std::time::Duration;

use pve::{ConsoleUse, TerminalError, terminal::ConsoleSession};
use tokio::time::{Instant, sleep};

use crate::{ids::LeaseId, lease::locate::Place, state::App, store::AdvisoryLocks};

const WORD: &str = "console ";
/// How long a command that has the terminal is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a visitor at another replica may take to leave.
const LEAVE: Duration = Duration::from_secs(10);
/// How often the terminal is looked at until then.
const POLL: Duration = Duration::from_millis(200);

/// Opens a lease's terminal. A person who has it at another replica is asked to leave, and waited for.
///
/// # Errors
/// As [`pve::Consoles::open`].
pub(super) async fn open(
    app: &App,
    lease_id: &LeaseId,
    place: &Place,
    size: (u16, u16),
) -> Result<ConsoleSession, TerminalError> {
    let consoles = &app.proxmox.consoles;
    let mut until = None;
    loop {
        let opened = consoles.open(&place.node, place.vmid, size, PATIENCE).await;
        let (Err(TerminalError::InUse(in_use)), Some(locks)) = (&opened, &app.advisory_locks)
        else {
            return opened;
        };
        if in_use.by != ConsoleUse::Console {
            return opened;
        }
        match until {
            None => {
                locks.notify(&format!("{WORD}{lease_id}")).await;
                until = Some(Instant::now() + LEAVE);
            }
            Some(until) if Instant::now() >= until => return opened,
            Some(_) => {}
        }
        sleep(POLL).await;
    }
}

/// Lets visitors here leave when others come at another replica, until the process ends.
pub async fn listen(app: App, locks: AdvisoryLocks) {
    let mut words = locks.notifications();
    loop {
        match words.recv().await {
            Ok(words) => {
                if let Some(lease_id) = words.strip_prefix(WORD) {
                    app.consoles.give_up(&lease_id.into());
                }
            }
            // Whoever was missed stays until the end of theirs is noticed.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}
