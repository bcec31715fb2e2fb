//! The 402: version 2's challenge in a header, version 1's in the body, on the same answer.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use x402::{
    offer::Offer,
    payment::Version,
    reason::Reason,
    wire::{Rest, header as wire, receipt::Receipt},
};

use super::{About, Flow, MAX_TIMEOUT_SECONDS, Operation};
use crate::{config::Config, state::App};

/// What is asked for one call of an operation.
pub fn offer<O: Operation>(app: &App, path: &str, amount: u64) -> Offer {
    offer_of(&app.config, &About::of::<O>(), path, amount)
}

/// The same, without a request.
pub fn offer_of(config: &Config, about: &About, path: &str, amount: u64) -> Offer {
    let payments = &config.payments;
    Offer {
        network: payments.network,
        amount,
        pay_to: payments.pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        resource: format!("{}{path}", config.public_base_url),
        description: about.description.to_owned(),
        mime_type: "application/json".to_owned(),
        method: about.method.to_string(),
        upfront: about.flow == Flow::SettleThenDeliver && payments.announce_upfront,
        extensions: extensions(),
    }
}

/// We take an id of the client's, so that a request that was lost can be repeated without paying twice.
fn extensions() -> Rest {
    let identifier = json!({
        "info": {"required": false},
        "schema": {
            "type": "object",
            "properties": {
                "required": {"type": "boolean"},
                "id": {"type": "string", "minLength": 16, "maxLength": 128}
            },
            "required": ["required"]
        }
    });
    Rest::from_iter([("payment-identifier".to_owned(), identifier)])
}

/// A challenge, with the reason why there is one.
pub fn required(offer: &Offer, error: &str) -> Response {
    let mut response = (StatusCode::PAYMENT_REQUIRED, Json(offer.v1_body(error))).into_response();
    set(
        &mut response,
        wire::PAYMENT_REQUIRED,
        &offer.v2_header(error),
    );
    no_store(&mut response);
    response
}

/// A challenge to somebody whose payment cannot be taken as it is.
pub fn refused(offer: &Offer, reason: &Reason) -> Response {
    tracing::info!(payment.reason = %reason, "payment not taken");
    required(offer, &reason.code)
}

/// A settlement that was refused: a receipt that says so, and no new challenge in the header, as the reference servers do.
pub fn not_settled(offer: &Offer, version: Version, receipt: &Receipt) -> Response {
    let error = receipt.error_reason.as_deref().unwrap_or("payment_refused");
    let mut response = (StatusCode::PAYMENT_REQUIRED, Json(offer.v1_body(error))).into_response();
    attach_receipt(&mut response, version, receipt);
    no_store(&mut response);
    response
}

/// The receipt's header in the payment's version.
pub fn attach_receipt(response: &mut Response, version: Version, receipt: &Receipt) {
    let name = match version {
        Version::V1 => wire::X_PAYMENT_RESPONSE,
        Version::V2 => wire::PAYMENT_RESPONSE,
    };
    set(response, name, &wire::encode(receipt));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
}

fn no_store(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("base64 consists of visible ASCII");
    response
        .headers_mut()
        .insert(HeaderName::from_static(name), value);
}
