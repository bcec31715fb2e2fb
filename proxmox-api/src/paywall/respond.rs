//! How the reply to a paid request is waited for: whole, as a stream of its steps, or early with a place to ask again.

use std::future::Future;

use axum::{http::HeaderMap, response::Response};
use service::accept;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{
    idempotency_key,
    presented_payment::PresentedPayment,
    reply::{PaymentReply, ReplyContext, arrived},
    respond_async::{self, AsyncPreference},
};
use crate::progress::Progress;

/// What the client asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum ResponseMode {
    /// The whole answer.
    Whole,
    /// `Accept: text/event-stream`: the steps as they come.
    Steps,
    /// `Prefer: respond-async`: an early answer.
    Early(AsyncPreference),
}

impl ResponseMode {
    /// What the headers ask for. An early answer is for those only who can have the rest: by a key that proves who asks, or
    /// by the payer's session.
    pub(super) fn chosen(headers: &HeaderMap, presented: &PresentedPayment) -> Self {
        let session = presented.wallet == Some(presented.payer());
        let can_ask_again = session || idempotency_key::is_secret(presented.key.as_deref());
        match respond_async::preference(headers).filter(|_| can_ask_again) {
            Some(preference) => Self::Early(preference),
            None if accept::prefers_events(headers) => Self::Steps,
            None => Self::Whole,
        }
    }
}

/// Works in a task of its own, so that a client that hangs up changes nothing, and answers as the client asked.
pub(super) async fn respond<F, W>(
    frame: ReplyContext,
    wait: ResponseMode,
    public_base_url: &str,
    work: F,
) -> Response
where
    F: FnOnce(Progress) -> W + Send + 'static,
    W: Future<Output = PaymentReply> + Send + 'static,
{
    if let ResponseMode::Whole = wait {
        let reply = spawn(work(Progress::default()));
        return frame.respond(&arrived(reply).await);
    }
    let (progress, steps) = Progress::listened();
    let reply = spawn(work(progress));
    match wait {
        ResponseMode::Early(preference) => {
            respond_async::early(&frame, preference, public_base_url, steps, reply).await
        }
        ResponseMode::Whole | ResponseMode::Steps => frame.stream(steps, reply).await,
    }
}

fn spawn(
    work: impl Future<Output = PaymentReply> + Send + 'static,
) -> oneshot::Receiver<PaymentReply> {
    let (replied, reply) = oneshot::channel();
    let work = async move {
        // Nobody may be left to hear it; a repeated request is told.
        let _ = replied.send(work.await);
    };
    tokio::spawn(work.instrument(tracing::Span::current()));
    reply
}
