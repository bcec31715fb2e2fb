//! What a response to a signed request means for the money. The rule: a purchase ends only with a
//! response that is surely about it. In every other case the same request is sent again, now or by
//! the next run of the same command.

use std::time::Duration;

use api_types::ErrorCode;
use serde_json::Value;
use x402::wire::receipt::Receipt;

use crate::failure::{ExitStatus, Failure};

/// Reasons of facilitators and tokens for a balance that is too low.
const TOO_LITTLE: [&str; 3] = [
    x402::reason::code::BALANCE,
    "insufficient_funds",
    "insufficient_balance",
];

/// A response to a signed request, or the `result` of its stream.
#[derive(Debug, Clone)]
pub struct PaidAnswer {
    /// The status.
    pub status: u16,
    /// The body; null where it is no JSON.
    pub body: Value,
    /// The body as it came, unless it came in an event.
    pub text: Option<String>,
    /// The receipt, if there was one.
    pub receipt: Option<Receipt>,
    /// What the service asks to wait for.
    pub retry_after: Option<Duration>,
}

/// What to do now.
#[derive(Debug)]
pub enum Verdict {
    /// It is paid and delivered.
    Delivered,
    /// It has ended without what was wanted.
    Ended(Failure),
    /// The same request is to be sent again. The failure tells of it if that does not help.
    AskAgain(Failure),
    /// The response does not say what became of an earlier copy: the purchase stays stored.
    Unclear(Failure),
}

/// Reads a response. `was_open` says that an earlier copy of the request may have moved money.
pub fn verdict(answer: &PaidAnswer, was_open: bool) -> Verdict {
    let succeeded = answer
        .receipt
        .as_ref()
        .is_some_and(|receipt| receipt.success);
    match answer.status {
        202 => Verdict::AskAgain(unanswered(
            text(&answer.body, "message").unwrap_or("it is not known yet whether the money moved"),
        )),
        200..=299 => Verdict::Delivered,
        402 => {
            // A challenge names no payment; the receipt of a refusal is about the one that was
            // sent.
            let proven = answer.receipt.is_some() && !succeeded;
            ended_if(proven || !was_open, refused(answer))
        }
        status => {
            let body = answer.body.to_string();
            let failure = Failure::from_response(status, body.as_bytes());
            match succeeded && failure.code != ErrorCode::PaymentOwed.as_str() {
                true => Verdict::AskAgain(paid_not_delivered(failure)),
                false => refused_request(answer, failure, was_open),
            }
        }
    }
}

fn refused_request(answer: &PaidAnswer, failure: Failure, was_open: bool) -> Verdict {
    let code: Option<ErrorCode> = serde_json::from_value(failure.code.as_str().into()).ok();
    match code {
        // Surely about this purchase, or from before any money moves.
        Some(
            ErrorCode::PaymentOwed
            | ErrorCode::ProvisioningFailed
            | ErrorCode::CapacityExhausted
            | ErrorCode::LeaseLimitReached,
        ) => Verdict::Ended(failure),
        Some(ErrorCode::PaymentReplayed) => {
            let state = failure
                .details
                .as_ref()
                .and_then(|details| text(details, "state"));
            let ended = matches!(
                state,
                Some("settled" | "owed" | "refused" | "released" | "given_back")
            );
            ended_if(ended, failure)
        }
        Some(ErrorCode::PaymentInProgress | ErrorCode::PaymentUnresolved | ErrorCode::Internal) => {
            Verdict::AskAgain(open(failure))
        }
        // Nothing was charged by this copy, and the same request may come again.
        Some(
            ErrorCode::FacilitatorUnavailable
            | ErrorCode::HypervisorUnavailable
            | ErrorCode::RateLimited
            | ErrorCode::RequestTimeout
            | ErrorCode::Timeout
            | ErrorCode::Unavailable,
        ) => Verdict::AskAgain(failure),
        Some(ErrorCode::ConsoleInUse) if answer.retry_after.is_some() => Verdict::AskAgain(failure),
        // A proxy's answer: the service may have done anything.
        None if answer.status >= 500 => Verdict::AskAgain(open(failure)),
        _ => ended_if(!was_open, failure),
    }
}

fn ended_if(ended: bool, failure: Failure) -> Verdict {
    match ended {
        true => Verdict::Ended(failure),
        false => Verdict::Unclear(open(failure)),
    }
}

