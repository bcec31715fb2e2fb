//! What an answer says about the payment that went with its call. Only words that are known say
//! that nothing was charged; whatever else comes leaves the payment open, since a second one would
//! be money lost.

use api_types::ErrorCode;

use super::LeaseApiResponse;

/// The code of an answer to what was paid and cannot be delivered; the operator owes it.
const OWED: &str = "payment_owed";

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentFate {
    /// It moved the money, and the call was done.
    Done,
    /// It moved the money for this or another call, and nothing more will come of it.
    Spent,
    /// It moved the money, and the operator owes what it was for.
    Owed,
    /// It came in, and the lease API goes on finding out or delivering.
    Held,
    /// It may have moved the money.
    Open,
    /// A payment is asked for: this one was not taken, unless an earlier copy was.
    Asked,
    /// It was not taken, unless an earlier copy was.
    Refused,
}

impl LeaseApiResponse {
    /// What became of the payment that went with the call.
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
        // Paid, and not done: the same payment, sent again, is delivered.
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

/// Codes of refusals that come before the money moves, or with a receipt if it has moved.
fn says_nothing_was_charged(code: ErrorCode) -> bool {
    let open = [
        ErrorCode::Internal,
        ErrorCode::Timeout,
        ErrorCode::PaymentInProgress,
        ErrorCode::PaymentUnresolved,
        // The agent's own, which the lease API never gives.
        ErrorCode::ModelError,
    ];
    !open.contains(&code)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: Value) -> LeaseApiResponse {
        LeaseApiResponse {
            status,
            body,
            payment_required: None,
            receipt: None,
            retry_after: None,
        }
    }

    fn failed(status: u16, code: &str) -> LeaseApiResponse {
        let error = json!({"code": code, "message": "m", "retryable": false, "requestId": "r"});
        answer(status, json!({ "error": error }))
    }

    #[test]
    fn each_answer_says_what_became_of_its_payment() {
        let cases = [
            (answer(200, json!({})), PaymentFate::Done),
            (answer(202, json!({})), PaymentFate::Held),
            (answer(402, json!({})), PaymentFate::Asked),
            (answer(404, json!({})), PaymentFate::Open),
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
    fn a_receipt_says_that_the_money_moved_whatever_else_is_said() {
        for mut answer in [failed(502, "hypervisor_error"), failed(410, "lease_ended")] {
            assert_eq!(answer.fate(), PaymentFate::Refused);
            answer.receipt = Some(json!({"success": true}));
            assert_eq!(answer.fate(), PaymentFate::Open);
        }
    }
}
