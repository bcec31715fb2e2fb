//! `Prefer: respond-async` (RFC 7240): a response before the work is done, for clients that time
//! out before a lease is made. Once the request is admitted, or found to be in progress, the
//! response is 202. The same request with the same `Idempotency-Key`, or with the payer's session,
//! gets the stored answer later. A refusal before that keeps its status.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::reply::{PaymentReply, ReplyContext, received};
use crate::progress::ProgressEvents;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Timeout of the admission: clients with a short timeout have one of five seconds.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest `wait` for the work itself, in seconds.
const MAX_WAIT: u64 = 60;
/// The `Retry-After` in seconds.
const RETRY_AFTER: u16 = 2;

/// What the client prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AsyncPreference {
    /// How long to wait for the whole response first: `wait`.
    wait: Duration,
}

/// The preference for an early response, if there is one.
pub(super) fn preference(headers: &HeaderMap) -> Option<AsyncPreference> {
    let (mut early, mut wait) = (false, 0);
    for preference in headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        // What follows a semicolon are parameters of this one preference; these two have none.
        let named = preference.split(';').next().unwrap_or_default();
        let (name, value) = named.split_once('=').unwrap_or((named, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "respond-async" => early = true,
            "wait" => wait = value.trim().trim_matches('"').parse().unwrap_or(wait),
            _ => {}
        }
    }
    early.then(|| AsyncPreference {
        wait: Duration::from_secs(wait.min(MAX_WAIT)),
    })
}

/// Responds as soon as the request is admitted, which its first progress event shows.
pub(super) async fn early(
    context: &ReplyContext,
    preference: AsyncPreference,
    public_base_url: &str,
    mut steps: ProgressEvents,
    reply: oneshot::Receiver<PaymentReply>,
) -> Response {
    let start = Instant::now();
    let mut reply = std::pin::pin!(received(reply));
    let admitted = async {
        if steps.recv().await.is_none() {
            // The work ended without an event: its reply is about to come.
            std::future::pending::<()>().await;
        }
        sleep_until(start + preference.wait).await;
    };
    let unadmitted = sleep_until(start + preference.wait.max(ADMISSION_TIMEOUT));
    tokio::select! {
        biased;
        reply = &mut reply => context.respond(&reply),
        () = admitted => accepted(public_base_url),
        () = unadmitted => accepted(public_base_url),
    }
}

fn accepted(public_base_url: &str) -> Response {
    let body = json!({
        "status": "accepted",
        "message": "The request is being worked on. Send the same request again, with the same Idempotency-Key or the wallet's \
            session, for its answer; it is charged once.",
        "statusUrl": "/payments",
    });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    let applied = HeaderValue::from_static("respond-async");
    headers.insert(PREFERENCE_APPLIED, applied);
    if let Ok(location) = HeaderValue::from_str(&format!("{public_base_url}/payments")) {
        headers.insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_static(value));
        }
        preference(&headers).map(|preference| preference.wait.as_secs())
    }

    #[test]
    fn the_preference_is_read_as_clients_write_it() {
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&["return=minimal, wait=10"]), None);
        assert_eq!(wait(&["respond-async"]), Some(0));
        assert_eq!(wait(&["Respond-Async; x=1, wait=4"]), Some(4));
        assert_eq!(wait(&["wait=\"7\"", "respond-async"]), Some(7));
        assert_eq!(wait(&["respond-async, wait=99999999"]), Some(60));
        assert_eq!(wait(&["respond-async, wait=soon"]), Some(0));
        assert_eq!(wait(&["do-not-respond-async"]), None);
    }
}
