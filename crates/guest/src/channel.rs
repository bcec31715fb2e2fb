//! A channel and its place on a connection, given back only once the server has closed it too:
//! until then the server counts it.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connection::{Connection, OpenError};
use crate::slots::{PlaceEnd, Slots};

/// How long the server may take to close a channel that we closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to close a channel after the end of its input.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// The right to one channel on a connection. Unless it is told otherwise, a dropped place is
/// broken: whether the server opened a channel for it is unknown.
pub(crate) struct Place {
    slots: Arc<Slots>,
    connection: Arc<Connection>,
    class: Class,
    end: PlaceEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Control,
    Stream,
}

impl Place {
    pub(crate) fn control(slots: Arc<Slots>, connection: Arc<Connection>) -> Self {
        Self::new(slots, connection, Class::Control)
    }

    pub(crate) fn stream(slots: Arc<Slots>, connection: Arc<Connection>) -> Self {
        Self::new(slots, connection, Class::Stream)
    }

    fn new(slots: Arc<Slots>, connection: Arc<Connection>, class: Class) -> Self {
        Self {
            slots,
            connection,
            class,
            end: PlaceEnd::Broken,
        }
    }

    pub(crate) async fn open_session(self) -> Result<OpenChannel, OpenError> {
        let channel = self.connection.open_session().await;
        self.occupied(channel)
    }

    pub(crate) async fn open_port(self, port: u16) -> Result<OpenChannel, OpenError> {
        let channel = self.connection.open_port(port).await;
        self.occupied(channel)
    }

    fn occupied(
        mut self,
        channel: Result<Channel<Msg>, OpenError>,
    ) -> Result<OpenChannel, OpenError> {
        match channel {
            Ok(channel) => {
                let (read, write) = channel.split();
                Ok(OpenChannel {
                    parts: Some((read, Arc::new(write), self)),
                    ends_with_input: false,
                })
            }
            Err(error) => {
                self.end = match error {
                    OpenError::Failed => PlaceEnd::Full,
                    OpenError::Prohibited => PlaceEnd::InOrder,
                    OpenError::Lost => PlaceEnd::Broken,
                };
                Err(error)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self.class {
            Class::Control => self.slots.release_control(&self.connection, self.end),
            Class::Stream => self.slots.release_stream(&self.connection, self.end),
        }
    }
}

/// An open channel. Dropping it closes it.
pub(crate) struct OpenChannel {
    parts: Option<(ChannelReadHalf, Arc<ChannelWriteHalf<Msg>>, Place)>,
    /// What runs in it ends by itself once its input ends.
    ends_with_input: bool,
}

impl OpenChannel {
    /// Both halves, to read and write at the same time.
    pub(crate) fn halves(&mut self) -> (&mut ChannelReadHalf, &ChannelWriteHalf<Msg>) {
        let (read, write, _) = self.parts.as_mut().expect("taken only by Drop");
        (read, write)
    }

    /// The writing half, for those that write apart from the reader.
    pub(crate) fn writer(&self) -> Arc<ChannelWriteHalf<Msg>> {
        let (_, write, _) = self.parts.as_ref().expect("taken only by Drop");
        write.clone()
    }

    /// The connection, to end on it what runs in the channel.
    pub(crate) fn connection(&self) -> Arc<Connection> {
        let (_, _, place) = self.parts.as_ref().expect("taken only by Drop");
        place.connection.clone()
    }

    /// Lets the server close the channel after the end of the input.
    pub(crate) fn ends_with_input(mut self) -> Self {
        self.ends_with_input = true;
        self
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let Some((mut read, write, mut place)) = self.parts.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let ends_with_input = self.ends_with_input;
        runtime.spawn(async move {
            let grace = if ends_with_input {
                // An error means that the channel or the connection is closed already.
                let _ = write.eof().await;
                END_TIMEOUT
            } else {
                Duration::ZERO
            };
            let closed =
                async { while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {} };
            let closed = timeout(grace, closed).await.is_ok();
            // An unread channel would hold back its connection.
            drop(read);
            place.end = if closed {
                PlaceEnd::InOrder
            } else {
                close(&write, &place.connection).await
            };
            if place.connection.is_closed() {
                place.end = PlaceEnd::Broken;
            }
            drop(place);
        });
    }
}

/// Closes a channel that the server has not closed. russh then forgets it, and passes nothing on
/// of the server's answer; the answer to a later request shows that the server has closed it too.
async fn close(write: &ChannelWriteHalf<Msg>, connection: &Connection) -> PlaceEnd {
    let closing = async {
        let _ = write.close().await;
        connection.await_close().await;
    };
    match timeout(CLOSE_TIMEOUT, closing).await {
        Ok(()) => PlaceEnd::ClosedByUs,
        Err(_) => PlaceEnd::Broken,
    }
}
