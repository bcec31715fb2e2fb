//! A request body with one timeout for all of it, so that slow sending ends too. It tells the
//! connection when it was not read to its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::linger::Unread;

/// The body did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the request's body did not come in time")]
struct Late;

/// The same body with a deadline: after `time`, reading it is an error. `unread` is set if the body
/// is dropped before its end.
pub(super) fn within(time: Duration, body: Incoming, unread: &Unread) -> Body {
    unread.set(false);
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed {
        body,
        deadline: Box::pin(sleep(time)),
        ended: false,
        unread: unread.clone(),
    })
}

struct Timed {
    body: Incoming,
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
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
