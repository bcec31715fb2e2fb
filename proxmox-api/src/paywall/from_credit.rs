//! Requests without a payment whose caller has credit: with an API key, or with a session that asks
//! for it by `Credit: use`. A payment that is sent along is used instead, and `Credit: never` keeps a
//! key from spending.

use std::net::IpAddr;

use api_types::{CreditShortfall, ErrorCode, FieldError, KeyScope, Price, Tariff, Usdc};
use axum::http::{HeaderMap, HeaderName};
use serde_json::json;
use tokio::time::timeout;

use super::{
    presented_payment::{COPY_TIMEOUT, conflict, in_progress},
    process::count,
    reply::PaymentReply,
};
use crate::{
    config::CreditConfig,
    credit,
    error::ApiError,
    ids::{PaymentId, Wallet},
    keys,
    payment::{
        Operation, OperationRequest,
        from_credit::{CreditOutcome, CreditPurchase, buy},
        outcome::PaymentOutcome,
        owed,
    },
    payment_machine::PaymentState,
    progress::Progress,
    sessions::{self, WalletSession},
    state::App,
    store::{ApiKey, HoldRefusal, KeyLimit},
};

/// How a caller wants to pay: `use` or `never`.
pub const CREDIT: HeaderName = HeaderName::from_static("credit");

/// Who has credit.
pub(super) struct CreditCaller {
    pub(super) wallet: Wallet,
    key: Option<ApiKey>,
    /// Whether the request is to be paid from it.
    pub(super) pays: bool,
}

/// What a caller says of paying from credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CreditWish {
    Use,
    Never,
}

fn wish(headers: &HeaderMap) -> Result<Option<CreditWish>, ApiError> {
    let Some(value) = headers.get(CREDIT) else {
        return Ok(None);
    };
    match value.as_bytes().to_ascii_lowercase().as_slice() {
        b"use" => Ok(Some(CreditWish::Use)),
        b"never" => Ok(Some(CreditWish::Never)),
        _ => {
            let field = FieldError::new("Credit", "has to be use or never");
            Err(ApiError::invalid(vec![field]))
        }
    }
}

/// Checks the header `Credit` of a request, also of one without a key and of one with a payment.
///
/// # Errors
/// Its header cannot be read.
pub(super) fn check_header(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    match app.config.credit {
        Some(_) => wish(headers).map(drop),
        None => Ok(()),
    }
}

