//! The connections of one lease.
//!
//! russh holds back a whole connection while one of its channels is not read. So there are two
//! classes. *Control* connections are shared, and carry only what always reads: captured commands
//! and SFTP. *Stream* connections carry one channel each, because its reader may stall: a console,
//! a dialled port, a command whose output goes to a slow client.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::channel::{OpenChannel, Place};
use crate::connection::{ConnectError, Connection, Login, OpenError};
use crate::error::{GuestError, LOST};
use crate::pool::{ConnectionCounts, GuestTarget, Shared};

/// Sessions on a control connection, below OpenSSH's MaxSessions of 10: the rest is for ending
/// commands.
const SESSIONS: usize = 8;
/// Control connections that stay open while idle. More are opened while these are full, out of
/// the allowance for streams.
const CONTROLS: usize = 2;
/// Stream and further control connections.
const STREAMS: usize = 32;
/// Logins under way at once. OpenSSH drops connections from the tenth on (MaxStartups).
const HANDSHAKES: u32 = 4;
/// Tries of a connection that the server drops at once without a word.
const DROPPED_TRIES: u32 = 6;
/// The longest pause before a server that drops connections is tried again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// So many refused logins within [`REFUSED_WINDOW`] are enough. OpenSSH bans our address for more.
const REFUSED_LOGINS: usize = 3;
const REFUSED_WINDOW: Duration = Duration::from_secs(300);

pub(crate) struct Lease {
    shared: Arc<Shared>,
    pub(crate) target: GuestTarget,
    state: Mutex<State>,
    /// A place became free, or a connection ended.
    freed: Notify,
    /// One control connection is opened at a time, so that the waiting ones can share it.
    opening: tokio::sync::Mutex<()>,
    handshakes: Semaphore,
}

#[derive(Default)]
struct State {
    closed: bool,
    controls: Vec<Control>,
    /// Beyond [`CONTROLS`] of the control connections.
    streams: usize,
    idle_streams: Vec<(Arc<Connection>, Instant)>,
    connections: Vec<Weak<Connection>>,
    refused: VecDeque<(Instant, GuestError)>,
    /// The server dropped a connection because of others that were logging in.
    one_login_at_a_time: bool,
    sweeping: bool,
}

struct Control {
    connection: Arc<Connection>,
    used: usize,
    capacity: usize,
    idle_since: Instant,
}

