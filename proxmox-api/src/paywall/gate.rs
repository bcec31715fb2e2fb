//! Mounts a paid operation. The gate is the handler itself, so that a paid route without it cannot be written. Everything here
//! costs microseconds and leaves no row; what comes after is [`process`](super::process)'s.

use std::collections::HashMap;

use api_types::{ErrorCode, Price};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{OriginalUri, Path, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, header},
    response::Response,
    routing::{MethodFilter, on},
};
use service::{accept, request_id::RequestId};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use x402::{
    check::{self, Policy},
    offer::Offer,
    payment::Payment,
    reason::Reason,
    wire::header as wire,
};

use super::{
    Call, Operation, challenge, digest,
    process::{Entry, process},
    progress::Progress,
    reply::{Frame, Reply, arrived},
    respond_async,
};
use crate::{client::ClientAddress, error::ApiError, routes, sessions, state::App};

/// The longest `Idempotency-Key`.
const MAX_KEY: usize = 128;

/// The route of a paid operation.
pub fn paid<O: Operation>() -> Router<App> {
    let method = MethodFilter::try_from(O::METHOD).expect("operations use ordinary methods");
    Router::new().route(O::PATH, on(method, serve::<O>))
}

async fn serve<O: Operation>(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    OriginalUri(uri): OriginalUri,
    Path(parameters): Path<HashMap<String, String>>,
    ClientAddress(client): ClientAddress,
    method: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // The router answers HEAD as GET and drops the body, which with a payment is what was bought.
    if method == Method::HEAD && has_payment(&headers) {
        return head_takes_no_payment(&id);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return routes::unread(&rejection, &id),
    };
    let call = Call {
        ctid: parameters.get("ctid").map(String::as_str),
        body: &body,
    };
    let operation = match O::read(&app, call).await {
        Ok(operation) => operation,
        Err(error) => return error.respond(&id),
    };
    // Before anything is signed: a key that is refused with the payment would cost the customer a signature.
    let key = match idempotency_key(&headers) {
        Ok(key) => key,
        Err(error) => return error.respond(&id),
    };
    let path = uri.path();
    let checked = match check_payment(&app, &operation, path, &headers) {
        Ok(checked) => checked,
        Err(Rejected::Challenge(offer, reason)) => {
            return match reason {
                None => challenge::required(&offer, "Payment required"),
                Some(reason) => challenge::refused(&offer, &reason),
            };
        }
        Err(Rejected::Error(error)) => return error.respond(&id),
    };
    let key = key.or_else(|| checked.payment.payment_identifier().map(str::to_owned));
    let entry = Entry {
        operation,
        digest: digest::of(method.as_str(), path, &body),
        key,
        wallet: sessions::wallet_of(&app, &headers).await,
        client,
        price: checked.price,
        offer: checked.offer.clone(),
        payment: checked.payment,
        path: path.to_owned(),
    };
    let frame = Frame {
        version: entry.payment.version(),
        offer: checked.offer,
        id,
    };
    let can_ask_again = entry.key.is_some() || entry.wallet.is_some();
    match respond_async::preference(&headers).filter(|_| can_ask_again) {
        Some(preference) => respond_async::perform(app, entry, &frame, preference).await,
        None => perform(app, entry, frame, accept::prefers_events(&headers)).await,
    }
}

/// Works in a task of its own: a client that hangs up changes nothing.
pub(super) fn spawn<O: Operation>(
    app: App,
    entry: Entry<O>,
    progress: Progress,
) -> oneshot::Receiver<Reply> {
    let (replied, reply) = oneshot::channel();
    let work = async move {
        // Nobody may be left to hear it; whoever asks again is told.
        let _ = replied.send(process(&app, entry, progress).await);
    };
    tokio::spawn(work.instrument(tracing::Span::current()));
    reply
}

async fn perform<O: Operation>(app: App, entry: Entry<O>, frame: Frame, events: bool) -> Response {
    let (progress, steps) = if events {
        let (progress, steps) = Progress::listened();
        (progress, Some(steps))
    } else {
        (Progress::default(), None)
    };
    let reply = spawn(app, entry, progress);
    match steps {
        Some(steps) => frame.stream(steps, reply).await,
        None => frame.respond(&arrived(reply).await),
    }
}

fn has_payment(headers: &HeaderMap) -> bool {
    headers.contains_key(wire::PAYMENT_SIGNATURE) || headers.contains_key(wire::X_PAYMENT)
}

fn head_takes_no_payment(id: &RequestId) -> Response {
    let message = "HEAD takes no payment, since its answer has no body; nothing was charged.";
    let mut response = ApiError::new(ErrorCode::MethodNotAllowed, message)
        .advise("send the same payment with GET")
        .respond(id);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}

struct Checked {
    payment: Payment,
    offer: Offer,
    price: Price,
}

enum Rejected {
    Challenge(Box<Offer>, Option<Reason>),
    Error(ApiError),
}

/// Prices the call at every tariff that may have been quoted, and takes the first whose offer the payment fits.
fn check_payment<O: Operation>(
    app: &App,
    operation: &O,
    path: &str,
    headers: &HeaderMap,
) -> Result<Checked, Rejected> {
    let now = app.clock.unix_seconds();
    let offered = |tariff| {
        let price = operation.price(tariff).map_err(Rejected::Error)?;
        let offer = challenge::offer::<O>(app, path, price.total.0);
        Ok::<_, Rejected>((offer, price))
    };
    let (offer, price) = offered(app.tariff())?;
    let values = |name| {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes())
            .collect::<Vec<_>>()
    };
    let read = Payment::from_headers(&values(wire::PAYMENT_SIGNATURE), &values(wire::X_PAYMENT));
    let payment = match read {
        Ok(Some(payment)) => payment,
        Ok(None) => return Err(Rejected::Challenge(Box::new(offer), None)),
        Err(reason) => return Err(Rejected::Challenge(Box::new(offer), Some(reason))),
    };
    let policy = Policy {
        min_time_left: O::MIN_SECONDS_LEFT,
        contracts_possible: !app.facilitator.describe().simulated,
    };
    let fits = |offer: &Offer| {
        offer.match_payment(&payment)?;
        check::local(&payment, offer, now, policy)
    };
    let Err(reason) = fits(&offer) else {
        return Ok(Checked {
            payment,
            offer,
            price,
        });
    };
    for tariff in app.tariffs.honoured(now).skip(1) {
        let (earlier, price) = offered(tariff)?;
        if fits(&earlier).is_ok() {
            return Ok(Checked {
                payment,
                offer: earlier,
                price,
            });
        }
    }
    Err(Rejected::Challenge(Box::new(offer), Some(reason)))
}

/// The header's key.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    let printable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if values.next().is_some() || !printable || key.len() > MAX_KEY {
        let message =
            format!("Idempotency-Key has to be one value of 1 to {MAX_KEY} printable characters.");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    Ok(Some(key.to_owned()))
}
