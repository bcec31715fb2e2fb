//! The open connections of one lease, and who has a place on them. Nothing here waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, futures::Notified};
use tokio::time::{Instant, sleep};

use crate::connection::Connection;
use crate::error::{GuestError, LOST};
use crate::target::{ConnectionCounts, Limits};

/// Sessions on a control connection, below OpenSSH's MaxSessions of 10: the rest is for ending
/// commands.
const SESSIONS: usize = 8;
/// Control connections that stay open while idle. More are opened while these are full, out of
/// the allowance for streams.
const CONTROLS: usize = 2;
/// Stream and further control connections.
const STREAMS: usize = 32;

/// The connections of one lease.
#[derive(Default)]
pub(crate) struct Slots {
    state: Mutex<State>,
    /// A place became free, or a connection ended.
    freed: Notify,
}

#[derive(Default)]
struct State {
    closed: bool,
    controls: Vec<Control>,
    /// Stream connections, with those that are being opened.
    streams: usize,
    idle_streams: Vec<(Arc<Connection>, Instant)>,
    /// All connections, to end them.
    connections: Vec<Weak<Connection>>,
    sweeping: bool,
}

struct Control {
    connection: Arc<Connection>,
    used: usize,
    capacity: usize,
    idle_since: Instant,
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

impl Slots {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place to become free, from the call on.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// A place for a session on a control connection, and how many are in use on it then. It has
    /// to be given back by [`Self::release_control`].
    ///
    /// # Errors
    /// The lease is forgotten.
    pub(crate) fn take_control(&self) -> Result<Option<(Arc<Connection>, usize)>, GuestError> {
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        state
            .controls
            .retain(|control| !control.connection.is_closed());
        let free = state
            .controls
            .iter_mut()
            .find(|control| control.used < control.capacity);
        Ok(free.map(|control| {
            control.used += 1;
            (control.connection.clone(), control.used)
        }))
    }

    /// Whether a control connection is missing and may be opened.
    pub(crate) fn wants_control(&self) -> bool {
        let state = self.state();
        let free =
            |control: &Control| control.used < control.capacity && !control.connection.is_closed();
        let room = state.controls.len() < CONTROLS || state.extra_connections() < STREAMS;
        room && !state.controls.iter().any(free)
    }

    /// Whether there are control connections that work, all of whose places are taken.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state();
        let mut alive = state
            .controls
            .iter()
            .filter(|control| control.capacity > 0 && !control.connection.is_closed())
            .peekable();
        alive.peek().is_some() && alive.all(|control| control.used >= control.capacity)
    }

    /// Whether a connection is open.
    pub(crate) fn is_connected(&self) -> bool {
        let state = self.state();
        let mut open = state.connections.iter().filter_map(Weak::upgrade);
        open.any(|connection| !connection.is_closed())
    }

    /// Whether one more control connection may be opened.
    pub(crate) fn has_room_for_control(&self) -> bool {
        let state = self.state();
        state.controls.len() < CONTROLS || state.extra_connections() < STREAMS
    }

    /// Adds a control connection for all to use.
    pub(crate) fn add_control(&self, connection: Arc<Connection>) {
        self.state().controls.push(Control {
            connection,
            used: 0,
            capacity: SESSIONS,
            idle_since: Instant::now(),
        });
        self.freed.notify_waiters();
    }

    /// An idle stream connection.
    ///
    /// # Errors
    /// The lease is forgotten.
    pub(crate) fn take_stream(&self) -> Result<Option<Arc<Connection>>, GuestError> {
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

    /// The right to open a stream connection.
    pub(crate) fn reserve_stream(self: &Arc<Self>) -> Option<StreamReservation> {
        let mut state = self.state();
        if state.extra_connections() >= STREAMS {
            return None;
        }
        state.streams += 1;
        Some(StreamReservation(Some(self.clone())))
    }

    /// Gives back a session's place.
    pub(crate) fn release_control(&self, connection: &Arc<Connection>, end: PlaceEnd) {
        let mut state = self.state();
        let same = |control: &Control| Arc::ptr_eq(&control.connection, connection);
        if let Some(index) = state.controls.iter().position(same) {
            let control = &mut state.controls[index];
            match end {
                PlaceEnd::InOrder => {}
                PlaceEnd::Full => control.capacity = control.capacity.min(control.used - 1),
                PlaceEnd::ClosedByUs if !connection.is_worn() => {}
                PlaceEnd::ClosedByUs | PlaceEnd::Broken => control.capacity = 0,
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

    /// Gives back a stream's connection, which is kept for the next one unless its state is
    /// unknown.
    pub(crate) fn release_stream(&self, connection: &Arc<Connection>, end: PlaceEnd) {
        // A stream's connection has one channel at a time, so a port that refused it leaves it as
        // it was.
        let keep = end != PlaceEnd::Broken && !connection.is_worn() && !connection.is_closed();
        let mut state = self.state();
        if keep && !state.closed {
            state
                .idle_streams
                .push((connection.clone(), Instant::now()));
        } else {
            state.streams -= 1;
        }
        drop(state);
        self.freed.notify_waiters();
    }

    fn release_reservation(&self) {
        self.state().streams -= 1;
        self.freed.notify_waiters();
    }

    /// Takes charge of a new connection, so that it ends with the lease and when it is idle.
    ///
    /// # Errors
    /// The lease was forgotten meanwhile.
    pub(crate) fn adopt(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        limits: Limits,
    ) -> Result<(), GuestError> {
        let mut state = self.state();
        if state.closed {
            return Err(LOST);
        }
        state
            .connections
            .retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(connection));
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self), limits));
        }
        Ok(())
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
        let idle = state
            .controls
            .iter()
            .filter(|control| control.used == 0)
            .count();
        ConnectionCounts {
            control: state.controls.len(),
            stream: state.streams,
            idle: state.idle_streams.len() + idle,
        }
    }

    /// Closes what has been idle for long enough. `false` once nothing is left to watch.
    fn close_idle(&self, limits: &Limits) -> bool {
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

impl State {
    fn extra_connections(&self) -> usize {
        self.streams + self.controls.len().saturating_sub(CONTROLS)
    }
}

async fn sweep(slots: Weak<Slots>, limits: Limits) {
    let pause: Duration = limits.sweep();
    loop {
        sleep(pause).await;
        if !slots
            .upgrade()
            .is_some_and(|slots| slots.close_idle(&limits))
        {
            return;
        }
    }
}

/// The right to open a stream connection, given back if none comes of it.
pub(crate) struct StreamReservation(Option<Arc<Slots>>);

impl StreamReservation {
    /// The connection is open and counts itself.
    pub(crate) fn used(mut self) {
        self.0 = None;
    }
}

impl Drop for StreamReservation {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.release_reservation();
        }
    }
}