impl State {
    fn extra_connections(&self) -> usize {
        self.streams + self.controls.len().saturating_sub(CONTROLS)
    }
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, target: GuestTarget) -> Arc<Self> {
        Arc::new(Self {
            shared,
            target,
            state: Mutex::default(),
            freed: Notify::new(),
            opening: tokio::sync::Mutex::new(()),
            handshakes: Semaphore::new(HANDSHAKES as usize),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session on a control connection.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<OpenChannel, GuestError> {
        let by = Instant::now() + self.shared.limits.wait;
        let (mut lost, mut refused) = (0, 0);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some((place, used)) = self.take_place()? {
                match place.open_session().await {
                    Ok(channel) => return Ok(channel),
                    Err(OpenError::Failed) if used > 1 => {}
                    Err(OpenError::Failed | OpenError::Prohibited) => refused += 1,
                    Err(OpenError::Lost) => lost += 1,
                }
                // One connection may be the fault of a command that does not end.
                if refused >= 2 {
                    return Err(GuestError::RequestRefused);
                }
                if lost >= 3 {
                    return Err(LOST);
                }
                continue;
            }
            if self.may_open_control() {
                let _opening = timeout_at(by, self.opening.lock()).await;
                let _opening = _opening.map_err(|_| GuestError::TooMany)?;
                if self.may_open_control() && !self.has_place() {
                    let connection = self.connect().await?;
                    self.add_control(&connection)?;
                }
                continue;
            }
            timeout_at(by, freed)
                .await
                .map_err(|_| GuestError::TooMany)?;
        }
    }

    /// A place on a connection of its own.
    async fn stream(self: &Arc<Self>) -> Result<Place, GuestError> {
        let by = Instant::now() + self.shared.limits.wait;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(connection) = self.take_idle_stream()? {
                return Ok(Place::stream(self.clone(), connection));
            }
            if let Some(reserved) = self.reserve_stream() {
                let connection = self.connect().await?;
                return Ok(reserved.into_place(connection));
            }
            timeout_at(by, freed)
                .await
                .map_err(|_| GuestError::TooMany)?;
        }
    }

    /// A session on a connection of its own.
    pub(crate) async fn stream_session(self: &Arc<Self>) -> Result<OpenChannel, GuestError> {
        let opened = self.on_stream(None).await?;
        opened.map_err(|_| GuestError::RequestRefused)
    }

    /// A connection to a port of the guest's loopback, on an SSH connection of its own.
    pub(crate) async fn stream_port(
        self: &Arc<Self>,
        port: u16,
    ) -> Result<OpenChannel, GuestError> {
        let opened = self.on_stream(Some(port)).await?;
        opened.map_err(|error| match error {
            OpenError::Failed => GuestError::Refused,
            OpenError::Prohibited | OpenError::Lost => GuestError::ForwardingProhibited,
        })
    }

    /// Opens a channel on a stream connection, to a port or else for a session; on another one if
    /// an idle one turns out to be lost.
    async fn on_stream(
        self: &Arc<Self>,
        port: Option<u16>,
    ) -> Result<Result<OpenChannel, OpenError>, GuestError> {
        for _ in 0..3 {
            let place = self.stream().await?;
            let opened = match port {
                Some(port) => place.open_port(port).await,
                None => place.open_session().await,
            };
            if opened.as_ref().err() != Some(&OpenError::Lost) {
                return Ok(opened);
            }
        }
        Err(LOST)
    }

    fn take_place(self: &Arc<Self>) -> Result<Option<(Place, usize)>, GuestError> {
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        state
            .controls
            .retain(|control| !control.connection.is_closed());
        let control = state
            .controls
            .iter_mut()
            .find(|control| control.used < control.capacity);
        Ok(control.map(|control| {
            control.used += 1;
            (
                Place::control(self.clone(), control.connection.clone()),
                control.used,
            )
        }))
    }

    fn has_place(&self) -> bool {
        let free =
            |control: &Control| control.used < control.capacity && !control.connection.is_closed();
        self.state().controls.iter().any(free)
    }

    fn may_open_control(&self) -> bool {
        let state = self.state();
        state.controls.len() < CONTROLS || state.extra_connections() < STREAMS
    }

    fn add_control(self: &Arc<Self>, connection: &Arc<Connection>) -> Result<(), GuestError> {
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        state.controls.push(Control {
            connection: connection.clone(),
            used: 0,
            capacity: SESSIONS,
            idle_since: Instant::now(),
        });
        drop(state);
        self.freed.notify_waiters();
        Ok(())
    }

    fn take_idle_stream(&self) -> Result<Option<Arc<Connection>>, GuestError> {
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        while let Some((connection, _)) = state.idle_streams.pop() {
            if !connection.is_closed() {
                return Ok(Some(connection));
            }
            state.streams -= 1;
        }
        Ok(None)
    }

    fn reserve_stream(self: &Arc<Self>) -> Option<ReservedStream> {
        let mut state = self.state();
        if state.extra_connections() >= STREAMS {
            return None;
        }
        state.streams += 1;
        Some(ReservedStream(Some(self.clone())))
    }

    /// Gives back a session's place. `full` if the server had no room for it.
    pub(crate) fn release_control(&self, connection: &Arc<Connection>, ended: PlaceEnd) {
        let mut state = self.state();
        let same = |control: &Control| Arc::ptr_eq(&control.connection, connection);
        if let Some(index) = state.controls.iter().position(same) {
            let control = &mut state.controls[index];
            match ended {
                PlaceEnd::InOrder => {}
                PlaceEnd::Full => control.capacity = control.capacity.min(control.used - 1),
                PlaceEnd::ClosedByUs if !connection.is_worn() => {}
                PlaceEnd::ClosedByUs => control.capacity = 0,
                PlaceEnd::Broken => control.capacity = 0,
            }
            control.used -= 1;
            control.idle_since = Instant::now();
            if control.used == 0 && control.capacity == 0 {
                state.controls.swap_remove(index);
            }
        }
        drop(state);
        self.freed.notify_waiters();
    }

    /// Gives back a stream's connection, which is kept for the next one if it ended in order.
    pub(crate) fn release_stream(&self, connection: Option<Arc<Connection>>) {
        let mut state = self.state();
        match connection {
            Some(connection) if !state.closed && !connection.is_closed() => {
                state.idle_streams.push((connection, Instant::now()));
            }
            _ => state.streams -= 1,
        }
        drop(state);
        self.freed.notify_waiters();
    }

    async fn connect(self: &Arc<Self>) -> Result<Arc<Connection>, GuestError> {
        let by = Instant::now() + self.shared.limits.wait;
        let permits = if self.state().one_login_at_a_time {
            HANDSHAKES
        } else {
            1
        };
        let permit = timeout_at(by, self.handshakes.acquire_many(permits)).await;
        let mut permit = permit.map_err(|_| GuestError::TooMany)?.map_err(|_| LOST)?;
        let mut pause = Duration::from_millis(50);
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.log_in().await {
                Ok(connection) => return self.adopt(connection),
                Err(ConnectError::Failed(error)) => {
                    tracing::debug!(lease.id = %self.target.lease_id, %error, "no login");
                    self.note_failure(&error);
                    return Err(error);
                }
                // While others log in, OpenSSH drops some of those that come (MaxStartups).
                Err(ConnectError::Dropped { told }) => {
                    if told && Instant::now() >= by {
                        return Err(GuestError::TooMany);
                    }
                    if !told && attempt == DROPPED_TRIES {
                        return Err(GuestError::NotSsh);
                    }
                    self.state().one_login_at_a_time = true;
                    if permit.num_permits() == 1 {
                        drop(permit);
                        let all = timeout_at(by, self.handshakes.acquire_many(HANDSHAKES)).await;
                        permit = all.map_err(|_| GuestError::TooMany)?.map_err(|_| LOST)?;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn log_in(&self) -> Result<Connection, ConnectError> {
        self.check_refused()?;
        let login = Login {
            address: SocketAddr::new(self.target.address, self.target.port),
            user: &self.shared.login,
            key: &self.target.key,
            host_keys: &self.target.host_keys,
        };
        let started = Instant::now();
        let connection = Connection::open(&self.shared.dialer, &login).await?;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(lease.id = %self.target.lease_id, elapsed_ms, "logged in");
        Ok(connection)
    }

    fn adopt(self: &Arc<Self>, connection: Connection) -> Result<Arc<Connection>, GuestError> {
        let connection = Arc::new(connection);
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        state.refused.clear();
        state
            .connections
            .retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Ok(connection)
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

    fn note_failure(&self, error: &GuestError) {
        if matches!(error, GuestError::AuthRefused | GuestError::HostKeyMismatch) {
            self.state()
                .refused
                .push_back((Instant::now(), error.clone()));
        }
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for connection in state
            .connections
            .drain(..)
            .filter_map(|weak| weak.upgrade())
        {
            connection.abort();
        }
        state.controls.clear();
        state.streams -= state.idle_streams.len();
        state.idle_streams.clear();
        drop(state);
        self.freed.notify_waiters();
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        let state = self.state();
        ConnectionCounts {
            control: state.controls.len(),
            stream: state.streams,
            idle: state.idle_streams.len()
                + state
                    .controls
                    .iter()
                    .filter(|control| control.used == 0)
                    .count(),
        }
    }

    /// Closes what has been idle for long enough. `false` once nothing is left to watch.
    fn close_idle(&self) -> bool {
        let limits = &self.shared.limits;
        let mut state = self.state();
        let mut kept = 0;
        state.controls.retain(|control| {
            let limit = if kept < CONTROLS {
                limits.control_idle
            } else {
                limits.stream_idle
            };
            let idle = control.used == 0 && control.idle_since.elapsed() >= limit;
            let keep = !idle && !control.connection.is_closed();
            kept += usize::from(keep);
            keep
        });
        let before = state.idle_streams.len();
        state.idle_streams.retain(|(connection, since)| {
            since.elapsed() < limits.stream_idle && !connection.is_closed()
        });
        state.streams -= before - state.idle_streams.len();
        state.sweeping = !state.controls.is_empty() || state.streams > 0;
        let sweeping = state.sweeping;
        drop(state);
        self.freed.notify_waiters();
        sweeping
    }
}

async fn sweep(lease: Weak<Lease>) {
    loop {
        let Some(pause) = lease.upgrade().map(|lease| lease.shared.limits.sweep()) else {
            return;
        };
        sleep(pause).await;
        if !lease.upgrade().is_some_and(|lease| lease.close_idle()) {
            return;
        }
    }
}

/// How a place on a connection was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceEnd {
    /// The server closed the channel.
    InOrder,
    /// We closed the channel before the server did.
    ClosedByUs,
    /// The server had no room for the channel.
    Full,
    /// The channel's state at the server is unknown: nothing new goes onto the connection.
    Broken,
}

/// The right to open a stream connection, given back if none comes of it.
struct ReservedStream(Option<Arc<Lease>>);

impl ReservedStream {
    fn into_place(mut self, connection: Arc<Connection>) -> Place {
        let lease = self.0.take().expect("taken once, here");
        Place::stream(lease, connection)
    }
}

impl Drop for ReservedStream {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            lease.release_stream(None);
        }
    }
}