fn refused(answer: &PaidAnswer) -> Failure {
    let reason = answer
        .receipt
        .as_ref()
        .and_then(|receipt| receipt.error_reason.as_deref());
    let reason = reason.or(text(&answer.body, "error")).unwrap_or_default();
    let message =
        text(&answer.body, "message").unwrap_or("the payment was refused, nothing was charged");
    if TOO_LITTLE.iter().any(|known| reason.contains(known)) {
        let message = "the wallet has too little USDC; nothing was charged";
        return Failure::new(ExitStatus::NotEnoughMoney, "not_enough_money", message)
            .advise("see its address, and what it has of play money: infra402 wallet");
    }
    let mut failure = Failure::new(
        ExitStatus::NotPaid,
        ErrorCode::PaymentRefused.as_str(),
        message,
    );
    failure.details =
        (!reason.is_empty()).then(|| Box::new(serde_json::json!({ "reason": reason })));
    failure
}

fn paid_not_delivered(failure: Failure) -> Failure {
    let message = format!("it is paid and not delivered yet: {}", failure.message);
    open(Failure { message, ..failure })
}

/// The purchase may have been paid for: what to do.
fn open(failure: Failure) -> Failure {
    Failure {
        status: ExitStatus::Unanswered,
        next_actions: vec![SAME_COMMAND.to_owned()],
        ..failure
    }
}

const SAME_COMMAND: &str =
    "run the same command again: it asks for this purchase and buys nothing anew";

/// No answer came to a payment that was sent.
pub fn unanswered(why: &str) -> Failure {
    let message = format!("the payment was sent and its answer is missing: {why}");
    Failure::new(ExitStatus::Unanswered, "unanswered", message).advise(SAME_COMMAND)
}

fn text<'a>(body: &'a Value, member: &str) -> Option<&'a str> {
    body.get(member)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value, success: Option<bool>) -> PaidAnswer {
        let receipt = success.map(|success| {
            let receipt = json!({"success": success, "transaction": "0x1", "network": "base"});
            serde_json::from_value(receipt).unwrap()
        });
        PaidAnswer {
            status,
            body,
            text: None,
            receipt,
            retry_after: None,
        }
    }

    fn error(code: &str) -> Value {
        json!({"error": {"code": code, "message": "M."}})
    }

    fn word(verdict: &Verdict) -> (&'static str, u8) {
        match verdict {
            Verdict::Delivered => ("delivered", 0),
            Verdict::Ended(failure) => ("ended", failure.status.number()),
            Verdict::AskAgain(failure) => ("again", failure.status.number()),
            Verdict::Unclear(failure) => ("unclear", failure.status.number()),
        }
    }

    #[test]
    fn a_purchase_ends_only_with_an_answer_that_is_about_it() {
        let too_little = json!({"error": "insufficient_funds"});
        let challenge = json!({"error": "invalid_exact_evm_signature", "message": "M."});
        for (given, was_open, expected) in [
            (answer(200, json!({}), Some(true)), true, ("delivered", 0)),
            (answer(202, json!({}), None), false, ("again", 7)),
            (answer(402, challenge.clone(), None), false, ("ended", 4)),
            (answer(402, challenge.clone(), None), true, ("unclear", 7)),
            (answer(402, challenge, Some(false)), true, ("ended", 4)),
            (answer(402, too_little, None), false, ("ended", 5)),
            (
                answer(409, error("payment_owed"), Some(true)),
                true,
                ("ended", 1),
            ),
            (
                answer(503, error("hypervisor_unavailable"), Some(true)),
                false,
                ("again", 7),
            ),
            (
                answer(503, error("hypervisor_unavailable"), None),
                false,
                ("again", 1),
            ),
            (
                answer(503, error("capacity_exhausted"), None),
                true,
                ("ended", 1),
            ),
            (
                answer(409, error("payment_in_progress"), None),
                false,
                ("again", 7),
            ),
            (
                answer(409, error("payment_replayed"), None),
                false,
                ("unclear", 7),
            ),
            (
                answer(404, error("lease_not_found"), None),
                false,
                ("ended", 3),
            ),
            (
                answer(404, error("lease_not_found"), None),
                true,
                ("unclear", 7),
            ),
            (answer(502, Value::Null, None), false, ("again", 7)),
            (
                answer(400, error("of_a_later_release"), None),
                false,
                ("ended", 1),
            ),
        ] {
            assert_eq!(
                word(&verdict(&given, was_open)),
                expected,
                "{given:?} {was_open}"
            );
        }
    }
}
