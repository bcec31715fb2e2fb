//! The form of the response to a paid request: whole, as a stream of events, or early (`Prefer:
//! respond-async`).

use std::future::Future;

use axum::{http::HeaderMap, response::Response};
use service::accept;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{
    idempotency_key,
    presented_payment::PresentedPayment,
    reply::{PaymentReply, ReplyContext, received},
    respond_async::{self, AsyncPreference},
};
use crate::progress::Progress;

/// The form of response that the client asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum ResponseMode {
    /// The whole response.
    Whole,
    /// `Accept: text/event-stream`: events as they come.
    Stream,
    /// `Prefer: respond-async`: an early response.
    Early(AsyncPreference),
}

impl ResponseMode {
    /// Reads the headers. An early response is only for a client that can get the answer later: by
    /// a secret key, or by the payer's session.
    pub(super) fn from_headers(headers: &HeaderMap, presented: &PresentedPayment) -> Self {
        let session = presented.wallet == Some(presented.payer());
        let can_ask_again = session || idempotency_key::is_secret(presented.key.as_deref());
        Self::for_client(headers, can_ask_again)
    }

    /// The same for a client of whom it is known whether it can get the answer later.
    pub(super) fn for_client(headers: &HeaderMap, can_ask_again: bool) -> Self {
        match respond_async::preference(headers).filter(|_| can_ask_again) {
            Some(preference) => Self::Early(preference),
            None if accept::prefers_events(headers) => Self::Stream,
            None => Self::Whole,
        }
    }
}

/// Runs the work in a task of its own, so that a client that hangs up changes nothing, and responds
/// in the form that was asked for.
pub(super) async fn respond<F, W>(
    context: ReplyContext,
    mode: ResponseMode,
    public_base_url: &str,
    work: F,
) -> Response
where
    F: FnOnce(Progress) -> W + Send + 'static,
    W: Future<Output = PaymentReply> + Send + 'static,
{
    if let ResponseMode::Whole = mode {
        let reply = spawn(work(Progress::default()));
        return context.respond(&received(reply).await);
    }
    let (progress, steps) = Progress::listened();
    let reply = spawn(work(progress));
    match mode {
        ResponseMode::Early(preference) => {
            respond_async::early(&context, preference, public_base_url, steps, reply).await
        }
        ResponseMode::Whole | ResponseMode::Stream => context.stream(steps, reply).await,
    }
}

fn spawn(
    work: impl Future<Output = PaymentReply> + Send + 'static,
) -> oneshot::Receiver<PaymentReply> {
    let (replied, reply) = oneshot::channel();
    let work = async move {
        // An error means that the client hung up; a repeated request gets the reply.
        let _ = replied.send(work.await);
    };
    tokio::spawn(work.instrument(tracing::Span::current()));
    reply
}