/// The caller of a request, where it says who it is.
///
/// # Errors
/// Its key is not good, its header cannot be read, or the store failed.
pub(super) async fn caller(
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<CreditCaller>, ApiError> {
    let Some(token) = sessions::bearer(headers) else {
        return Ok(None);
    };
    let wish = wish(headers)?;
    if let Some(key) = keys::authenticate(app, token).await? {
        return Ok(Some(CreditCaller {
            wallet: key.wallet.clone(),
            key: Some(key),
            pays: wish != Some(CreditWish::Never),
        }));
    }
    if app.config.credit.is_none() {
        return Ok(None);
    }
    let session = WalletSession::from_headers(app, headers).await?;
    Ok(session.map(|session| CreditCaller {
        wallet: session.wallet,
        key: None,
        pays: wish == Some(CreditWish::Use),
    }))
}

impl CreditCaller {
    /// Checks that the caller may ask for this operation at all.
    ///
    /// # Errors
    /// Its key has not the scope, or is bound to another lease; or the operator refuses the wallet.
    pub(super) fn check<O: Operation>(
        &self,
        app: &App,
        scope: KeyScope,
        operation: &O,
    ) -> Result<(), ApiError> {
        if app.config.tenants.refuses(&self.wallet) {
            metrics::counter!("payments_refused_wallet_total").increment(1);
            let message = "The operator does not sell to this wallet; nothing was charged.";
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        match &self.key {
            Some(key) => {
                keys::check_scope(key, scope)?;
                keys::check_lease(key, operation.lease_id().as_ref())
            }
            None => Ok(()),
        }
    }

    /// The key under which a repetition of the request is found: keys of one wallet do not share
    /// theirs, nor does credit with other payments.
    pub(super) fn own(&self, key: Option<String>) -> Option<String> {
        let by = self.key.as_ref().map_or("session", |key| &*key.key_id);
        key.map(|key| format!("{by}:{key}"))
    }
}

/// What an operation costs from credit: calls have a fee of their own.
///
/// # Errors
/// The request has no price.
pub(super) fn price_of<O: Operation>(
    operation: &O,
    tariff: &Tariff,
    rules: &CreditConfig,
) -> Result<Price, ApiError> {
    if O::PRICE_VARIES {
        return operation.price(tariff);
    }
    operation.price(&Tariff {
        call_fee: rules.call_fee,
        ..tariff.clone()
    })
}

/// A request that is to be paid from credit.
pub(super) struct CreditRequest<O> {
    pub(super) caller: CreditCaller,
    pub(super) operation: O,
    pub(super) price: Price,
    pub(super) digest: String,
    pub(super) key: Option<String>,
    pub(super) client: Option<IpAddr>,
}

impl<O> CreditRequest<O> {
    /// Whether the caller can get the answer later: the same request with the same key.
    pub(super) fn can_ask_again(&self) -> bool {
        self.key.is_some()
    }
}

/// Processes a request that is paid from credit.
pub(super) async fn process<O: Operation>(
    app: &App,
    request: CreditRequest<O>,
    progress: Progress,
) -> PaymentReply {
    let reply = bought(app, request, progress).await;
    let reply = reply.unwrap_or_else(PaymentReply::from);
    count::<O>(&reply);
    reply
}

async fn bought<O: Operation>(
    app: &App,
    request: CreditRequest<O>,
    progress: Progress,
) -> Result<PaymentReply, ApiError> {
    let CreditRequest { caller, price, .. } = request;
    let charged = price.total.0;
    let digest = request.digest.clone();
    let purchase = CreditPurchase {
        operation: request.operation,
        price,
        wallet: caller.wallet.clone(),
        key_id: caller.key.as_ref().map(|key| key.key_id.clone()),
        digest: request.digest,
        key: request.key,
        client: request.client,
    };
    match buy(app, purchase, progress).await? {
        CreditOutcome::Processed {
            payment_id,
            outcome,
            available,
        } => Ok(match outcome {
            PaymentOutcome::Done { answer, .. } => PaymentReply::FromCredit {
                answer: O::reveal(app, &payment_id, answer),
                charged,
                available,
            },
            PaymentOutcome::Failed(error) => error.into(),
            _ => in_progress().into(),
        }),
        CreditOutcome::Replay(payment_id) => replay::<O>(app, &payment_id, &digest).await,
        CreditOutcome::Conflict => Err(conflict()),
        CreditOutcome::Refused(why) => refused(app, &caller, charged, why).await,
    }
}

/// The first answer once more. Only the wallet, by the same key, gets here.
async fn replay<O: Operation>(
    app: &App,
    payment_id: &PaymentId,
    digest: &str,
) -> Result<PaymentReply, ApiError> {
    let waited = timeout(COPY_TIMEOUT, app.payments_in_work.take(payment_id)).await;
    let _guard = waited.map_err(|_| in_progress())??;
    let Some(row) = app.store.payment(payment_id).await? else {
        return Err(in_progress());
    };
    if row.digest != digest {
        return Err(conflict());
    }
    // A debt is credit by now, or the operator's: the answer is over in either case.
    if let Some(error) = owed::debt_error(app, &row).await? {
        return Err(error);
    }
    match (row.state, &row.answer) {
        (PaymentState::Answered, Some(answer)) if !answer.body.is_empty() => {
            let available = app.store.credit_of(&row.payer).await?.available();
            Ok(PaymentReply::FromCredit {
                answer: O::reveal(app, payment_id, answer.clone()),
                charged: row.amount,
                available,
            })
        }
        (PaymentState::Answered, _) => {
            let message =
                "This request was performed and charged; its answer is not kept any more.";
            Err(ApiError::new(ErrorCode::PaymentReplayed, message)
                .with("paymentId", payment_id.as_str()))
        }
        // Released while this one waited: the client repeats it, and nothing was charged.
        _ => Err(in_progress()),
    }
}

async fn refused(
    app: &App,
    caller: &CreditCaller,
    required: u64,
    why: HoldRefusal,
) -> Result<PaymentReply, ApiError> {
    match why {
        HoldRefusal::Revoked => Err(keys::revoked()),
        HoldRefusal::Expired => Err(keys::expired()),
        HoldRefusal::Limit { limit, remaining } => {
            Err(limit_exceeded(limit, remaining, required, app.now()))
        }
        HoldRefusal::Insufficient { .. } => {
            let Some(rules) = &app.config.credit else {
                return Err(keys::revoked());
            };
            let told = credit::shortfall(app, rules, &caller.wallet, required).await?;
            Ok(PaymentReply::NoCredit(Box::new(told)))
        }
    }
}

/// The error about a key's limit. Never a 402: its holder would pay around their own limit.
fn limit_exceeded(limit: KeyLimit, remaining: u64, required: u64, now: i64) -> ApiError {
    let (word, what) = match limit {
        KeyLimit::Total => ("total", "in all"),
        KeyLimit::Day => ("day", "today"),
        KeyLimit::Call => ("call", "in one call"),
    };
    let message = format!(
        "The call costs {}, and the API key may spend {} {what}; nothing was charged.",
        Usdc(required),
        Usdc(remaining)
    );
    let error = ApiError::new(ErrorCode::KeyLimitExceeded, message)
        .with("limit", word)
        .with("remaining", remaining.to_string())
        .with("required", required.to_string())
        .advise("the wallet's owner raises the limit: PATCH /keys/{id}");
    match limit {
        KeyLimit::Day => {
            let resets_at = crate::timestamp::timestamp(credit::next_midnight(now));
            error.with("resetsAt", json!(resets_at))
        }
        KeyLimit::Total | KeyLimit::Call => error,
    }
}

/// What is said to a caller whose request is not paid: about their credit, where they have some or
/// could.
pub(super) async fn told<O: Operation>(
    app: &App,
    caller: &CreditCaller,
    operation: &O,
) -> Result<Option<CreditShortfall>, ApiError> {
    let (Some(rules), Some(_)) = (&app.config.credit, O::KEY_SCOPE) else {
        return Ok(None);
    };
    let required = price_of(operation, app.tariff(), rules)?.total.0;
    let told = credit::shortfall(app, rules, &caller.wallet, required).await?;
    Ok(Some(told))
}

/// Reads a request that is to be paid from credit, with its price.
///
/// # Errors
/// The request is not valid, or the caller may not send it.
pub(super) async fn read<O: Operation>(
    app: &App,
    (rules, scope): (&CreditConfig, KeyScope),
    caller: &CreditCaller,
    request: OperationRequest<'_>,
) -> Result<(O, Price), ApiError> {
    let operation = O::read(app, request).await?;
    caller.check(app, scope, &operation)?;
    if O::NEEDS_BODY && request.body.trim_ascii().is_empty() {
        let field = FieldError::new("body", "has to be there: the credit buys what it says");
        return Err(ApiError::invalid(vec![field]));
    }
    let price = price_of(&operation, app.tariff(), rules)?;
    Ok((operation, price))
}
