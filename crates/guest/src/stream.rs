//! A channel as a stream of bytes: for SFTP, and for connections to ports in the guest.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::channel::OpenChannel;
use crate::error::GuestError;
use crate::pool::Guest;

/// A TCP connection within a guest. Dropping it closes it; what was not read is lost then.
pub struct GuestStream {
    channel: OpenChannel,
    writer: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    unread: Bytes,
    ended: bool,
    /// Bytes that came from the guest.
    received: Arc<AtomicU64>,
}

impl Guest {
    /// Connects to a port of the guest's loopback, IPv6 or IPv4, on an SSH connection of its own.
    ///
    /// # Errors
    /// [`GuestError::Refused`] if nothing listens there, [`GuestError::ForwardingProhibited`], and
    /// those of a connection.
    pub async fn dial(&self, port: u16) -> Result<GuestStream, GuestError> {
        Ok(GuestStream::new(self.lease().stream_port(port).await?))
    }
}

impl GuestStream {
    pub(crate) fn new(mut channel: OpenChannel) -> Self {
        let (_, write) = channel.halves();
        let writer = Box::pin(write.make_writer());
        Self {
            channel,
            writer,
            unread: Bytes::new(),
            ended: false,
            received: Arc::default(),
        }
    }

    /// How many bytes have come from the guest; counts on.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        self.received.clone()
    }
}

impl fmt::Debug for GuestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestStream")
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.ended {
            let message = {
                // Waiting loses nothing when it is dropped, so each poll starts a new wait.
                let (read, _) = self.channel.halves();
                ready!(pin!(read.wait()).poll(cx))
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    self.received
                        .fetch_add(data.len() as u64, Ordering::Relaxed);
                    self.unread = data;
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) => self.ended = true,
                Some(ChannelMsg::Failure) => {
                    return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
                }
                Some(_) => {}
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let length = self.unread.len().min(out.remaining());
        out.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.writer.as_mut().poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}
