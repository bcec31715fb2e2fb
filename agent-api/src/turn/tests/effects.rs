//! Which effect each event has.

use super::*;

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
