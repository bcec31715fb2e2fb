//! Requests to the facilitator and the chain, with results in the state machine's types.

use std::time::Instant;

use api_types::ErrorCode;
use x402::{
    facilitator::{
        FacilitatorError, FacilitatorRequest, Settlement, TransferEvidence, Verification,
        onchain::Evidence,
    },
    reason::Reason,
    wire::receipt::Receipt,
};

use super::{operation::PaymentJob, outcome::PaymentOutcome};
use crate::{
    error::ApiError,
    payment_machine::{PaymentState, SettlementResult},
    state::App,
    store::Payment,
};

/// Asks the facilitator whether a payment is valid.
///
/// # Errors
/// The outcome: it is not valid, or the facilitator gave no decision.
pub(super) async fn verify(app: &App, request: &FacilitatorRequest) -> Result<(), PaymentOutcome> {
    let signed_by = request.payment_payload.exact().authorization.from;
    match app.facilitator.verify(request).await {
        Ok(Verification::Valid { payer }) => match payer {
            Some(payer) if payer != signed_by => Err(PaymentOutcome::NotTaken(another_payer())),
            _ => Ok(()),
        },
        Ok(Verification::Invalid { reason, message }) => Err(PaymentOutcome::NotTaken(Reason {
            code: reason.into(),
            message: message.unwrap_or_default(),
        })),
        Err(error) => {
            tracing::warn!(%error, "the facilitator gave no decision");
            let wait = match error {
                FacilitatorError::RateLimited { retry_after } => retry_after.unwrap_or(5).min(300),
                _ => 5,
            };
            let message = "The payment cannot be checked just now; nothing was charged.";
            let error = ApiError::new(ErrorCode::FacilitatorUnavailable, message)
                .retry_after(wait)
                .advise("send the same signed request again");
            Err(PaymentOutcome::Failed(error))
        }
    }
}

/// Asks the facilitator to settle. Returns its result, and after how many seconds it wants the next
/// request.
pub(super) async fn settle(
    app: &App,
    row: &Payment,
    job: &PaymentJob,
    request: Option<&FacilitatorRequest>,
) -> (SettlementResult, Option<u64>) {
    let Some(request) = request else {
        return (SettlementResult::Unknown(None), None);
    };
    let id = &row.payment_id;
    job.progress.step("settling");
    let start = Instant::now();
    let settlement = app.facilitator.settle(request).await;
    // Later settlements repeat this one, so they are not measured and are logged briefly.
    let is_first = row.state == PaymentState::Settling;
    if is_first {
        metrics::histogram!("settlement_seconds").record(start.elapsed().as_secs_f64());
    }
    match settlement {
        Settlement::Settled { receipt, evidence } => (
            SettlementResult::Settled(transfer_of(&receipt, evidence)),
            None,
        ),
        Settlement::Refused { reason, message } => {
            tracing::info!(
                payment.id = id.as_str(),
                reason,
                message,
                "the facilitator refused a settlement"
            );
            (SettlementResult::Refused(reason), None)
        }
        Settlement::Unsent { reason, .. } | Settlement::Unknown { reason, .. } if !is_first => {
            tracing::info!(payment.id = %id, reason, "the outcome of a settlement is still unknown: the money may have moved");
            (SettlementResult::Unknown(None), None)
        }
        Settlement::Unsent {
            reason,
            retry_after,
        } => {
            tracing::error!(
                payment.id = id.as_str(),
                reason,
                "a settlement could not be sent; nothing was charged"
            );
            (SettlementResult::Unsent(reason), retry_after)
        }
        Settlement::Unknown {
            reason,
            transaction,
        } => {
            tracing::warn!(
                payment.id = id.as_str(),
                reason,
                "the outcome of a settlement is unknown: the money may have moved"
            );
            (SettlementResult::Unknown(transaction), None)
        }
    }
}

/// Looks for evidence of a payment on the chain; `None` if the chain does not answer.
pub(super) async fn chain(
    app: &App,
    row: &Payment,
    request: Option<&FacilitatorRequest>,
) -> Option<Evidence> {
    let (witness, request) = (app.witness.as_ref()?, request?);
    let first_seen = row.created_at.unsigned_abs();
    match witness.find_evidence(request, first_seen).await {
        Ok(evidence) => Some(evidence),
        Err(error) => {
            tracing::warn!(%error, payment.id = row.payment_id.as_str(), "the chain did not answer about a payment");
            None
        }
    }
}

/// The transfer of a settlement; only the transaction's hash if no chain was read.
fn transfer_of(receipt: &Receipt, evidence: Option<TransferEvidence>) -> TransferEvidence {
    evidence.unwrap_or_else(|| TransferEvidence {
        transaction: receipt.transaction.clone(),
        log_index: None,
        block: None,
    })
}

pub(super) fn unsent(retry_after: Option<u64>) -> ApiError {
    let message = "The payment cannot be settled just now; nothing was charged.";
    ApiError::new(ErrorCode::FacilitatorUnavailable, message)
        .retry_after(retry_after.unwrap_or(30).min(3600))
        .advise("send the same signed request again")
}

/// The facilitator names another payer than the one who signed.
fn another_payer() -> Reason {
    Reason::new(
        x402::reason::code::SIGNATURE,
        "the facilitator found another payer",
    )
}
