//! One attempt to send a signed request to the lease API.

use serde::Deserialize;
use serde_json::Value;
use web_sys::Response;
use x402::wire::{header, receipt::Receipt};

use super::{PaidOperation, Pay};
use crate::{
    http::{HttpRequest, RequestError, fetch},
    pay::outcome::{self, PaymentOutcome},
};

/// The last event of a stream: the response.
#[derive(Deserialize)]
struct StreamResult {
    status: u16,
    body: Value,
    #[serde(default)]
    receipt: Option<Receipt>,
}

/// The outcome of an attempt, with the `Retry-After` of the response, in seconds.
pub(super) type AttemptResult = Result<(PaymentOutcome, Option<u32>), RequestError>;

/// Sends the signed request once, and passes on each step of the work.
pub(super) async fn attempt(
    pay: Pay,
    operation: &PaidOperation,
    payment: (&str, &str),
    idempotency_key: Option<&str>,
    mut on_step: impl FnMut(&str),
) -> AttemptResult {
    let mut request = HttpRequest::new(operation.method(), pay.lease.url(&operation.path()))
        .without_timeout()
        .read_date()
        .header("accept", "text/event-stream, application/json;q=0.9")
        .header(payment.0, payment.1);
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if let Some(body) = operation.body() {
        request = request.json(body);
    }
    let response = fetch::send(&request).await?;
    let retry_after = header_of(&response, "retry-after").and_then(|seconds| seconds.parse().ok());
    let streams = header_of(&response, "content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !streams {
        let receipt = receipt_of(&response);
        let body = fetch::text(&response).await?;
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        return Ok((
            outcome::from_response(response.status(), body, receipt),
            retry_after,
        ));
    }
    let mut last = None;
    fetch::events(&response, |event| match event.event.as_str() {
        "result" => last = serde_json::from_str::<StreamResult>(&event.data).ok(),
        "progress" => {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if let Some(step) = data["step"].as_str() {
                on_step(step);
            }
        }
        _ => {}
    })
    .await?;
    let last = last.ok_or(RequestError::Unreachable)?;
    let outcome = outcome::from_response(last.status, last.body, last.receipt);
    Ok((outcome, retry_after))
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
