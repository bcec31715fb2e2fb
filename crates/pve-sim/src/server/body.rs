//! Response bodies, whole and broken.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The connection is cut here on purpose.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(crate) struct ConnectionCut;

/// A response body.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Announces `promised` bytes and breaks off after the ones it has.
    Broken {
        promised: u64,
        part: Option<Bytes>,
        paused: bool,
    },
    /// A JSON string of this many more bytes, then its end.
    Endless { left: u64, begun: bool },
}

impl Default for ResponseBody {
    fn default() -> Self {
        Self::Whole(None)
    }
}

const BLOCK: u64 = 64 << 10;

impl ResponseBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()))
    }

    /// The first half of a body that was announced in full.
    pub(crate) fn broken(body: &[u8]) -> Self {
        Self::Broken {
            promised: body.len() as u64,
            part: Some(Bytes::copy_from_slice(&body[..body.len() / 2])),
            paused: false,
        }
    }

    /// 64 MiB of JSON.
    pub(crate) fn huge() -> Self {
        Self::Endless {
            left: 64 << 20,
            begun: false,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ConnectionCut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionCut>>> {
        let frame = match self.get_mut() {
            Self::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Broken {
                part: None,
                paused: paused @ false,
                ..
            } => {
                // The pause lets the bytes reach the wire before the end does.
                *paused = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Self::Broken { part, .. } => Some(part.take().map(Frame::data).ok_or(ConnectionCut)),
            Self::Endless { left: 0, .. } => None,
            Self::Endless {
                begun: begun @ false,
                ..
            } => {
                *begun = true;
                Some(Ok(Frame::data(Bytes::from_static(b"{\"data\":\""))))
            }
            Self::Endless { left, .. } => {
                let block = BLOCK.min(*left);
                *left -= block;
                let mut bytes = vec![b'x'; usize::try_from(block).unwrap_or_default()];
                if *left == 0 {
                    bytes.extend_from_slice(b"\"}");
                }
                Some(Ok(Frame::data(bytes.into())))
            }
        };
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Broken { promised, .. } => SizeHint::with_exact(*promised),
            Self::Endless { .. } => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Endless { left: 0, .. })
    }
}
