//! Logins at one guest. Few run at a time, one that the server drops is tried again, and after
//! several refusals none is tried for a while, because OpenSSH bans our address for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::{ConnectError, Connection, Login};
use crate::dialer::Dialer;
use crate::error::{GuestError, LOST};

/// Logins under way at once. OpenSSH drops connections from the tenth on (MaxStartups).
const AT_ONCE: u32 = 4;
/// Tries of a connection that the server drops at once without a word.
const DROPPED_TRIES: u32 = 6;
/// The longest pause before a server that drops connections is tried again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// So many refused logins within [`REFUSED_WINDOW`] are enough. OpenSSH from 9.8 on counts five
/// seconds for each and turns our address away from fifteen on.
const REFUSED_LOGINS: usize = 2;
const REFUSED_WINDOW: Duration = Duration::from_secs(300);

pub(crate) struct Logins {
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    refused: VecDeque<(Instant, GuestError)>,
    /// The server dropped a connection because of others that were logging in.
    one_at_a_time: bool,
}

impl Logins {
    pub(crate) fn new() -> Self {
        Self {
            permits: Semaphore::new(AT_ONCE as usize),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// [`GuestError::TooMany`] if others still log in after `wait`.
    pub(crate) async fn connect(
        &self,
        dialer: &Dialer,
        login: &Login<'_>,
        wait: Duration,
    ) -> Result<Connection, GuestError> {
        let by = Instant::now() + wait;
        let permits = if self.state().one_at_a_time {
            AT_ONCE
        } else {
            1
        };
        let mut permit = self.permits(permits, by).await?;
        let mut pause = Duration::from_millis(50);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.check_refused()?;
            match Connection::open(dialer, login).await {
                Ok(connection) => {
                    self.state().refused.clear();
                    return Ok(connection);
                }
                Err(ConnectError::Failed(error)) => {
                    self.note_refusal(&error);
                    return Err(error);
                }
                Err(ConnectError::Dropped { told: true }) if Instant::now() >= by => {
                    return Err(GuestError::TooMany);
                }
                Err(ConnectError::Dropped { told: false }) if attempt == DROPPED_TRIES => {
                    return Err(GuestError::NotSsh);
                }
                Err(ConnectError::Dropped { .. }) => {
                    self.state().one_at_a_time = true;
                    if permit.num_permits() == 1 {
                        drop(permit);
                        permit = self.permits(AT_ONCE, by).await?;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn permits(&self, count: u32, by: Instant) -> Result<SemaphorePermit<'_>, GuestError> {
        let permit = timeout_at(by, self.permits.acquire_many(count)).await;
        permit.map_err(|_| GuestError::TooMany)?.map_err(|_| LOST)
    }

    fn check_refused(&self) -> Result<(), GuestError> {
        let mut state = self.state();
        state
            .refused
            .retain(|(at, _)| at.elapsed() < REFUSED_WINDOW);
        match state.refused.back() {
            Some((_, error)) if state.refused.len() >= REFUSED_LOGINS => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn note_refusal(&self, error: &GuestError) {
        if matches!(error, GuestError::AuthRefused | GuestError::HostKeyMismatch) {
            self.state()
                .refused
                .push_back((Instant::now(), error.clone()));
        }
    }
}
