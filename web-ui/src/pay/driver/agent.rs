//! One attempt at a purchase that the agent performs: its turn goes on with the suspended call, and then with the model.

use api_types::{ChatEvent, ChatRequest};
use leptos::prelude::*;
use serde_json::Value;
use x402::wire::receipt::Receipt;

use super::{Pay, TurnNews, direct::Answer};
use crate::{
    api::{Abort, ApiError},
    pay::{
        card::Phase,
        outcome::{self, Outcome},
    },
};

/// Sends the signed request once. The payment's outcome is given to `on_outcome` as soon as it is known, while the model is still
/// talking; the answer is the outcome of the whole attempt.
pub(super) async fn attempt(
    pay: Pay,
    conversation: &str,
    tool: &str,
    request: &ChatRequest,
    was_open: bool,
    mut on_outcome: impl FnMut(&Outcome),
) -> Answer {
    let abort = Abort::new();
    let tell = |news| {
        if let Some(callback) = pay.news.get_value() {
            callback.run((conversation.to_owned(), news));
        }
    };
    tell(TurnNews::Begin);
    let mut known: Option<Outcome> = None;
    let ended = pay
        .agent
        .chat(request, &abort, |event| {
            if known.is_none()
                && let Some(outcome) = meaning(&event, tool)
            {
                let outcome = outcome.weighed(was_open);
                on_outcome(&outcome);
                if matches!(outcome, Outcome::Settled(_)) {
                    // From here on, a stop costs nothing.
                    pay.turns.update_value(|all| {
                        drop(all.insert(conversation.to_owned(), abort.clone()));
                    });
                }
                known = Some(outcome);
            }
            // What is asked or said instead of an answer would have the customer pay for the same again.
            if !matches!(known, Some(Outcome::Doubtful { .. })) {
                tell(TurnNews::Event(Box::new(event)));
            }
        })
        .await;
    pay.turns.update_value(|all| drop(all.remove(conversation)));
    if let (None, Err(ApiError::Refused { error, .. })) = (&known, &ended) {
        known = Some(outcome::of_error(error).weighed(was_open));
    }
    // Without an outcome the request is sent again, and in doubt it is kept: a turn that broke off would offer to ask once more.
    let held = matches!(
        (&known, &ended),
        (None, Err(_)) | (Some(Outcome::Doubtful { .. }), _)
    );
    tell(if held {
        TurnNews::Hold
    } else {
        TurnNews::End(ended.clone())
    });
    match (known, ended) {
        (Some(outcome), _) => Ok((outcome, None)),
        (None, Err(error)) => Err(error),
        // A whole turn that does not say what became of the call.
        (None, Ok(())) => Err(ApiError::Unreachable),
    }
}

/// What an event says of the call that was paid for.
fn meaning(event: &ChatEvent, paid_tool: &str) -> Option<Outcome> {
    match event {
        ChatEvent::ToolDone {
            tool,
            ok,
            summary,
            result,
            receipt,
            ..
        } if tool == paid_tool => Some(of_tool(*ok, summary, result, receipt.as_ref())),
        ChatEvent::PaymentRequired { request, .. } => Some(outcome::not_taken(&request.error)),
        ChatEvent::Error { error } => Some(outcome::of_error(error)),
        _ => None,
    }
}

fn of_tool(ok: bool, summary: &str, result: &Value, receipt: Option<&Value>) -> Outcome {
    let body = result.clone();
    let receipt: Option<Receipt> =
        receipt.and_then(|value| serde_json::from_value(value.clone()).ok());
    let held = body["status"] == "reconciling" || body["status"] == "settling";
    match (ok, receipt) {
        (true, _) if held => Outcome::Open {
            message: summary.to_owned(),
        },
        (true, receipt) => Outcome::Settled(outcome::proof(receipt, body)),
        (false, receipt) => failed(summary, &body, receipt),
    }
}

/// A failure in the lease API's words, as far as the agent passes them on; what the agent says in its own was not done.
fn failed(summary: &str, body: &Value, receipt: Option<Receipt>) -> Outcome {
    let passed_on = outcome::of_passed_on(body, summary, receipt.clone());
    passed_on.unwrap_or_else(|| match receipt.filter(|receipt| receipt.success) {
        Some(receipt) => Outcome::Undelivered {
            message: summary.to_owned(),
            transaction: Some(receipt.transaction),
        },
        None => Outcome::Refused {
            message: summary.to_owned(),
            code: None,
            too_little: false,
            proven: false,
        },
    })
}

/// Whether a card shows an outcome already, so that the end of the attempt has nothing to add.
pub(super) fn shows_outcome(phase: &Phase) -> bool {
    !matches!(phase, Phase::Sent { .. } | Phase::Unknown { .. })
}
