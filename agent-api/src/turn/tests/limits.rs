//! The limits on rounds and tool calls.

use super::*;

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
