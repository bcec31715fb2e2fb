//! One attempt to send a signed request to the agent: its turn resumes the suspended call, and then
//! goes on with the model.

use api_types::{ChatEvent, ChatRequest};
use leptos::prelude::*;
use serde_json::Value;
use x402::wire::receipt::Receipt;

use super::{Pay, TurnUpdate, direct::AttemptResult};
use crate::{
    http::{AbortHandle, RequestError},
    pay::{
        card::PaymentPhase,
        outcome::{self, PaymentOutcome},
    },
};

/// Sends the signed request once. The payment's outcome is passed to `on_outcome` as soon as it is
/// known, while the model is still answering. Returns the outcome of the whole attempt.
pub(super) async fn attempt(
    pay: Pay,
    conversation: &str,
    tool: &str,
    request: &ChatRequest,
    was_open: bool,
    mut on_outcome: impl FnMut(&PaymentOutcome),
) -> AttemptResult {
    let abort = AbortHandle::new();
    let notify = |update| {
        if let Some(callback) = pay.on_turn.get_value() {
            callback.run((conversation.to_owned(), update));
        }
    };
    notify(TurnUpdate::Started);
    let mut known: Option<PaymentOutcome> = None;
    let ended = pay
        .agent
        .chat(request, &abort, |event| {
            if known.is_none()
                && let Some(outcome) = outcome_of_event(&event, tool)
            {
                let outcome = outcome.after_earlier_copies(was_open);
                on_outcome(&outcome);
                if matches!(outcome, PaymentOutcome::Settled(_)) {
                    // From now on, aborting the turn costs nothing.
                    pay.turns.update_value(|all| {
                        drop(all.insert(conversation.to_owned(), abort.clone()));
                    });
                }
                known = Some(outcome);
            }
            // While the outcome is unknown, the turn's events are not shown: they could ask the
            // customer to pay for the same again.
            if !matches!(known, Some(PaymentOutcome::Unconfirmed { .. })) {
                notify(TurnUpdate::Event(Box::new(event)));
            }
        })
        .await;
    pay.turns.update_value(|all| drop(all.remove(conversation)));
    if let (None, Err(RequestError::Refused { error, .. })) = (&known, &ended) {
        known = Some(outcome::from_error(error).after_earlier_copies(was_open));
    }
    // Without an outcome the request is sent again or stays stored. A failed turn would offer a
    // retry instead.
    let on_hold = matches!(
        (&known, &ended),
        (None, Err(_)) | (Some(PaymentOutcome::Unconfirmed { .. }), _)
    );
    notify(if on_hold {
        TurnUpdate::OnHold
    } else {
        TurnUpdate::Ended(ended.clone())
    });
    match (known, ended) {
        (Some(outcome), _) => Ok((outcome, None)),
        (None, Err(error)) => Err(error),
        // The turn ended without an outcome of the call.
        (None, Ok(())) => Err(RequestError::Unreachable),
    }
}

/// What an event says of the call that is paid for.
fn outcome_of_event(event: &ChatEvent, paid_tool: &str) -> Option<PaymentOutcome> {
    match event {
        ChatEvent::ToolDone {
            tool,
            ok,
            summary,
            result,
            receipt,
            ..
        } if tool == paid_tool => Some(outcome_of_tool(*ok, summary, result, receipt.as_ref())),
        ChatEvent::PaymentRequired { request, .. } => Some(outcome::from_challenge(&request.error)),
        ChatEvent::Error { error } => Some(outcome::from_error(error)),
        _ => None,
    }
}

fn outcome_of_tool(
    ok: bool,
    summary: &str,
    result: &Value,
    receipt: Option<&Value>,
) -> PaymentOutcome {
    let body = result.clone();
    let receipt: Option<Receipt> =
        receipt.and_then(|value| serde_json::from_value(value.clone()).ok());
    let is_open = body["status"] == "reconciling" || body["status"] == "settling";
    match (ok, receipt) {
        (true, _) if is_open => PaymentOutcome::Open {
            message: summary.to_owned(),
        },
        (true, receipt) => PaymentOutcome::Settled(outcome::read_receipt(receipt, body)),
        (false, receipt) => outcome_of_failure(summary, &body, receipt),
    }
}

/// A failed call: the lease API's error, if the agent passes one on. Without one the agent did not
/// send the request.
fn outcome_of_failure(summary: &str, body: &Value, receipt: Option<Receipt>) -> PaymentOutcome {
    let passed_on = outcome::from_agent_error(body, summary, receipt.clone());
    passed_on.unwrap_or_else(|| match receipt.filter(|receipt| receipt.success) {
        Some(receipt) => PaymentOutcome::Undelivered {
            message: summary.to_owned(),
            transaction: Some(receipt.transaction),
        },
        None => PaymentOutcome::Refused {
            message: summary.to_owned(),
            code: None,
            too_little: false,
            proven: false,
        },
    })
}

/// Whether a card shows an outcome already, so that the end of the attempt adds nothing.
pub(super) fn shows_outcome(phase: &PaymentPhase) -> bool {
    !matches!(
        phase,
        PaymentPhase::Sent { .. } | PaymentPhase::Unknown { .. }
    )
}
