//! Tests of the state machine of a turn. [`follow`] plays events and compares the effects.

mod effects;
mod limits;
mod suspended;

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
