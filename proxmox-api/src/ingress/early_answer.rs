//! What lets a container answer before it has read all of a request, with a 413 in the middle of an
//! upload for instance: the answer is passed on although the rest cannot be sent any more.

use std::io;
use std::pin::Pin;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// A connection that loses what cannot be written, so that what came before can still be read: the
/// reader sees the end of the connection by itself.
pub(super) struct EarlyAnswerStream<S> {
    stream: S,
    /// The other side reads no more.
    closed: bool,
    strict: Arc<AtomicBool>,
}

impl<S> EarlyAnswerStream<S> {
    /// With a switch that makes failed writes errors again, once both sides speak freely.
    pub(super) fn new(stream: S) -> (Self, Arc<AtomicBool>) {
        let strict = Arc::new(AtomicBool::new(false));
        let this = Self {
            stream,
            closed: false,
            strict: strict.clone(),
        };
        (this, strict)
    }

    /// The outcome of a write, or `lost` where it failed.
    fn tolerate<T>(&mut self, outcome: Poll<io::Result<T>>, lost: T) -> Poll<io::Result<T>> {
        match outcome {
            // This side cut the connection, and nothing more is to pass.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {
                Poll::Ready(Err(error))
            }
            Poll::Ready(Err(_)) if !self.strict.load(Ordering::Relaxed) => {
                self.closed = true;
                Poll::Ready(Ok(lost))
            }
            outcome => outcome,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EarlyAnswerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EarlyAnswerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Ok(data.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.tolerate(written, data.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.tolerate(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.tolerate(shut, ())
    }
}

/// The body of an answer, which tells when it has been passed on or given up.
pub(super) struct AnswerBody {
    body: Incoming,
    _over: oneshot::Sender<()>,
}

impl AnswerBody {
    /// `over` is dropped with the body.
    pub(super) fn new(body: Incoming, over: oneshot::Sender<()>) -> Self {
        Self { body, _over: over }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
