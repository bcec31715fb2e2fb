//! Mounts a paid operation. The gate is the handler itself, so that a paid route without it cannot
//! be written.
//!
//! The order of its steps: decode the payment, prove the signer, look the payment up. Only a
//! payment that was not seen before is checked against the request's fields, the price and the
//! window. Everything here is cheap and inserts no row; `process` and `replay` do the rest in a
//! task of their own.

use std::collections::HashMap;

use api_types::{CreditShortfall, ErrorCode, FieldError, Price};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{OriginalUri, Path, State, rejection::BytesRejection},
    http::{HeaderMap, Method},
    response::Response,
    routing::{MethodFilter, on},
};
use service::request_id::RequestId;
use x402::{check, network::Network, offer::Offer, payment::Version, reason::Reason};

use super::{
    body, challenge,
    from_credit::{self, CreditRequest},
    idempotency_key,
    incoming::{IncomingRequest, has_payment, head_takes_no_payment, lease_id_of},
    payer_proof::{self, ProofError},
    presented_payment::{PresentedPayment, conflict, in_progress},
    process::{PaidRequest, process},
    replay::replay,
    reply::{PaymentReply, ReplyContext},
    respond::{self, ResponseMode},
};
use crate::{
    client::ClientAddress,
    error::ApiError,
    payment::{
        Operation, digest,
        payment_locks::{PaymentLocks, signature_name},
    },
    payment_machine::PaymentState,
    progress::Progress,
    sessions,
    state::App,
    store::Payment as Row,
};

/// The route of a paid operation.
pub fn paid<O: Operation>() -> Router<App> {
    let method = MethodFilter::try_from(O::METHOD).expect("operations use ordinary methods");
    Router::new().route(O::PATH, on(method, serve::<O>))
}

#[expect(clippy::too_many_arguments, reason = "axum's extractors are arguments")]
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
    // The router answers HEAD as GET without the body, which would be lost to a customer who paid
    // for it.
    if method == Method::HEAD && has_payment(&headers) {
        return head_takes_no_payment(&id);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return body::unread(&rejection).respond(&id),
    };
    let incoming = IncomingRequest {
        client,
        ctid: parameters.get("ctid").cloned(),
        lease_id: lease_id_of(uri.query()),
        path: uri.path().to_owned(),
        method,
        headers,
        body,
    };
    match decide::<O>(&app, &incoming).await {
        Ok(PaymentLookup::Known(presented, row)) => {
            let context = ReplyContext {
                version: presented.payment.version(),
                offer: challenge::offer::<O>(&app, &incoming.path, row.amount),
                id,
            };
            let mode = ResponseMode::from_headers(&incoming.headers, &presented);
            let public = app.config.public_base_url.clone();
            let work = move |progress| replay_known::<O>(app, *presented, row, progress);
            respond::respond(context, mode, &public, work).await
        }
        Ok(PaymentLookup::New(entry)) => {
            let context = ReplyContext {
                version: entry.presented.payment.version(),
                offer: entry.offer.clone(),
                id,
            };
            let mode = ResponseMode::from_headers(&incoming.headers, &entry.presented);
            let public = app.config.public_base_url.clone();
            let work = move |progress| async move { process(&app, *entry, progress).await };
            respond::respond(context, mode, &public, work).await
        }
        Ok(PaymentLookup::FromCredit(request, offer)) => {
            let context = ReplyContext {
                version: Version::V2,
                offer: *offer,
                id,
            };
            let can_ask_again = request.can_ask_again();
            let mode = ResponseMode::for_client(&incoming.headers, can_ask_again);
            let public = app.config.public_base_url.clone();
            let work =
                move |progress| async move { from_credit::process(&app, *request, progress).await };
            respond::respond(context, mode, &public, work).await
        }
        Err(GateRefusal::Credit(offer, told)) => challenge::required_beside_credit(&offer, &told),
        Err(GateRefusal::Challenge(offer, None)) => challenge::required(&offer, "Payment required"),
        Err(GateRefusal::Challenge(offer, Some(reason))) => challenge::refused(&offer, &reason),
        Err(GateRefusal::Error(error)) => error.respond(&id),
    }
}

/// Whether the payment of a request was seen before.
enum PaymentLookup<O> {
    /// The payment was seen before.
    Known(Box<PresentedPayment>, Box<Row>),
    /// The payment was not seen before.
    New(Box<PaidRequest<O>>),
    /// There is no payment, and the caller pays from credit.
    FromCredit(Box<CreditRequest<O>>, Box<Offer>),
}

/// A response without any work: a challenge or an error.
enum GateRefusal {
    /// A challenge to a caller who has credit or could have it.
    Credit(Box<Offer>, Box<CreditShortfall>),
    Challenge(Box<Offer>, Option<Reason>),
    Error(ApiError),
}

