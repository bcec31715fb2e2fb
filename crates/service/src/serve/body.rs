//! A request body with one timeout for all of it, so that slow sending ends too. A handler that
//! takes large bodies sets it to a timeout for each chunk. It tells the connection when it was not
//! read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::linger::Unread;

/// The body did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the request's body did not come in time")]
struct Late;

/// The timeout of a request's body; an extension of every request with one.
#[derive(Debug, Clone, Default)]
pub struct BodyTimeout(Arc<AtomicBool>);

impl BodyTimeout {
    /// From now on the timeout is one for each chunk, for bodies that may be large.
    pub fn renew_with_each_chunk(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The same body with a deadline: after `time`, reading it is an error. `unread` is set if the body
/// is dropped before its end.
pub(super) fn within(
    time: Duration,
    body: Incoming,
    timeout: &BodyTimeout,
    unread: &Unread,
) -> Body {
    unread.set(false);
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed {
        body,
        time,
        timeout: timeout.clone(),
        deadline: Box::pin(sleep(time)),
        ended: false,
        unread: unread.clone(),
    })
}

struct Timed {
    body: Incoming,
    time: Duration,
    timeout: BodyTimeout,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
    unread: Unread,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.unread.set(!self.ended && !self.body.is_end_stream());
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Late.into())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(frame, Poll::Ready(None));
        if frame.is_ready() && self.timeout.0.load(Ordering::Relaxed) {
            let deadline = Instant::now() + self.time;
            self.deadline.as_mut().reset(deadline);
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
