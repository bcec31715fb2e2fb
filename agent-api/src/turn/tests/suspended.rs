//! Turns that wait for a payment, and those that were paid for.

use super::*;

fn lease(minutes: u32, size: &str) -> CallFingerprint {
    CallFingerprint {
        call: format!("POST /lease/container {size} {minutes}"),
        kind: Some(size.to_owned()),
    }
}

#[test]
fn a_paid_call_that_failed_is_reported_even_if_the_model_fails() {
    let first = call("a", "lease_container");
    let mut turn = follow([
        (TurnEvent::Start, ASK),
        (calls([first.clone()]), TurnEffect::Call(first)),
        (TurnEvent::Suspended(lease(60, "small")), TurnEffect::Wait),
    ]);
    let owed = ToolResult {
        ok: false,
        text: "{}".into(),
        summary: "It is owed to you.".into(),
        bought: Some(lease(60, "small")),
    };
    assert_eq!(turn.step(TurnEvent::Answered(owed), &BOUNDS), ASK);
    let end = turn.step(TurnEvent::Failed(TurnFailure::OutOfTime), &BOUNDS);
    assert_eq!(end, TurnEffect::Finish);
    assert!(
        turn.words().contains("It is owed to you."),
        "{}",
        turn.words()
    );
}

#[test]
fn a_call_is_put_to_the_customer_again_only_after_a_new_message() {
    let first = call("a", "lease_container");
    let (put, longer, larger) = (lease(60, "small"), lease(90, "small"), lease(60, "large"));
    let mut turn = follow([
        (TurnEvent::Start, ASK),
        (calls([first.clone()]), TurnEffect::Call(first)),
        (TurnEvent::Suspended(put.clone()), TurnEffect::Wait),
    ]);
    assert_eq!(turn.objection(&put), Some(REPEATED));
    assert_eq!(turn.objection(&longer), None, "nothing was paid for yet");
    let mut given_up = turn.clone();
    given_up.step(
        TurnEvent::GivenUp {
            reason: "another".into(),
            message: Some("make it so after all".into()),
        },
        &BOUNDS,
    );
    assert_eq!(given_up.objection(&put), None, "the customer's new word");

    let paid = ToolResult {
        ok: true,
        bought: Some(put.clone()),
        ..ToolResult::default()
    };
    turn.step(TurnEvent::Answered(paid), &BOUNDS);
    let written = serde_json::to_string(&turn).unwrap();
    let turn: Turn = serde_json::from_str(&written).unwrap();
    assert_eq!(turn.objection(&put), Some(REPEATED));
    assert_eq!(turn.objection(&longer), Some(ANOTHER));
    assert_eq!(turn.objection(&larger), None);
}

#[test]
fn a_suspended_turn_goes_on_after_serialization() {
    let first = call("a", "quote_lease");
    let turn = follow([
        (TurnEvent::Start, ASK),
        (calls([first.clone()]), TurnEffect::Call(first.clone())),
        (
            TurnEvent::Suspended(CallFingerprint::default()),
            TurnEffect::Wait,
        ),
    ]);
    let written = serde_json::to_string(&turn).unwrap();
    let mut read: Turn = serde_json::from_str(&written).unwrap();
    assert_eq!(read.id(), "turn_1");
    assert_eq!(read.waiting(), Some(&first));
    assert_eq!(read.step(answered(true), &BOUNDS), ASK);
    assert!(read.has_results());
}

#[test]
fn a_new_message_instead_of_a_payment_reaches_the_model() {
    let first = call("a", "quote_lease");
    let mut turn = follow([
        (TurnEvent::Start, ASK),
        (calls([first.clone()]), TurnEffect::Call(first)),
        (
            TurnEvent::Suspended(CallFingerprint::default()),
            TurnEffect::Wait,
        ),
    ]);
    let event = TurnEvent::GivenUp {
        reason: "the customer went on".into(),
        message: Some("smaller, please".into()),
    };
    assert_eq!(turn.step(event, &BOUNDS), ASK);
    assert_eq!(last_words(turn.conversation()), "smaller, please");
}
