//! One attempt at a purchase that the agent performs: its turn goes on with the suspended call, and then with the model.

use api_types::{ChatEvent, ChatRequest, ErrorBody, ErrorCode, ErrorEnvelope, Json};
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
                on_outcome(&outcome);
                if matches!(outcome, Outcome::Settled(_)) {
                    // From here on, a stop costs nothing.
                    pay.turns.update_value(|all| {
                        drop(all.insert(conversation.to_owned(), abort.clone()));
                    });
                }
                known = Some(outcome);
            }
            tell(TurnNews::Event(Box::new(event)));
        })
        .await;
    pay.turns.update_value(|all| drop(all.remove(conversation)));
    tell(TurnNews::End(ended.clone()));
    match (known, ended) {
        (Some(outcome), _) => Ok((outcome, None)),
        (None, Err(ApiError::Refused { error, .. })) => Ok((outcome::of_error(*error), None)),
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
        ChatEvent::Error { error } => Some(outcome::of_error(error.clone())),
        _ => None,
    }
}

fn of_tool(ok: bool, summary: &str, result: &Json, receipt: Option<&Json>) -> Outcome {
    let value = |json: &Json| serde_json::to_value(json).unwrap_or(Value::Null);
    let body = value(result);
    let receipt: Option<Receipt> =
        receipt.and_then(|json| serde_json::from_value(value(json)).ok());
    let held = body["status"] == "reconciling" || body["status"] == "settling";
    match (ok, receipt) {
        (true, _) if held => Outcome::Open {
            message: summary.to_owned(),
        },
        (true, receipt) => Outcome::Settled(outcome::proof(receipt, body)),
        (false, Some(receipt)) if receipt.success => Outcome::Undelivered {
            message: summary.to_owned(),
            transaction: Some(receipt.transaction),
        },
        (false, _) => refused(summary, body),
    }
}

/// A refusal in the lease API's words, as far as the agent passes them on; what the agent says in its own was not done.
fn refused(summary: &str, mut body: Value) -> Outcome {
    match serde_json::from_value::<ErrorCode>(body["error"]["code"].take()) {
        Ok(code) => outcome::of_error(ErrorBody {
            details: serde_json::from_value(body["error"]["details"].take()).ok(),
            ..ErrorEnvelope::new(code, summary, "").error
        }),
        Err(_) => Outcome::Refused {
            message: summary.to_owned(),
            code: None,
            too_little: false,
        },
    }
}

/// Whether a card shows an outcome already, so that the end of the attempt has nothing to add.
pub(super) fn shows_outcome(phase: &Phase) -> bool {
    !matches!(phase, Phase::Sent { .. } | Phase::Unknown { .. })
}
