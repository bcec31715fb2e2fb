//! Passes one request on to a container and its answer back, on a connection of its own: one that
//! was kept from an earlier request may have been closed by the server meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode, Version},
};
use hyper::{body::Incoming, client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{
    early_answer::{AnswerBody, EarlyAnswerStream},
    headers,
    refusal::Refusal,
};
use crate::lease::guest::stream::{StreamActivity, WatchedStream};

/// How long a container may take to begin its answer, from the last byte of the request on.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the rest of a request may take once its answer has been passed on.
const LINGER: Duration = Duration::from_secs(5);

/// Sends a request whose headers are fit for the container. `visitor` becomes the connection of a
/// WebSocket.
///
/// # Errors
/// The container broke off, was late, or speaks no HTTP.
pub(super) async fn send(
    stream: WatchedStream,
    request: Request<Body>,
    port: u16,
    public: bool,
    visitor: Option<OnUpgrade>,
) -> Result<Response<Body>, Refusal> {
    let activity = stream.activity();
    let (stream, strict) = EarlyAnswerStream::new(stream);
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| Refusal::NoHttp(port))?;
    let (over, answered) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let linger = async {
            // It is dropped and never sent.
            let _ = answered.await;
            sleep(LINGER).await;
        };
        tokio::select! {
            outcome = connection.with_upgrades() => if let Err(error) = outcome {
                tracing::debug!(%error, "a connection to a published port ended badly");
            },
            // A container that has answered and reads no more would keep it open.
            () = linger => {}
        }
    });
    let answer = sender.send_request(request);
    let answer = within_first_byte(answer, &activity).await?;
    let answer = answer.map_err(|error| {
        tracing::debug!(%error, "a published port gave no answer");
        Refusal::NoHttp(port)
    })?;
    let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    match (switched, visitor) {
        (true, Some(visitor)) if headers::asks_for_websocket(answer.headers()) => {
            Ok(switch(answer, visitor, public, &strict))
        }
        // A switch of protocols without a visitor's request for a WebSocket.
        (true, _) => Err(Refusal::NoHttp(port)),
        (false, _) => {
            let (parts, body) = answer.into_parts();
            let kept = headers::for_visitor(&parts.headers, public, false);
            let body = Body::new(AnswerBody::new(body, over));
            Ok(response(parts.status, kept, body))
        }
    }
}

/// Waits for the answer for as long as the request is under way, and a while longer.
async fn within_first_byte<T>(
    answer: impl Future<Output = T>,
    activity: &StreamActivity,
) -> Result<T, Refusal> {
    let mut answer = std::pin::pin!(answer);
    loop {
        let left = FIRST_BYTE_TIMEOUT.saturating_sub(activity.idle());
        if left.is_zero() {
            return Err(Refusal::Late);
        }
        if let Ok(answer) = timeout(left, answer.as_mut()).await {
            return Ok(answer);
        }
    }
}

/// Both sides speak the new protocol to each other from here on.
fn switch(
    mut answer: Response<Incoming>,
    visitor: OnUpgrade,
    public: bool,
    strict: &Arc<AtomicBool>,
) -> Response<Body> {
    strict.store(true, Ordering::Relaxed);
    let guest = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let (Ok(guest), Ok(visitor)) = tokio::join!(guest, visitor) else {
            return;
        };
        let (mut guest, mut visitor) = (TokioIo::new(guest), TokioIo::new(visitor));
        if let Err(error) = copy_bidirectional(&mut guest, &mut visitor).await {
            tracing::debug!(%error, "a WebSocket to a published port broke off");
        }
    });
    let kept = headers::for_visitor(answer.headers(), public, true);
    response(StatusCode::SWITCHING_PROTOCOLS, kept, Body::empty())
}

/// A response of our own version, whatever the container's is.
fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = Version::HTTP_11;
    response
}
