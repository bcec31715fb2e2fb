//! One attempt at a purchase at the lease API.

use serde::Deserialize;
use serde_json::Value;
use web_sys::Response;
use x402::wire::{header, receipt::Receipt};

use super::{Call, Pay};
use crate::{
    api::{
        ApiError,
        fetch::{self, Call as Request},
    },
    pay::outcome::{self, Outcome},
};

/// The last event of a stream.
#[derive(Deserialize)]
struct Last {
    status: u16,
    body: Value,
    #[serde(default)]
    receipt: Option<Receipt>,
}

/// An answer, and how long the service asks to be left alone before the next attempt, in seconds.
pub(super) type Answer = Result<(Outcome, Option<u32>), ApiError>;

/// Sends the signed request once, and says each step that is told of.
pub(super) async fn attempt(
    pay: Pay,
    call: &Call,
    payment: (&str, &str),
    idempotency_key: Option<&str>,
    mut on_step: impl FnMut(&str),
) -> Answer {
    let mut request = Request::new(call.method(), pay.lease.url(&call.path()))
        .patient()
        .timed()
        .header("accept", "text/event-stream, application/json;q=0.9")
        .header(payment.0, payment.1);
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if let Some(body) = call.body() {
        request = request.json(body);
    }
    let response = fetch::send(&request).await?;
    let wait = header_of(&response, "retry-after").and_then(|seconds| seconds.parse().ok());
    let streams = header_of(&response, "content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !streams {
        let receipt = receipt_of(&response);
        let body = fetch::text(&response).await?;
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        return Ok((outcome::of_answer(response.status(), body, receipt), wait));
    }
    let mut last = None;
    fetch::events(&response, |event| match event.event.as_str() {
        "result" => last = serde_json::from_str::<Last>(&event.data).ok(),
        "progress" => {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if let Some(step) = data["step"].as_str() {
                on_step(step);
            }
        }
        _ => {}
    })
    .await?;
    let last = last.ok_or(ApiError::Unreachable)?;
    let outcome = outcome::of_answer(last.status, last.body, last.receipt);
    Ok((outcome, wait))
}

fn header_of(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

fn receipt_of(response: &Response) -> Option<Receipt> {
    let value = [header::PAYMENT_RESPONSE, header::X_PAYMENT_RESPONSE]
        .iter()
        .find_map(|name| header_of(response, name))?;
    header::decode(value.as_bytes()).ok()
}
