use api_types::{ChatEvent, ErrorCode, ErrorEnvelope};
use serde_json::{from_value, json};

use super::*;

fn event(value: serde_json::Value) -> ChatEvent {
    from_value(value).unwrap()
}

fn token(text: &str) -> ChatEvent {
    event(json!({"type": "token", "text": text}))
}

fn start(id: &str) -> ChatEvent {
    event(
        json!({"type": "tool_start", "id": id, "tool": "lease_container", "title": "Leasing", "arguments": {"cores": 1}}),
    )
}

fn done(id: &str, ok: bool) -> ChatEvent {
    event(json!({
        "type": "tool_done", "id": id, "tool": "lease_container", "ok": ok, "summary": "Container 101 runs",
        "result": {"ctid": 101, "password": "made-once", "list": [{"ticket": "t"}, {"link": "http://8080-n/?a=token"}]}, "duration_ms": 900,
    }))
}

fn payment(id: &str) -> ChatEvent {
    let call = json!({"tool": "lease_container", "method": "POST", "path": "/lease/container", "summary": "Lease 1 core"});
    event(json!({
        "type": "payment_required", "id": id, "pending": "sealed", "request": {
            "x402Version": 1, "accepts": [], "call": call, "amount": "10000", "network": "base-sepolia",
            "asset": "0x036C", "pay_to": "0x7099", "valid_until": "2026-01-01T00:00:00Z",
        },
    }))
}

fn last(reply: &str) -> ChatEvent {
    event(json!({"type": "final", "reply": reply, "turn_id": "t-1"}))
}

fn turn(events: impl IntoIterator<Item = ChatEvent>) -> Turn {
    let mut turn = Turn::new(1, "Lease one".to_owned());
    for event in events {
        turn.apply(event);
    }
    turn
}

fn steps(turn: &Turn) -> Vec<ToolStep> {
    turn.calls().map(|call| call.step.clone()).collect()
}

#[test]
fn tokens_between_calls_are_separate_parts() {
    let turn = turn([
        token("Let "),
        token("me."),
        start("c1"),
        done("c1", true),
        token("Done."),
        last("Let me. Done."),
    ]);
    assert_eq!(turn.state, TurnState::Done);
    assert_eq!(turn.parts.len(), 3);
    assert_eq!(turn.reply(), "Let me.\n\nDone.");
    assert_eq!(steps(&turn), [ToolStep::Completed]);
    assert_eq!(turn.calls().next().unwrap().duration_ms, Some(900));
}

#[test]
fn a_reply_that_came_without_tokens_is_not_lost_and_never_doubled() {
    assert_eq!(turn([last("Hello.")]).reply(), "Hello.");
    assert_eq!(turn([token("Hello."), last("Hello.")]).reply(), "Hello.");
}

#[test]
fn a_paid_call_waits_is_answered_for_and_goes_on_in_its_place() {
    let mut turn = turn([start("c1"), payment("c1"), last("")]);
    assert_eq!(turn.state, TurnState::Suspended);
    assert_eq!(turn.waiting().unwrap().title, "Leasing");
    turn.attach_card(7);
    assert_eq!(turn.waiting().unwrap().card, Some(7));

    turn.respond();
    assert!(turn.is_running());
    assert_eq!(steps(&turn), [ToolStep::Responded]);
    turn.apply(start("c1"));
    assert_eq!(steps(&turn), [ToolStep::Responded]);
    turn.apply(done("c1", true));
    turn.apply(last("It runs."));
    assert_eq!(steps(&turn), [ToolStep::Completed]);
    assert_eq!(turn.state, TurnState::Done);
    assert_eq!(turn.calls().next().unwrap().card, Some(7));
}

#[test]
fn a_call_that_was_never_announced_is_still_shown() {
    let turn = turn([payment("c9")]);
    let call = turn.waiting().unwrap();
    assert_eq!(
        (call.tool.as_str(), call.title.as_str()),
        ("lease_container", "Lease 1 core")
    );
}

#[test]
fn a_no_stays_a_no() {
    let mut turn = turn([start("c1"), payment("c1")]);
    turn.deny();
    assert_eq!(turn.state, TurnState::Done);
    turn.apply(done("c1", false));
    assert_eq!(steps(&turn), [ToolStep::Denied]);
}

#[test]
fn what_breaks_off_keeps_what_was_said() {
    let error = ErrorEnvelope::new(ErrorCode::ModelError, "The model broke.", "r-9").error;
    let broken = turn([token("Half"), start("c1"), ChatEvent::Error { error }]);
    let fault = TurnError {
        message: "The model broke.".to_owned(),
        request_id: Some("r-9".to_owned()),
    };
    assert_eq!(broken.state, TurnState::Broken(fault));
    assert_eq!(broken.reply(), "Half");
    assert_eq!(steps(&broken), [ToolStep::Failed]);

    let mut cut = turn([token("Half")]);
    cut.on_stream_end("lost");
    assert!(matches!(cut.state, TurnState::Broken(_)));
    let mut complete = turn([last("Yes.")]);
    complete.on_stream_end("lost");
    assert_eq!(complete.state, TurnState::Done);
}

