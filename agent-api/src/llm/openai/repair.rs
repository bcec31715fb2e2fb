//! Finds tool calls that a model wrote as plain text, in the shapes that small models are known
//! for. A text counts only if it consists of calls of known tools and nothing else, so that a
//! sentence about a call stays a sentence.

use serde_json::Value;

use crate::tools;

/// The text without a leading block of the model's thoughts.
pub(super) fn without_thoughts(text: &str) -> &str {
    let trimmed = text.trim_start();
    match trimmed.strip_prefix("<think>") {
        Some(thoughts) => thoughts
            .split_once("</think>")
            .map_or("", |(_, words)| words.trim_start()),
        None => text,
    }
}

/// The tool calls in a text, as name and arguments.
pub(super) fn calls_in(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.trim();
    if text.starts_with("<tool_call>") {
        return tagged(text);
    }
    let inner = match text.strip_prefix("```") {
        Some(fenced) => {
            let inner = fenced.strip_suffix("```")?;
            inner.strip_prefix("json").unwrap_or(inner)
        }
        None => text,
    };
    match serde_json::from_str(inner.trim()).ok()? {
        Value::Array(calls) if !calls.is_empty() => calls.iter().map(one).collect(),
        call => Some(vec![one(&call)?]),
    }
}

/// `<tool_call>{…}</tool_call>`, once or several times.
fn tagged(text: &str) -> Option<Vec<(String, String)>> {
    let mut calls = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let after = rest.strip_prefix("<tool_call>")?;
        let (inner, behind) = after.split_once("</tool_call>").unwrap_or((after, ""));
        calls.push(one(&serde_json::from_str(inner.trim()).ok()?)?);
        rest = behind.trim();
    }
    Some(calls)
}

/// `{"name": …, "arguments": …}` and its variants.
fn one(call: &Value) -> Option<(String, String)> {
    let call = call
        .get("function")
        .filter(|inner| inner.is_object())
        .unwrap_or(call);
    let member = |names: &[&str]| names.iter().find_map(|name| call.get(*name));
    let name = member(&["name", "tool", "function", "tool_name"])?.as_str()?;
    tools::find(name)?;
    let arguments = match member(&["arguments", "parameters", "args", "input"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(members)) => Value::Object(members.clone()).to_string(),
        Some(Value::Null) | None => "{}".to_owned(),
        Some(_) => return None,
    };
    Some((name.to_owned(), arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_shapes_are_found() {
        let quote = || {
            Some(vec![(
                "quote_lease".to_owned(),
                r#"{"runtimeMinutes":60}"#.to_owned(),
            )])
        };
        for text in [
            r#"{"name": "quote_lease", "arguments": {"runtimeMinutes": 60}}"#,
            r#"{"tool": "quote_lease", "parameters": {"runtimeMinutes": 60}}"#,
            r#"{"type": "function", "function": {"name": "quote_lease", "arguments": "{\"runtimeMinutes\":60}"}}"#,
            r#"[{"name": "quote_lease", "arguments": {"runtimeMinutes": 60}}]"#,
            "```json\n{\"name\": \"quote_lease\", \"arguments\": {\"runtimeMinutes\": 60}}\n```",
            "<tool_call>\n{\"name\": \"quote_lease\", \"arguments\": {\"runtimeMinutes\": 60}}\n</tool_call>",
        ] {
            assert_eq!(calls_in(text), quote(), "{text}");
        }
        let two = r#"<tool_call>{"name": "get_node_stats"}</tool_call><tool_call>{"name": "list_lxc_stats"}</tool_call>"#;
        assert_eq!(calls_in(two).unwrap().len(), 2);
    }

    #[test]
    fn any_other_text_stays_text() {
        for text in [
            "",
            "Call {\"name\": \"quote_lease\"} if you like.",
            r#"{"name": "format_disk", "arguments": {}}"#,
            r#"{"name": "quote_lease", "arguments": {}} and so on"#,
            r#"{"cores": 1}"#,
            "[]",
            "```\nls\n```",
        ] {
            assert_eq!(calls_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_models_thoughts_are_removed() {
        assert_eq!(without_thoughts("<think>a</think>\n\nb"), "b");
        assert_eq!(without_thoughts("<think>never ends"), "");
        assert_eq!(without_thoughts(" a <think>"), " a <think>");
    }
}
