//! The channels of one lease.
//!
//! russh holds back a whole connection while one of its channels is not read. So there are two
//! classes. *Control* connections are shared, and carry only what always reads: captured commands
//! and SFTP. *Stream* connections carry one channel each, because its reader may stall: a console,
//! a dialled port, a command whose output goes to a slow client.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::channel::{OpenChannel, Place};
use crate::connection::{Connection, Login, OpenError};
use crate::error::{GuestError, LOST};
use crate::logins::Logins;
use crate::slots::Slots;
use crate::target::{ConnectionCounts, GuestTarget, Shared};

/// So many sessions refused on connections without others mean that there are none.
const REFUSED_SESSIONS: u32 = 2;
/// So many connections lost while a channel is opened are not all chance.
const LOST_CONNECTIONS: u32 = 3;

pub(crate) struct Lease {
    shared: Arc<Shared>,
    target: GuestTarget,
    slots: Arc<Slots>,
    logins: Logins,
    /// One control connection is opened at a time, so that the waiting ones can share it.
    opening: tokio::sync::Mutex<()>,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, target: GuestTarget) -> Self {
        Self {
            shared,
            target,
            slots: Arc::default(),
            logins: Logins::new(),
            opening: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn target(&self) -> &GuestTarget {
        &self.target
    }

    /// A session on a control connection.
    pub(crate) async fn session(&self) -> Result<OpenChannel, GuestError> {
        let by = Instant::now() + self.shared.limits.wait;
        let (mut lost, mut refused) = (0, 0);
        loop {
            let freed = self.slots.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some((connection, used)) = self.slots.take_control()? {
                let place = Place::control(self.slots.clone(), connection);
                match place.open_session().await {
                    Ok(channel) => return Ok(channel),
                    // Others have the room.
                    Err(OpenError::Failed) if used > 1 => {}
                    Err(OpenError::Failed | OpenError::Prohibited) => refused += 1,
                    Err(OpenError::Lost) => lost += 1,
                }
                if refused >= REFUSED_SESSIONS {
                    return Err(GuestError::RequestRefused);
                }
                if lost >= LOST_CONNECTIONS {
                    return Err(LOST);
                }
            } else if self.slots.has_room_for_control() {
                let opening = timeout_at(by, self.opening.lock()).await;
                let _opening = opening.map_err(|_| GuestError::TooMany)?;
                // Another one may have opened it meanwhile.
                if self.slots.wants_control() {
                    let connection = self.connect().await?;
                    self.slots.add_control(connection);
                }
            } else {
                timeout_at(by, freed)
                    .await
                    .map_err(|_| GuestError::TooMany)?;
            }
        }
    }

    /// Whether the guest has proved its host key on a connection that is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.slots.is_connected()
    }

    /// Whether all sessions of the control connections are in use.
    pub(crate) fn is_busy(&self) -> bool {
        self.slots.is_busy()
    }

    /// A session on a connection of its own.
    pub(crate) async fn stream_session(&self) -> Result<OpenChannel, GuestError> {
        let opened = self.on_stream(None).await?;
        opened.map_err(|_| GuestError::RequestRefused)
    }

    /// A connection to a port of the guest's loopback, on an SSH connection of its own.
    pub(crate) async fn stream_port(&self, port: u16) -> Result<OpenChannel, GuestError> {
        let opened = self.on_stream(Some(port)).await?;
        opened.map_err(|error| match error {
            OpenError::Failed => GuestError::Refused,
            OpenError::Prohibited | OpenError::Lost => GuestError::ForwardingProhibited,
        })
    }

    /// Opens a channel on a stream connection, to a port or else for a session; on another one if
    /// an idle one turns out to be lost.
    async fn on_stream(
        &self,
        port: Option<u16>,
    ) -> Result<Result<OpenChannel, OpenError>, GuestError> {
        for _ in 0..LOST_CONNECTIONS {
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

    /// A place on a connection of its own.
    async fn stream(&self) -> Result<Place, GuestError> {
        let by = Instant::now() + self.shared.limits.wait;
        loop {
            let freed = self.slots.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(connection) = self.slots.take_stream()? {
                return Ok(Place::stream(self.slots.clone(), connection));
            }
            if let Some(reservation) = self.slots.reserve_stream() {
                let connection = self.connect().await?;
                reservation.used();
                return Ok(Place::stream(self.slots.clone(), connection));
            }
            timeout_at(by, freed)
                .await
                .map_err(|_| GuestError::TooMany)?;
        }
    }

    async fn connect(&self) -> Result<Arc<Connection>, GuestError> {
        let login = Login {
            address: SocketAddr::new(self.target.address, self.target.port),
            user: &self.shared.login,
            key: &self.target.key,
            host_keys: &self.target.host_keys,
        };
        let limits = self.shared.limits;
        let started = Instant::now();
        let connection = self
            .logins
            .connect(&self.shared.dialer, &login, limits.wait)
            .await;
        let connection = connection.inspect_err(|error| {
            tracing::debug!(lease.id = %self.target.lease_id, %error, "no login at the guest");
        })?;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(lease.id = %self.target.lease_id, elapsed_ms, "logged in at the guest");
        let connection = Arc::new(connection);
        self.slots.adopt(&connection, limits)?;
        Ok(connection)
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn close(&self) {
        self.slots.close();
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        self.slots.counts()
    }
}