#[test]
fn a_stored_conversation_has_no_secrets_and_nothing_under_way() {
    let mut conversation = Conversation::new("c".to_owned(), 5);
    conversation.turns = vec![
        turn([start("c1"), done("c1", true), last("ok")]),
        turn([token("Ha"), start("c2")]),
        turn([payment("c3")]),
    ];
    let text = serde_json::to_string(&conversation.without_secrets()).unwrap();
    for secret in ["made-once", "ticket", "http://8080-n"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("101"));
    assert!(
        text.contains(r#""passwordShown":true"#),
        "that there was one is kept"
    );

    let restored = serde_json::from_str::<Conversation>(&text)
        .unwrap()
        .restored();
    assert_eq!(restored.turns[1].state, TurnState::Stopped);
    assert_eq!(steps(&restored.turns[1]), [ToolStep::Failed]);
    // A call that waits for a payment can still be paid.
    assert_eq!(restored.turns[2].state, TurnState::Suspended);
    assert!(restored.turns[2].waiting().is_some());
}

#[test]
fn a_paid_call_that_outlived_its_page_is_tied_to_its_payment_again() {
    let mut conversation = Conversation::new("c".to_owned(), 5);
    let mut paid = turn([start("c1"), payment("c1")]);
    paid.respond();
    conversation.turns.push(paid);
    let mut restored = conversation.restored().turns.remove(0);
    assert_eq!(restored.state, TurnState::Stopped);
    restored.attach_card_to_last(3);
    restored.restart_paid_call();
    assert_eq!(restored.calls().next().unwrap().card, Some(3));
    assert_eq!(restored.state, TurnState::Answering);
    assert_eq!(steps(&restored), [ToolStep::Responded]);
}

#[test]
fn what_followed_a_paid_call_is_not_said_twice() {
    let mut turn = turn([token("Leasing."), start("c1"), payment("c1")]);
    turn.attach_card(1);
    turn.restart_paid_call();
    turn.apply(done("c1", true));
    turn.apply(token("It ru"));
    turn.restart_paid_call();
    assert_eq!(turn.reply(), "Leasing.");
    turn.apply(done("c1", true));
    turn.apply(token("It runs."));
    turn.apply(last(""));
    assert_eq!(turn.reply(), "Leasing.\n\nIt runs.");
    assert_eq!(turn.calls().count(), 1);
}

#[test]
fn a_conversation_is_named_after_its_first_words() {
    let mut conversation = Conversation::new("c".to_owned(), 0);
    assert_eq!(conversation.title(), None);
    let long = format!("{}\nsecond line", "ä".repeat(80));
    conversation.turns.push(Turn::new(1, long));
    assert_eq!(
        conversation.title().unwrap(),
        format!("{}…", "ä".repeat(60))
    );
}

#[test]
fn the_agent_is_told_the_latest_turns_by_whole_turns() {
    let mut turns: Vec<_> = (0..5).map(|_| turn([last(&"x".repeat(9_990))])).collect();
    turns.push(turn([start("c1"), done("c1", true)]));
    let told = history(turns.iter());
    assert_eq!(told.len(), 6);
    assert_eq!(told[0].role, ChatRole::User);
    assert_eq!(told[5].content, "Container 101 runs");
}

#[test]
fn a_question_is_worth_asking_again_where_a_call_failed_and_nothing_was_paid() {
    assert!(turn([start("c1"), done("c1", false), last("No.")]).can_be_retried());
    assert!(!turn([start("c1"), done("c1", true), last("Yes.")]).can_be_retried());
    assert!(
        !turn([start("c1"), done("c1", false)]).can_be_retried(),
        "it is still going on"
    );
    let mut paid = turn([
        start("c1"),
        done("c1", true),
        start("c2"),
        done("c2", false),
        last("No."),
    ]);
    assert!(paid.can_be_retried());
    paid.calls_mut().next().unwrap().receipt = Some(Value::Bool(true));
    assert!(!paid.can_be_retried());
}

#[test]
fn a_turn_whose_payment_is_unconfirmed_waits_and_goes_on_with_it() {
    let mut turn = turn([start("c1"), payment("c1")]);
    turn.attach_card(1);
    turn.restart_paid_call();
    turn.put_on_hold();
    assert_eq!(turn.state, TurnState::Suspended);
    assert_eq!(steps(&turn), [ToolStep::Responded]);
    assert!(turn.waiting().is_none(), "nothing is offered in its place");
    turn.restart_paid_call();
    turn.apply(done("c1", true));
    turn.apply(last("It runs."));
    assert_eq!(turn.state, TurnState::Done);
}
