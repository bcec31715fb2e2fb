//! The challenge (HTTP 402): version 2's in a header, version 1's in the body of the same response.

use api_types::{CreditShortfall, Usdc};
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
    wire::{Rest, header as wire, receipt::Receipt, v1::PaymentRequirementsResponse},
};

use crate::{
    config::Config,
    payment::{Operation, OperationInfo, PaymentFlow},
    state::App,
    tariffs::MAX_TIMEOUT_SECONDS,
};

/// The offer for a request.
pub fn offer<O: Operation>(app: &App, path: &str, amount: u64) -> Offer {
    offer_of(
        &app.config,
        &OperationInfo::from_operation::<O>(),
        path,
        amount,
    )
}

/// The offer of an operation, without a request.
pub fn offer_of(config: &Config, about: &OperationInfo, path: &str, amount: u64) -> Offer {
    let payments = &config.payments;
    Offer {
        network: payments.network,
        amount,
        pay_to: payments.pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        resource: format!("{}{path}", config.public_base_url),
        description: description(config, about),
        mime_type: "application/json".to_owned(),
        method: about.method.to_string(),
        upfront: about.flow == PaymentFlow::SettleThenDeliver && payments.announce_upfront,
        extensions: extensions(),
    }
}

/// The description of the operation, with the traffic that is included.
fn description(config: &Config, about: &OperationInfo) -> String {
    let what = about.description;
    match config.tenants.traffic_gib_per_hour {
        gib if gib > 0 && about.buys_time => {
            format!("{what}, with {gib} GiB of sent traffic for each hour")
        }
        _ => what.to_owned(),
    }
}

/// The extension by which a client sends an id of its own, so that it can repeat a lost request
/// without paying twice.
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

/// A challenge with its reason.
pub fn required(offer: &Offer, error: &str) -> Response {
    challenge(
        offer,
        error,
        "Pay one of the ways in `accepts` and send the request again.",
    )
}

/// A challenge after a payment that cannot be taken.
pub fn refused(offer: &Offer, reason: &Reason) -> Response {
    tracing::info!(payment.reason = %reason, "a payment was not taken");
    challenge(offer, &reason.code, &sentence(reason))
}

fn challenge(offer: &Offer, error: &str, message: &str) -> Response {
    let body = Json(body(offer, error, message));
    let mut response = (StatusCode::PAYMENT_REQUIRED, body).into_response();
    set(
        &mut response,
        wire::PAYMENT_REQUIRED,
        &offer.v2_header(error),
    );
    no_store(&mut response);
    response
}

/// A challenge to a caller who has credit or could have it: a wallet can still pay for this call.
pub fn required_beside_credit(offer: &Offer, credit: &CreditShortfall) -> Response {
    let body = Json(body_beside_credit(offer, credit));
    let mut response = (StatusCode::PAYMENT_REQUIRED, body).into_response();
    set(
        &mut response,
        wire::PAYMENT_REQUIRED,
        &offer.v2_header("Payment required"),
    );
    no_store(&mut response);
    response
}

/// Its body, with the member `credit`.
pub fn body_beside_credit(offer: &Offer, credit: &CreditShortfall) -> PaymentRequirementsResponse {
    let message = if credit.shortfall == Usdc::ZERO {
        "Pay one of the ways in `accepts`, or send `Credit: use` to pay from credit.".to_owned()
    } else {
        format!(
            "The credit is {}, and this costs {} from it: top up, or pay one of the ways in `accepts`.",
            credit.available, credit.required
        )
    };
    let mut body = body(offer, "Payment required", &message);
    body.rest.insert("credit".to_owned(), json!(credit));
    body
}

/// The body of a 402: what version 1 reads, and a sentence for people beside the code.
pub fn body(offer: &Offer, error: &str, message: &str) -> PaymentRequirementsResponse {
    let mut body = offer.v1_body(error);
    body.rest.insert("message".to_owned(), message.into());
    body
}

/// The sentence about a payment that was not taken.
pub fn sentence(reason: &Reason) -> String {
    let why = if reason.message.is_empty() {
        &reason.code
    } else {
        reason.message.as_str()
    };
    format!("The payment was not taken and nothing was charged: {why}.")
}

/// The sentence about a refused settlement.
pub fn settlement_sentence(receipt: &Receipt) -> String {
    let why = receipt.error_reason.as_deref().unwrap_or("no reason given");
    format!("The settlement was refused and nothing was charged: {why}.")
}

/// The response to a refused settlement: a receipt that tells of it, and no new challenge in the
/// header, as the reference servers do.
pub fn not_settled(offer: &Offer, version: Version, receipt: &Receipt) -> Response {
    let error = receipt.error_reason.as_deref().unwrap_or("payment_refused");
    let body = Json(body(offer, error, &settlement_sentence(receipt)));
    let mut response = (StatusCode::PAYMENT_REQUIRED, body).into_response();
    attach_receipt(&mut response, version, receipt);
    no_store(&mut response);
    response
}

/// Adds the receipt's header in the payment's version.
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
