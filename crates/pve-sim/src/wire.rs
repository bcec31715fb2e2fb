//! A TCP stream that can be told to end with a reset instead of a friendly close, whatever is
//! layered on top of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Tells a [`Wire`] to end with a reset.
#[derive(Debug, Clone)]
pub(crate) struct Reset(Arc<AtomicBool>);

impl Reset {
    pub(crate) fn on_close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The TCP stream.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    reset: Reset,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> (Self, Reset) {
        let reset = Reset(Arc::default());
        let wire = Self {
            stream,
            reset: reset.clone(),
        };
        (wire, reset)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::Relaxed) {
            // Closing with no time to linger is what sends a reset. Should that fail, a normal
            // close is all that is left.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