impl From<ApiError> for GateRefusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

async fn decide<O: Operation>(
    app: &App,
    incoming: &IncomingRequest,
) -> Result<PaymentLookup<O>, GateRefusal> {
    // First, also for requests without a payment: an invalid header is refused before the customer
    // signs.
    from_credit::check_header(app, &incoming.headers)?;
    let key = idempotency_key::from_header(&incoming.headers)?;
    let payment = match incoming.payment() {
        Ok(Some(payment)) => payment,
        Ok(None) => return without_payment(app, incoming, key).await,
        Err(reason) => return Err(challenged::<O>(app, incoming, |_| Some(reason)).await),
    };
    let identifier = match payment.payment_identifier() {
        Ok(identifier) => identifier.map(str::to_owned),
        Err(reason) => return Err(challenged::<O>(app, incoming, |_| Some(reason)).await),
    };
    let network = app.config.payments.network;
    if Network::by_name(payment.network()) != Some(network) {
        // It is signed for another network's token, so there is no signer to recover and no row to
        // look up.
        let refused = |offer: &Offer| offer.match_payment(&payment).err();
        return Err(challenged::<O>(app, incoming, refused).await);
    }
    let proof = match payer_proof::prove(app, &payment, incoming.client).await {
        Ok(proof) => proof,
        Err(ProofError::Payment(reason)) => {
            return Err(challenged::<O>(app, incoming, |_| Some(reason)).await);
        }
        Err(ProofError::Error(error)) => return Err(error.into()),
    };
    let authorization = payment.authorization();
    let (asset, nonce) = (&network.usdc.address, &authorization.nonce);
    let [asset, nonce] = [asset.to_string(), nonce.to_string()];
    let payer = authorization.from.into();
    let name = signature_name(&payer, &nonce);
    // Lookup and locks concurrently: nearly every payment is new and needs the locks next.
    let (known, locked) = tokio::join!(
        app.store
            .payment_by_nonce(network.caip2, &asset, &payer, &nonce),
        PaymentLocks::try_take(app, &name)
    );
    let known = known.map_err(ApiError::from)?.filter(is_taken);
    let presented = PresentedPayment {
        proof,
        digest: digest::request_digest(incoming.method.as_str(), &incoming.path, &incoming.body),
        key: idempotency_key::unless_public(key.or(identifier), &payment),
        wallet: sessions::wallet_of(app, &incoming.headers).await,
        client: incoming.client,
        path: incoming.path.clone(),
        ctid: incoming.ctid.clone(),
        lease_id: incoming.lease_id.clone(),
        body: incoming.body.clone(),
        payment,
        locked: locked.map_err(ApiError::from)?,
    };
    if let Some(row) = known {
        return Ok(PaymentLookup::Known(Box::new(presented), Box::new(row)));
    }
    let refused = match price_and_check(app, &presented).await {
        Ok(fitting) => return Ok(PaymentLookup::New(fitting.with(presented))),
        Err(stop) => stop,
    };
    // The lookup did not wait for the locks: another request may have used this payment since. Its
    // copy must not get a refusal.
    let again = app
        .store
        .payment_by_nonce(network.caip2, &asset, &payer, &nonce)
        .await
        .map_err(ApiError::from)?;
    match again.filter(is_taken) {
        Some(row) => Ok(PaymentLookup::Known(Box::new(presented), Box::new(row))),
        None => Err(refused),
    }
}

/// A request without a payment: it is paid from credit, or challenged.
async fn without_payment<O: Operation>(
    app: &App,
    incoming: &IncomingRequest,
    key: Option<String>,
) -> Result<PaymentLookup<O>, GateRefusal> {
    let Some(caller) = from_credit::caller(app, &incoming.headers).await? else {
        return Err(challenged::<O>(app, incoming, |_| None).await);
    };
    let request = incoming.operation_request();
    // The answer to HEAD has no body.
    let pays = caller.pays && incoming.method != Method::HEAD;
    if let (true, Some(rules), Some(scope)) = (pays, &app.config.credit, O::KEY_SCOPE) {
        let (operation, price) = from_credit::read(app, (rules, scope), &caller, request).await?;
        let (offer, _) = offered(app, &operation, app.tariff(), &incoming.path)?;
        let (method, path) = (incoming.method.as_str(), incoming.path.as_str());
        return Ok(PaymentLookup::FromCredit(
            Box::new(CreditRequest {
                key: caller.own(key),
                caller,
                operation,
                price,
                digest: digest::request_digest(method, path, &incoming.body),
                client: incoming.client,
            }),
            Box::new(offer),
        ));
    }
    let operation = O::read(app, request).await?;
    operation.check_payer(app, &caller.wallet).await?;
    let (offer, _) = offered(app, &operation, app.tariff(), &incoming.path)?;
    Err(match from_credit::told(app, &caller, &operation).await? {
        Some(told) => GateRefusal::Credit(Box::new(offer), Box::new(told)),
        None => GateRefusal::Challenge(Box::new(offer), None),
    })
}

