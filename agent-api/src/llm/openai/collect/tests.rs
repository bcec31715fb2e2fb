//! Tests of the answers that are collected from the pieces of a stream.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;

fn collect(deltas: &[Value]) -> (ModelAnswer, String) {
    let shown = Mutex::new(String::new());
    let words = |text: &str| shown.lock().unwrap().push_str(text);
    let mut collected = Collected::default();
    for delta in deltas {
        let chunk = json!({ "choices": [{ "delta": delta }] });
        collected
            .piece(serde_json::from_value(chunk).unwrap(), &words)
            .unwrap();
    }
    collected.complete().unwrap();
    let said = collected.finish(&words);
    let shown = shown.lock().unwrap().clone();
    (said, shown)
}

fn call(piece: Value) -> Value {
    json!({ "tool_calls": [piece] })
}

#[test]
fn arguments_that_arrive_in_pieces_are_joined() {
    let (said, shown) = collect(&[
        call(json!({"index": 0, "id": "a", "function": {"name": "quote_lease", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"runtime"}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "get_node_stats"}})),
        call(json!({"index": 0, "function": {"arguments": "Minutes\":60}"}})),
    ]);
    let calls: Vec<_> = said
        .calls
        .iter()
        .map(|c| (c.id.as_str(), c.tool.as_str(), c.arguments.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("a", "quote_lease", "{\"runtimeMinutes\":60}"),
            ("b", "get_node_stats", "")
        ]
    );
    assert_eq!(shown, "");
}

#[test]
fn calls_without_an_index_or_with_the_same_index_are_kept_separate() {
    let (said, _) = collect(&[
        call(json!({"id": "a", "function": {"name": "x", "arguments": "{}"}})),
        call(json!({"id": "b", "function": {"name": "y", "arguments": "{}"}})),
    ]);
    assert_eq!(said.calls.len(), 2);
    let (said, _) = collect(&[
        call(json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "{}"}})),
        call(json!({"index": 0, "id": "b", "function": {"name": "y", "arguments": "{}"}})),
    ]);
    assert_eq!(said.calls.len(), 2);
    let (said, _) = collect(&[
        call(json!({"index": 0, "function": {"name": "x", "arguments": "{}"}})),
        call(json!({"index": 1, "function": {"name": "y", "arguments": "{}"}})),
    ]);
    assert!(said.calls.iter().all(|call| call.id.starts_with("call_")));
    assert_ne!(said.calls[0].id, said.calls[1].id);
}

#[test]
fn words_are_shown_as_they_arrive() {
    let (said, shown) = collect(&[
        json!({"content": "\n"}),
        json!({"content": "It "}),
        json!({"content": "runs."}),
    ]);
    assert_eq!(shown, "It runs.");
    assert_eq!(said.text.trim(), "It runs.");
}

#[test]
fn a_call_written_as_text_is_held_back_and_made() {
    let (said, shown) = collect(&[
        json!({"content": "{\"name\": \"quote_lease\","}),
        json!({"content": " \"arguments\": {\"runtimeMinutes\": 60}}"}),
    ]);
    assert_eq!(shown, "");
    assert_eq!(said.calls[0].tool, "quote_lease");
    assert_eq!(said.text, "");
}

#[test]
fn text_that_only_looks_like_a_call_is_shown_at_the_end() {
    let (said, shown) = collect(&[
        json!({"content": "{\"cores\": 1} is "}),
        json!({"content": "JSON."}),
    ]);
    assert_eq!(shown, "{\"cores\": 1} is JSON.");
    assert!(said.calls.is_empty());
    let (_, shown) = collect(&[json!({"content": "<think>hm</think>\nHello."})]);
    assert_eq!(shown, "Hello.");
}

#[test]
fn an_incomplete_call_is_not_made() {
    let mut collected = Collected::default();
    let chunk = json!({"choices": [{"delta": call(json!({"index": 0, "function": {"name": "x", "arguments": "{\"ct"}}))}]});
    collected
        .piece(serde_json::from_value(chunk).unwrap(), &|_| {})
        .unwrap();
    assert_eq!(collected.complete(), Err(ModelError::Away));
}

#[test]
fn a_cut_off_answer_holds_no_calls() {
    let collect = |delta: Value, finish: &str| {
        let mut collected = Collected::default();
        let chunk = json!({"choices": [{"delta": delta, "finish_reason": finish}]});
        collected
            .piece(serde_json::from_value(chunk).unwrap(), &|_| {})
            .unwrap();
        collected.complete().map(|()| collected.finish(&|_| {}))
    };
    let whole = || json!({"index": 0, "function": {"name": "x", "arguments": "{}"}});
    for (finish, why) in [
        ("length", ModelError::CutOff),
        ("safety", ModelError::Filtered),
    ] {
        assert_eq!(collect(call(whole()), finish), Err(why));
        for disguised in [r#"{"name": "get_node_stats"}"#, "<think>hm", "<tool_call>{"] {
            assert_eq!(collect(json!({"content": disguised}), finish), Err(why));
        }
        let mut both = call(whole());
        both["content"] = "I will".into();
        let said = collect(both, finish).unwrap();
        assert!(said.calls.is_empty(), "no call of it is taken");
        assert_eq!(said.text, format!("I will{CUT_OFF}"));
    }
    assert_eq!(collect(call(whole()), "tool_calls").unwrap().calls.len(), 1);
}

#[test]
fn a_model_that_never_stops_is_cut_off() {
    let mut collected = Collected::default();
    let chunk = || {
        serde_json::from_value(json!({"choices": [{"delta": {"content": "x".repeat(1024)}}]}))
            .unwrap()
    };
    let outcome = (0..100).try_for_each(|_| collected.piece(chunk(), &|_| {}));
    assert_eq!(outcome, Err(ModelError::Nonsense));
}
