//! The request that is paid for, as the customer sees it before paying: every member of the body in
//! full.

use serde_json::Value;

use crate::{
    format::{TextPiece, mark_invisible, one_line},
    text::money::sends,
};

/// The longest name of a member that is shown in full.
const LONGEST_NAME: usize = 40;

/// The request that is paid for, without secrets.
#[derive(Clone, Debug)]
pub struct RequestText {
    /// Method and path.
    pub line: String,
    /// The body; empty if there is none.
    pub body: String,
}

/// A request in the form in which it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// Its method and path.
    pub line: String,
    /// The members of its body.
    pub members: Vec<RequestMember>,
    /// Whether the body has a command, which the summary shows only in part.
    pub has_command: bool,
}

/// A member of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMember {
    /// Its name.
    pub name: String,
    /// Its value, in full.
    pub value: Vec<TextPiece>,
}

impl RequestView {
    /// The view of a request.
    pub fn new(request: &RequestText) -> Self {
        let text = || Value::String(request.body.clone());
        let body = serde_json::from_str(&request.body).unwrap_or_else(|_| text());
        let members = match &body {
            Value::Object(members) => members.iter().flat_map(members_of).collect(),
            _ if request.body.is_empty() => Vec::new(),
            other => vec![shown_member(sends::BODY.to_owned(), other)],
        };
        Self {
            line: one_line(&request.line, usize::MAX),
            has_command: body.get("command").is_some(),
            members,
        }
    }
}

/// Each argument of a command is a member of its own, so that its ends can be seen.
fn members_of((name, value): (&String, &Value)) -> Vec<RequestMember> {
    match (name.as_str(), value) {
        ("command", command) => vec![shown_member(sends::COMMAND.to_owned(), command)],
        ("extraArgs", Value::Array(all)) => {
            let numbered = (1..).zip(all);
            numbered
                .map(|(number, one)| shown_member(sends::argument(number), one))
                .collect()
        }
        _ => vec![shown_member(one_line(name, LONGEST_NAME), value)],
    }
}

fn shown_member(name: String, value: &Value) -> RequestMember {
    let value = match value {
        Value::String(text) => mark_invisible(text),
        other => mark_invisible(&other.to_string()),
    };
    RequestMember { name, value }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(line: &str, body: &Value) -> RequestView {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        RequestView::new(&RequestText {
            line: line.to_owned(),
            body,
        })
    }

    fn lines(view: &RequestView) -> Vec<String> {
        let value = |member: &RequestMember| {
            let piece = |piece: &TextPiece| match piece {
                TextPiece::Plain(text) | TextPiece::Mark(text) => text.clone(),
                TextPiece::Break => "\n".to_owned(),
            };
            member.value.iter().map(piece).collect::<String>()
        };
        let line = |member: &RequestMember| format!("{}={}", member.name, value(member));
        view.members.iter().map(line).collect()
    }

    #[test]
    fn a_command_is_shown_in_full_with_each_argument() {
        let command = "x".repeat(500);
        let body =
            json!({"command": command, "extraArgs": ["-c", "a b\nc", ""], "timeoutSeconds": 5});
        let view = view("POST /management/exec/101", &body);
        assert_eq!(view.line, "POST /management/exec/101");
        assert!(view.has_command);
        assert_eq!(
            lines(&view),
            [
                format!("Command={command}"),
                "Argument 1=-c".to_owned(),
                "Argument 2=a b<newline>\nc".to_owned(),
                "Argument 3=".to_owned(),
                "timeoutSeconds=5".to_owned(),
            ]
        );
    }

    #[test]
    fn every_body_is_shown_in_full() {
        let body = json!({"sku": "lxc-small", "payload": {"a": ["\u{202e}"]}, "na\nme": true});
        let lease = view("POST /lease/container", &body);
        assert!(!lease.has_command);
        assert_eq!(
            lines(&lease),
            [
                "na<newline> me=true",
                "payload={\"a\":[\"<U+202E>\"]}",
                "sku=lxc-small",
            ]
        );
        assert_eq!(lines(&view("POST /x", &json!(["a"]))), ["Body=[\"a\"]"]);
        let none = view("GET /management/list", &Value::Null);
        assert!(none.members.is_empty());
        let text = RequestView::new(&RequestText {
            line: "POST /x".into(),
            body: "{cut".into(),
        });
        assert_eq!(lines(&text), ["Body={cut"]);
    }
}
