//! Why nothing is made for a payment that is good: what the customer is told. Nothing was charged.

use api_types::ErrorCode;

use crate::{error::ApiError, store::ClaimOutcome};

/// The answer to a claim that was not granted.
pub(super) fn not_claimed(outcome: ClaimOutcome, now: i64) -> ApiError {
    let reason = match outcome {
        ClaimOutcome::InFlight => "in_flight",
        ClaimOutcome::InFlightOfClient => "in_flight_of_address",
        ClaimOutcome::TooMany => "per_wallet",
        ClaimOutcome::TooMuchReserved => "reserved",
        ClaimOutcome::TooManyUnpaid => "unpaid",
        ClaimOutcome::Blocked { .. } => "blocked",
        ClaimOutcome::NoVmid => "numbers",
        ClaimOutcome::NoAddress => "addresses",
        ClaimOutcome::PaymentMoved | ClaimOutcome::Claimed { .. } => "payment",
    };
    metrics::counter!("leases_refused_total", "reason" => reason).increment(1);
    match outcome {
        ClaimOutcome::InFlight => {
            let message = "Other leases of this wallet are being made; nothing was charged.";
            ApiError::new(ErrorCode::RateLimited, message).retry_after(5)
        }
        ClaimOutcome::TooMuchReserved => {
            let message = "Other payments of this wallet wait to be settled; nothing was charged.";
            ApiError::new(ErrorCode::RateLimited, message).retry_after(5)
        }
        ClaimOutcome::InFlightOfClient => {
            let message = "Other leases from your address are being made; nothing was charged.";
            ApiError::new(ErrorCode::RateLimited, message).retry_after(5)
        }
        ClaimOutcome::TooManyUnpaid => {
            let message =
                "As many leases as can be made at a time are being made; nothing was charged.";
            ApiError::new(ErrorCode::CapacityExhausted, message)
                .retry_after(10)
                .advise("send the same signed request again, or ask for a price anew")
        }
        ClaimOutcome::Blocked { until } => {
            let message = "Containers of this wallet, or from your address, were made and not \
                paid for, so the next one has to wait; nothing was charged.";
            ApiError::new(ErrorCode::RateLimited, message)
                .retry_after((until - now).max(1).unsigned_abs())
                .advise("make sure that the wallet has the money before you ask again")
        }
        ClaimOutcome::TooMany => {
            let message = "The wallet has as many leases as it may have; nothing was charged.";
            ApiError::new(ErrorCode::LeaseLimitReached, message)
                .advise("destroy a lease, or renew one")
        }
        ClaimOutcome::NoVmid => {
            let message = "Every number for a container is taken; nothing was charged.";
            ApiError::new(ErrorCode::CapacityExhausted, message).retry_after(60)
        }
        ClaimOutcome::NoAddress => {
            let message = "Every address for a container is taken; nothing was charged.";
            ApiError::new(ErrorCode::CapacityExhausted, message).retry_after(300)
        }
        ClaimOutcome::PaymentMoved | ClaimOutcome::Claimed { .. } => ApiError::new(
            ErrorCode::PaymentInProgress,
            "The payment is being worked on.",
        )
        .retry_after(2),
    }
}
