use super::*;

const BOUNDS: Bounds = Bounds {
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

fn words(text: &str) -> Event {
    Event::Said(Said {
        text: text.into(),
        ..Said::default()
    })
}

fn calls(calls: impl Into<Vec<ToolCall>>) -> Event {
    Event::Said(Said {
        calls: calls.into(),
        ..Said::default()
    })
}

fn answered(ok: bool) -> Event {
    Event::Answered(ToolAnswer {
        ok,
        text: "{}".into(),
        summary: "Did it.".into(),
        bought: None,
    })
}

fn given_up() -> Event {
    Event::GivenUp {
        reason: "too dear".into(),
        message: None,
    }
}

const ASK: Effect = Effect::Ask {
    tools: true,
    again: false,
};
const ASK_AGAIN: Effect = Effect::Ask {
    tools: true,
    again: true,
};
const ASK_WITHOUT_TOOLS: Effect = Effect::Ask {
    tools: false,
    again: false,
};

fn turn() -> Turn {
    let question = Message::User {
        text: "please".into(),
    };
    Turn::new("turn_1", vec![question])
}

/// Takes the events one after the other and compares each effect.
#[track_caller]
fn follow(story: impl IntoIterator<Item = (Event, Effect)>) -> Turn {
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
fn every_story_leads_where_the_table_says() {
    let (a, b) = (call("a", "quote_lease"), call("b", "get_node_stats"));
    let stories: Vec<(&str, Vec<(Event, Effect)>)> = vec![
        (
            "words end the turn",
            vec![(Event::Start, ASK), (words("hello"), Effect::Finish)],
        ),
        (
            "a tool's answer goes back to the model, also a bad one",
            vec![
                (Event::Start, ASK),
                (calls([a.clone()]), Effect::Call(a.clone())),
                (answered(false), ASK),
                (words("no"), Effect::Finish),
            ],
        ),
        (
            "parallel calls are made one after the other",
            vec![
                (Event::Start, ASK),
                (calls([a.clone(), b.clone()]), Effect::Call(a.clone())),
                (answered(true), Effect::Call(b.clone())),
                (answered(true), ASK),
            ],
        ),
        (
            "a call that waits goes on with its answer, and then the rest",
            vec![
                (Event::Start, ASK),
                (calls([a.clone(), b.clone()]), Effect::Call(a.clone())),
                (Event::Suspended(Mark::default()), Effect::Wait),
                (answered(true), Effect::Call(b.clone())),
            ],
        ),
        (
            "a price that moved suspends again",
            vec![
                (Event::Start, ASK),
                (calls([a.clone()]), Effect::Call(a.clone())),
                (Event::Suspended(Mark::default()), Effect::Wait),
                (Event::Suspended(Mark::default()), Effect::Wait),
                (answered(true), ASK),
            ],
        ),
        (
            "what the customer gives up is not done, nor what follows",
            vec![
                (Event::Start, ASK),
                (calls([a.clone(), b.clone()]), Effect::Call(a.clone())),
                (Event::Suspended(Mark::default()), Effect::Wait),
                (given_up(), ASK),
                (words("fine"), Effect::Finish),
            ],
        ),
        (
            "silence is asked again once",
            vec![
                (Event::Start, ASK),
                (words("  "), ASK_AGAIN),
                (words(""), Effect::Break(Failure::Silent)),
            ],
        ),
        (
            "a model that fails breaks the turn off",
            vec![
                (Event::Start, ASK),
                (
                    Event::Failed(Failure::Model("down".into())),
                    Effect::Break(Failure::Model("down".into())),
                ),
            ],
        ),
        (
            "time runs out",
            vec![
                (Event::Start, ASK),
                (
                    Event::Failed(Failure::OutOfTime),
                    Effect::Break(Failure::OutOfTime),
                ),
            ],
        ),
        (
            "what was done is told even if the model fails afterwards",
            vec![
                (Event::Start, ASK),
                (calls([a.clone()]), Effect::Call(a.clone())),
                (answered(true), ASK),
                (Event::Failed(Failure::OutOfTime), Effect::Finish),
            ],
        ),
    ];
    for (name, story) in stories {
        println!("{name}");
        follow(story);
    }
}

#[test]
fn an_event_that_the_state_does_not_know_is_a_fault_and_no_panic() {
    let call = call("a", "quote_lease");
    let thinking = follow([(Event::Start, ASK)]);
    let waiting = follow([
        (Event::Start, ASK),
        (calls([call.clone()]), Effect::Call(call)),
        (Event::Suspended(Mark::default()), Effect::Wait),
    ]);
    let over = follow([(Event::Start, ASK), (words("."), Effect::Finish)]);
    let known = [
        ("begun", turn()),
        ("thinking", thinking),
        ("waiting", waiting),
        ("over", over),
    ];
    let events = [
        Event::Start,
        words("x"),
        answered(true),
        Event::Suspended(Mark::default()),
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
            let fault = effect == Effect::Break(Failure::Unexpected(event.name()));
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
        (Event::Start, ASK),
        (calls([step("1")]), Effect::Call(step("1"))),
        (answered(true), ASK),
        (calls([step("2")]), Effect::Call(step("2"))),
        (answered(true), ASK),
        (calls([step("3")]), Effect::Call(step("3"))),
        (answered(true), ASK_WITHOUT_TOOLS),
        (calls([step("4")]), Effect::Finish),
    ]);
    assert!(turn.words().contains("more steps"));
}

#[test]
fn twenty_calls_at_once_are_cut_to_the_bound_and_every_one_is_answered() {
    let twenty: Vec<_> = (0..20)
        .map(|number| call(&number.to_string(), "get_node_stats"))
        .collect();
    let turn = follow([
        (Event::Start, ASK),
        (calls(twenty.clone()), Effect::Call(twenty[0].clone())),
        (answered(true), Effect::Call(twenty[1].clone())),
        (answered(true), Effect::Call(twenty[2].clone())),
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

fn lease(minutes: u32, size: &str) -> Mark {
    Mark {
        call: format!("POST /lease/container {size} {minutes}"),
        kind: Some(size.to_owned()),
    }
}

#[test]
fn what_money_moved_for_is_told_also_where_it_failed_and_the_model_does() {
    let first = call("a", "lease_container");
    let mut turn = follow([
        (Event::Start, ASK),
        (calls([first.clone()]), Effect::Call(first)),
        (Event::Suspended(lease(60, "small")), Effect::Wait),
    ]);
    let owed = ToolAnswer {
        ok: false,
        text: "{}".into(),
        summary: "It is owed to you.".into(),
        bought: Some(lease(60, "small")),
    };
    assert_eq!(turn.step(Event::Answered(owed), &BOUNDS), ASK);
    let end = turn.step(Event::Failed(Failure::OutOfTime), &BOUNDS);
    assert_eq!(end, Effect::Finish);
    assert!(
        turn.words().contains("It is owed to you."),
        "{}",
        turn.words()
    );
}

#[test]
fn what_was_put_to_the_customer_needs_their_word_to_be_put_again() {
    let first = call("a", "lease_container");
    let (put, longer, larger) = (lease(60, "small"), lease(90, "small"), lease(60, "large"));
    let mut turn = follow([
        (Event::Start, ASK),
        (calls([first.clone()]), Effect::Call(first)),
        (Event::Suspended(put.clone()), Effect::Wait),
    ]);
    assert_eq!(turn.objection(&put), Some(REPEATED));
    assert_eq!(turn.objection(&longer), None, "nothing was paid for yet");
    let mut given_up = turn.clone();
    given_up.step(
        Event::GivenUp {
            reason: "another".into(),
            message: Some("make it so after all".into()),
        },
        &BOUNDS,
    );
    assert_eq!(given_up.objection(&put), None, "the customer's new word");

    let paid = ToolAnswer {
        ok: true,
        bought: Some(put.clone()),
        ..ToolAnswer::default()
    };
    turn.step(Event::Answered(paid), &BOUNDS);
    let written = serde_json::to_string(&turn).unwrap();
    let turn: Turn = serde_json::from_str(&written).unwrap();
    assert_eq!(turn.objection(&put), Some(REPEATED));
    assert_eq!(turn.objection(&longer), Some(ANOTHER));
    assert_eq!(turn.objection(&larger), None);
}

#[test]
fn a_suspended_turn_goes_on_after_it_was_written_down() {
    let first = call("a", "quote_lease");
    let turn = follow([
        (Event::Start, ASK),
        (calls([first.clone()]), Effect::Call(first.clone())),
        (Event::Suspended(Mark::default()), Effect::Wait),
    ]);
    let written = serde_json::to_string(&turn).unwrap();
    let mut read: Turn = serde_json::from_str(&written).unwrap();
    assert_eq!(read.id(), "turn_1");
    assert_eq!(read.waiting(), Some(&first));
    assert_eq!(read.step(answered(true), &BOUNDS), ASK);
    assert!(read.has_results());
}

#[test]
fn words_of_several_rounds_are_kept_apart() {
    let first = call("a", "quote_lease");
    let mut turn = turn();
    turn.step(Event::Start, &BOUNDS);
    let said = Said {
        text: "Let me look.".into(),
        calls: vec![first],
        ..Said::default()
    };
    turn.step(Event::Said(said), &BOUNDS);
    turn.step(answered(true), &BOUNDS);
    turn.step(words("One cent."), &BOUNDS);
    assert_eq!(turn.words(), "Let me look.\n\nOne cent.");
}

#[test]
fn a_customer_who_says_something_else_is_heard() {
    let first = call("a", "quote_lease");
    let mut turn = follow([
        (Event::Start, ASK),
        (calls([first.clone()]), Effect::Call(first)),
        (Event::Suspended(Mark::default()), Effect::Wait),
    ]);
    let event = Event::GivenUp {
        reason: "the customer went on".into(),
        message: Some("smaller, please".into()),
    };
    assert_eq!(turn.step(event, &BOUNDS), ASK);
    assert_eq!(last_words(turn.conversation()), "smaller, please");
}
