//! The errors about money that moved for something that was not delivered.

use api_types::{ErrorCode, Usdc};

use crate::{
    error::ApiError,
    payment_machine::DebtReason,
    state::App,
    store::{Payment as Row, StoreError},
};

/// Whether every further attempt of a delivery would fail with this error.
pub fn is_final(error: &ApiError) -> bool {
    matches!(
        error.code,
        ErrorCode::LeaseEnded | ErrorCode::LeaseNotFound | ErrorCode::Forbidden
    )
}

/// The error that tells the payer of a debt, now and at every replay.
pub fn owed_error(row: &Row, why: &str) -> ApiError {
    let told = |sentence: &str| {
        let amount = Usdc(row.amount);
        format!("{sentence} {amount} is owed to the payer. Do not pay again.")
    };
    debt(row, why, told).advise("see GET /payments, or ask the operator, naming the paymentId")
}

/// The same once the debt became credit of the payer.
pub fn credited_error(row: &Row, why: &str, amount: u64) -> ApiError {
    let told = |sentence: &str| {
        let amount = Usdc(amount);
        format!("{sentence} {amount} was added to the payer's credit. Do not pay again.")
    };
    debt(row, why, told)
        .with("state", "credited")
        .advise("spend it: GET /credit")
}

fn debt(row: &Row, why: &str, told: impl FnOnce(&str) -> String) -> ApiError {
    let reason = DebtReason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == why);
    let sentence = match reason {
        Some(DebtReason::LeaseEnded) => "The lease had ended when the money arrived.",
        Some(DebtReason::MayHaveRun) => {
            "The command was begun and its outcome was lost; it may have run, and is not run again."
        }
        Some(DebtReason::MovedAfterRefusal) => "The payment was refused, but the money moved.",
        Some(DebtReason::Undelivered) | None => "What it paid for could not be delivered.",
    };
    let mut error = ApiError::new(ErrorCode::PaymentOwed, told(sentence))
        .with("paymentId", row.payment_id.as_str())
        .with("amount", row.amount.to_string())
        .with("reason", why);
    if let Some(transaction) = row.transaction.as_deref().filter(|text| !text.is_empty()) {
        error = error.with("transaction", transaction);
    }
    if reason == Some(DebtReason::MayHaveRun) {
        error = error.with("mayHaveRun", true);
    }
    error
}

/// The error of a payment that is owed as a whole, or was paid back; `None` for any other payment.
///
/// # Errors
/// The store failed.
pub async fn debt_error(app: &App, row: &Row) -> Result<Option<ApiError>, StoreError> {
    // A partial debt stands beside a delivered answer; only a debt for the whole payment replaces
    // the answer.
    let debts = app.store.debts_of(&row.payment_id).await?;
    let whole = debts.iter().find(|debt| debt.amount == row.amount);
    Ok(whole.map(|debt| match debt.state.as_str() {
        "due" => owed_error(row, &debt.reason),
        "credited" => credited_error(row, &debt.reason, debt.amount),
        _ => given_back(row, debt.transaction.as_deref()),
    }))
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
