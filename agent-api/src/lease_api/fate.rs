//! Reads from a response whether its payment moved money. Only known error codes say that nothing
//! was charged. Any other response leaves the outcome unknown, because a second payment could lose
//! money.

use api_types::ErrorCode;

use super::LeaseApiResponse;

/// The error code of a paid call that cannot be delivered; the operator owes the money.
const OWED: &str = "payment_owed";

/// The outcome of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentFate {
    /// It moved the money, and the call succeeded.
    Done,
    /// It moved the money for this or another call, and cannot pay for anything else.
    Spent,
    /// It moved the money, and the operator owes the delivery.
    Owed,
    /// The lease API has it, and still settles it or delivers the purchase.
    Held,
    /// It may have moved the money; the outcome is unknown.
    Open,
    /// Another payment is asked for. This one was refused, unless an earlier copy was accepted.
    Asked,
    /// It was refused, unless an earlier copy was accepted.
    Refused,
}

impl LeaseApiResponse {
    /// The outcome of the payment that was sent with the call.
    pub fn fate(&self) -> PaymentFate {
        if self.is_done() {
            return PaymentFate::Done;
        }
        if self.body["error"]["code"] == OWED {
            return PaymentFate::Owed;
        }
        if self.status == 202 {
            return PaymentFate::Held;
        }
        let code = self.code();
        if code == Some(ErrorCode::PaymentReplayed) {
            return PaymentFate::Spent;
        }
        // Paid but not done: the same payment, sent again, gets the delivery.
        if self.is_paid() {
            return PaymentFate::Open;
        }
        if self.wants_payment() {
            return PaymentFate::Asked;
        }
        match code {
            Some(code) if says_nothing_was_charged(code) => PaymentFate::Refused,
            _ => PaymentFate::Open,
        }
    }
}

/// Error codes of refusals before the money moves. If it has moved, they come with a receipt.
fn says_nothing_was_charged(code: ErrorCode) -> bool {
    let open = [
        ErrorCode::Internal,
        ErrorCode::Timeout,
        ErrorCode::PaymentInProgress,
        ErrorCode::PaymentUnresolved,
        // Codes of the agent itself, which the lease API never sends.
        ErrorCode::ModelError,
    ];
    !open.contains(&code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(status: u16, code: &str) -> LeaseApiResponse {
        let error = json!({"code": code, "message": "m", "retryable": false, "requestId": "r"});
        LeaseApiResponse::bare(status, json!({ "error": error }))
    }

    #[test]
    fn each_response_gives_the_outcome_of_its_payment() {
        let cases = [
            (LeaseApiResponse::bare(200, json!({})), PaymentFate::Done),
            (LeaseApiResponse::bare(202, json!({})), PaymentFate::Held),
            (LeaseApiResponse::bare(402, json!({})), PaymentFate::Asked),
            (LeaseApiResponse::bare(404, json!({})), PaymentFate::Open),
            (failed(409, "payment_owed"), PaymentFate::Owed),
            (failed(409, "payment_replayed"), PaymentFate::Spent),
            (failed(409, "payment_in_progress"), PaymentFate::Open),
            (failed(409, "something_newer"), PaymentFate::Open),
            (failed(409, "lease_conflict"), PaymentFate::Refused),
            (failed(429, "rate_limited"), PaymentFate::Refused),
            (failed(502, "provisioning_failed"), PaymentFate::Refused),
            (failed(503, "payment_unresolved"), PaymentFate::Open),
            (failed(500, "internal"), PaymentFate::Open),
            (failed(504, "timeout"), PaymentFate::Open),
        ];
        for (answer, expected) in cases {
            assert_eq!(answer.fate(), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_receipt_means_that_the_money_moved_with_any_error() {
        for mut answer in [failed(502, "hypervisor_error"), failed(410, "lease_ended")] {
            assert_eq!(answer.fate(), PaymentFate::Refused);
            answer.receipt = Some(json!({"success": true}));
            assert_eq!(answer.fate(), PaymentFate::Open);
        }
    }
}