/// Whether a row blocks its payment; a released one does not.
fn is_taken(row: &Row) -> bool {
    row.state != PaymentState::Released
}

/// Replays a payment that was seen before. One that is released while its copies wait is processed
/// as a new one.
async fn replay_known<O: Operation>(
    app: App,
    mut presented: PresentedPayment,
    row: Box<Row>,
    progress: Progress,
) -> PaymentReply {
    if row.digest != presented.digest {
        return conflict().into();
    }
    // The first request holds this lock from before its row is inserted until it has its reply.
    let told = match presented.lock(&app).await {
        Ok(_locked) => replay::<O>(&app, &presented, &row.payment_id, progress.clone()).await,
        Err(error) => return error.into(),
    };
    if let Ok(reply) = told {
        return reply;
    }
    match price_and_check::<O>(&app, &presented).await {
        Ok(fitting) => process(&app, *fitting.with(presented), progress).await,
        Err(GateRefusal::Challenge(_, Some(reason))) => PaymentReply::NotTaken(reason),
        Err(GateRefusal::Challenge(_, None) | GateRefusal::Credit(..)) => in_progress().into(),
        Err(GateRefusal::Error(error)) => error.into(),
    }
}

/// An operation whose price and terms the payment fits.
struct PricedOperation<O> {
    operation: O,
    offer: Offer,
    price: Price,
}

impl<O> PricedOperation<O> {
    fn with(self, presented: PresentedPayment) -> Box<PaidRequest<O>> {
        let Self {
            operation,
            offer,
            price,
        } = self;
        Box::new(PaidRequest {
            operation,
            offer,
            price,
            presented,
        })
    }
}

/// Checks the payer, the request's fields, its price and the payment's terms, for a payment that
/// was not seen before.
async fn price_and_check<O: Operation>(
    app: &App,
    presented: &PresentedPayment,
) -> Result<PricedOperation<O>, GateRefusal> {
    let refused = &app.config.tenants.refused_wallets;
    if refused.contains(&presented.payment.payer()) {
        metrics::counter!("payments_refused_wallet_total").increment(1);
        let message = "The operator does not sell to this wallet; nothing was charged.";
        return Err(ApiError::new(ErrorCode::Forbidden, message).into());
    }
    let operation = O::read(app, presented.operation_request()).await?;
    if O::NEEDS_BODY && presented.body.trim_ascii().is_empty() {
        let field = FieldError::new("body", "has to be there: a payment buys what it says");
        return Err(ApiError::invalid(vec![field]).into());
    }
    let now = app.clock.unix_seconds();
    let fits = |offer: &Offer| {
        offer.match_payment(&presented.payment)?;
        check::terms(&presented.payment, offer, now, O::MIN_SECONDS_LEFT)
    };
    // Every tariff that may have been quoted for this payment; a refusal gives the reason of the
    // newest one.
    let mut newest = None;
    for tariff in app.tariffs.honoured(now) {
        let (offer, price) = offered(app, &operation, tariff, &presented.path)?;
        match fits(&offer) {
            Ok(()) => {
                return Ok(PricedOperation {
                    operation,
                    offer,
                    price,
                });
            }
            Err(reason) => _ = newest.get_or_insert((offer, reason)),
        }
    }
    let (offer, reason) = newest.expect("the current tariff is always honoured");
    Err(GateRefusal::Challenge(Box::new(offer), Some(reason)))
}

/// The challenge of a request without a usable payment, or the error of a request that has no
/// price.
async fn challenged<O: Operation>(
    app: &App,
    incoming: &IncomingRequest,
    reason: impl FnOnce(&Offer) -> Option<Reason> + Send,
) -> GateRefusal {
    let operation = match O::read(app, incoming.operation_request()).await {
        Ok(operation) => operation,
        Err(error) => return GateRefusal::Error(error),
    };
    match offered(app, &operation, app.tariff(), &incoming.path) {
        Ok((offer, _)) => {
            let reason = reason(&offer);
            GateRefusal::Challenge(Box::new(offer), reason)
        }
        Err(error) => GateRefusal::Error(error),
    }
}

fn offered<O: Operation>(
    app: &App,
    operation: &O,
    tariff: &api_types::Tariff,
    path: &str,
) -> Result<(Offer, Price), ApiError> {
    let price = operation.price(tariff)?;
    Ok((challenge::offer::<O>(app, path, price.total.0), price))
}
