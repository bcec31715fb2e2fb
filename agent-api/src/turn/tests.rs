use super::*;

const BOUNDS: TurnBounds = TurnBounds {
    calls: 3,
    rounds: 3,
};

fn call(id: &str, tool: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        tool: tool.into(),
        arguments: format!(r#"{{"for": "{id}"}}"#),
    }
}

fn words(text: &str) -> TurnEvent {
    TurnEvent::Said(ModelAnswer {
        text: text.into(),
        ..ModelAnswer::default()
    })
}

fn calls(calls: impl Into<Vec<ToolCall>>) -> TurnEvent {
    TurnEvent::Said(ModelAnswer {
        calls: calls.into(),
        ..ModelAnswer::default()
    })
}

fn answered(ok: bool) -> TurnEvent {
    TurnEvent::Answered(ToolResult {
        ok,
        text: "{}".into(),
        summary: "Did it.".into(),
        bought: None,
    })
}

fn given_up() -> TurnEvent {
    TurnEvent::GivenUp {
        reason: "too dear".into(),
        message: None,
    }
}

const ASK: TurnEffect = TurnEffect::Ask {
    tools: true,
    again: false,
};
const ASK_AGAIN: TurnEffect = TurnEffect::Ask {
    tools: true,
    again: true,
};
const ASK_WITHOUT_TOOLS: TurnEffect = TurnEffect::Ask {
    tools: false,
    again: false,
};

fn turn() -> Turn {
    let question = Message::User {
        text: "please".into(),
    };
    Turn::new("turn_1", vec![question])
}

/// Applies the events in order and compares each effect.
#[track_caller]
fn follow(story: impl IntoIterator<Item = (TurnEvent, TurnEffect)>) -> Turn {
    let mut turn = turn();
    for (number, (event, expected)) in story.into_iter().enumerate() {
        let name = event.name();
        assert_eq!(
            turn.step(event, &BOUNDS),
            expected,
            "event {number}, {name}"
        );
    }
    turn
}

#[test]
fn each_sequence_of_events_has_the_effects_in_the_table() {
    let (a, b) = (call("a", "quote_lease"), call("b", "get_node_stats"));
    let stories: Vec<(&str, Vec<(TurnEvent, TurnEffect)>)> = vec![
        (
            "words end the turn",
            vec![
                (TurnEvent::Start, ASK),
                (words("hello"), TurnEffect::Finish),
            ],
        ),
        (
            "a tool's answer goes back to the model, also a bad one",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone()]), TurnEffect::Call(a.clone())),
                (answered(false), ASK),
                (words("no"), TurnEffect::Finish),
            ],
        ),
        (
            "parallel calls are made one after the other",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone(), b.clone()]), TurnEffect::Call(a.clone())),
                (answered(true), TurnEffect::Call(b.clone())),
                (answered(true), ASK),
            ],
        ),
        (
            "a call that waits goes on with its answer, and then the rest",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone(), b.clone()]), TurnEffect::Call(a.clone())),
                (
                    TurnEvent::Suspended(CallFingerprint::default()),
                    TurnEffect::Wait,
                ),
                (answered(true), TurnEffect::Call(b.clone())),
            ],
        ),
        (
            "a price that moved suspends again",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone()]), TurnEffect::Call(a.clone())),
                (
                    TurnEvent::Suspended(CallFingerprint::default()),
                    TurnEffect::Wait,
                ),
                (
                    TurnEvent::Suspended(CallFingerprint::default()),
                    TurnEffect::Wait,
                ),
                (answered(true), ASK),
            ],
        ),
        (
            "what the customer gives up is not done, nor what follows",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone(), b.clone()]), TurnEffect::Call(a.clone())),
                (
                    TurnEvent::Suspended(CallFingerprint::default()),
                    TurnEffect::Wait,
                ),
                (given_up(), ASK),
                (words("fine"), TurnEffect::Finish),
            ],
        ),
        (
            "silence is asked again once",
            vec![
                (TurnEvent::Start, ASK),
                (words("  "), ASK_AGAIN),
                (words(""), TurnEffect::Break(TurnFailure::Silent)),
            ],
        ),
        (
            "a model that fails breaks the turn off",
            vec![
                (TurnEvent::Start, ASK),
                (
                    TurnEvent::Failed(TurnFailure::Model("down".into())),
                    TurnEffect::Break(TurnFailure::Model("down".into())),
                ),
            ],
        ),
        (
            "time runs out",
            vec![
                (TurnEvent::Start, ASK),
                (
                    TurnEvent::Failed(TurnFailure::OutOfTime),
                    TurnEffect::Break(TurnFailure::OutOfTime),
                ),
            ],
        ),
        (
            "what was done is told even if the model fails afterwards",
            vec![
                (TurnEvent::Start, ASK),
                (calls([a.clone()]), TurnEffect::Call(a.clone())),
                (answered(true), ASK),
                (
                    TurnEvent::Failed(TurnFailure::OutOfTime),
                    TurnEffect::Finish,
                ),
            ],
        ),
    ];
    for (name, story) in stories {
        println!("{name}");
        follow(story);
    }
}

