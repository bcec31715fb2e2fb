//! What a payer is told of money that moved for something that cannot be delivered.

use api_types::{ErrorCode, Usdc};

use crate::{
    error::ApiError,
    state::App,
    store::{Answer, Payment as Row, StoreError},
};

/// Why something is owed. The names are stored.
pub mod reason {
    /// The lease had ended, or its container was gone, when the money was seen.
    pub const LEASE_ENDED: &str = "lease_ended";
    /// A command was begun, its outcome is unknown, and it is not run again.
    pub const MAY_HAVE_RUN: &str = "may_have_run";
    /// The call was not delivered, and was not asked for again in time.
    pub const UNDELIVERED: &str = "undelivered";
    /// The payment had been called refused, and the money moved all the same.
    pub const MOVED_AFTER_REFUSAL: &str = "moved_after_refusal";
}

/// The event of a person's decision.
pub const RESOLVED_BY_OPERATOR: &str = "resolved_by_operator";

/// Whether an error of a delivery will be the same however often it is tried.
pub fn is_final(error: &ApiError) -> bool {
    matches!(
        error.code,
        ErrorCode::LeaseEnded | ErrorCode::LeaseNotFound | ErrorCode::Forbidden
    )
}

/// What the payer is told, now and whenever they ask again.
pub fn owed(payment_id: &str, amount: u64, transaction: Option<&str>, why: &str) -> ApiError {
    let sentence = match why {
        reason::LEASE_ENDED => "The lease had ended when the money arrived.",
        reason::MAY_HAVE_RUN => {
            "The command was begun and its outcome was lost; it may have run, and is not run again."
        }
        reason::MOVED_AFTER_REFUSAL => {
            "The payment was called refused, and the money moved all the same."
        }
        _ => "What it paid for could not be delivered.",
    };
    let message = format!(
        "{sentence} {} is owed to the payer. Do not pay again.",
        Usdc(amount)
    );
    let mut error = ApiError::new(ErrorCode::PaymentOwed, message)
        .with("paymentId", payment_id)
        .with("amount", amount.to_string())
        .with("reason", why)
        .advise("see GET /payments, or ask the operator, naming the paymentId");
    if let Some(transaction) = transaction.filter(|text| !text.is_empty()) {
        error = error.with("transaction", transaction);
    }
    if why == reason::MAY_HAVE_RUN {
        error = error.with("mayHaveRun", true);
    }
    error
}

/// Ends a settled payment as owed and says so. What was owed or answered before is told as it is.
///
/// # Errors
/// The store failed; nothing has ended.
pub async fn owe(app: &App, payment_id: &str, why: &str) -> Result<ApiError, StoreError> {
    let Some(row) = app.store.payment(payment_id).await? else {
        return Ok(owed(payment_id, 0, None, why));
    };
    let error = of_row(&row, why);
    // Without an id of a request: it is nobody's answer yet.
    let body = serde_json::to_string(&error.envelope("")).unwrap_or_default();
    let answer = Answer {
        status: error.code.status(),
        body,
    };
    let ended = app
        .store
        .owe_undelivered(payment_id, why, answer, app.now())
        .await?;
    if ended {
        tracing::error!(
            payment.id = payment_id,
            reason = why,
            amount = row.amount,
            "a payment cannot be delivered and is owed to its payer"
        );
        let data = serde_json::json!({"reason": why, "amount": row.amount, "transaction": row.transaction});
        app.note(payment_id, "payment_owed", data).await;
    }
    Ok(error)
}

/// The error of a payment of which something is due, if there is something.
///
/// # Errors
/// The store failed.
pub async fn of_payment(app: &App, row: &Row) -> Result<Option<ApiError>, StoreError> {
    // A debt beside a delivered answer is a part of it; only a whole one replaces the answer.
    let debts = app.store.debts_of(&row.payment_id).await?;
    let whole = debts.iter().find(|debt| debt.amount == row.amount);
    Ok(whole.map(|debt| match debt.state.as_str() {
        "due" => of_row(row, &debt.reason),
        _ => given_back(row, debt.transaction.as_deref()),
    }))
}

fn of_row(row: &Row, why: &str) -> ApiError {
    owed(&row.payment_id, row.amount, row.transaction.as_deref(), why)
}

fn given_back(row: &Row, transaction: Option<&str>) -> ApiError {
    let message = "What it paid for could not be delivered, and the money was given back.";
    let error = ApiError::new(ErrorCode::PaymentReplayed, message)
        .with("paymentId", row.payment_id.as_str())
        .with("state", "given_back");
    match transaction {
        Some(transaction) => error.with("refundTransaction", transaction),
        None => error,
    }
}