#[test]
fn an_event_that_is_not_allowed_in_a_state_is_an_error_and_no_panic() {
    let call = call("a", "quote_lease");
    let thinking = follow([(TurnEvent::Start, ASK)]);
    let waiting = follow([
        (TurnEvent::Start, ASK),
        (calls([call.clone()]), TurnEffect::Call(call)),
        (
            TurnEvent::Suspended(CallFingerprint::default()),
            TurnEffect::Wait,
        ),
    ]);
    let over = follow([(TurnEvent::Start, ASK), (words("."), TurnEffect::Finish)]);
    let known = [
        ("begun", turn()),
        ("thinking", thinking),
        ("waiting", waiting),
        ("over", over),
    ];
    let events = [
        TurnEvent::Start,
        words("x"),
        answered(true),
        TurnEvent::Suspended(CallFingerprint::default()),
        given_up(),
    ];
    let taken = [
        ("begun", "start"),
        ("thinking", "said"),
        ("waiting", "answered"),
        ("waiting", "suspended"),
        ("waiting", "given_up"),
    ];
    for (state, turn) in known {
        for event in &events {
            let effect = turn.clone().step(event.clone(), &BOUNDS);
            let fault = effect == TurnEffect::Break(TurnFailure::Unexpected(event.name()));
            assert_eq!(
                fault,
                !taken.contains(&(state, event.name())),
                "{state}, {}",
                event.name()
            );
        }
    }
}

#[test]
fn a_model_that_never_stops_is_stopped() {
    let step = |id: &str| call(id, "get_node_stats");
    let turn = follow([
        (TurnEvent::Start, ASK),
        (calls([step("1")]), TurnEffect::Call(step("1"))),
        (answered(true), ASK),
        (calls([step("2")]), TurnEffect::Call(step("2"))),
        (answered(true), ASK),
        (calls([step("3")]), TurnEffect::Call(step("3"))),
        (answered(true), ASK_WITHOUT_TOOLS),
        (calls([step("4")]), TurnEffect::Finish),
    ]);
    assert!(turn.words().contains("more steps"));
}

#[test]
fn of_twenty_calls_at_once_those_over_the_limit_are_refused_and_all_get_a_result() {
    let twenty: Vec<_> = (0..20)
        .map(|number| call(&number.to_string(), "get_node_stats"))
        .collect();
    let turn = follow([
        (TurnEvent::Start, ASK),
        (calls(twenty.clone()), TurnEffect::Call(twenty[0].clone())),
        (answered(true), TurnEffect::Call(twenty[1].clone())),
        (answered(true), TurnEffect::Call(twenty[2].clone())),
        (answered(true), ASK_WITHOUT_TOOLS),
    ]);
    let answers = turn
        .conversation()
        .iter()
        .filter(|message| matches!(message, Message::Tool { .. }));
    assert_eq!(
        answers.count(),
        20,
        "a call without an answer is refused by models"
    );
}

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
fn words_of_several_rounds_are_separate_paragraphs() {
    let first = call("a", "quote_lease");
    let mut turn = turn();
    turn.step(TurnEvent::Start, &BOUNDS);
    let said = ModelAnswer {
        text: "Let me look.".into(),
        calls: vec![first],
        ..ModelAnswer::default()
    };
    turn.step(TurnEvent::Said(said), &BOUNDS);
    turn.step(answered(true), &BOUNDS);
    turn.step(words("One cent."), &BOUNDS);
    assert_eq!(turn.words(), "Let me look.\n\nOne cent.");
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
