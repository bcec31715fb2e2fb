//! The request that a payment lets through, as the customer sees it before paying: every member of the body, whole.

use serde_json::Value;

use crate::{
    format::{Piece, one_line, visible},
    text::money::sends,
};

/// The longest name of a member that is shown whole.
const LONGEST_NAME: usize = 40;

/// The request that a payment is for, without what is secret in it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// The body; empty where there is none.
    pub body: String,
}

/// A request, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sends {
    /// Its method and path.
    pub line: String,
    /// The members of its body.
    pub members: Vec<Member>,
    /// Whether a command is among them, which says more than any summary.
    pub has_command: bool,
}

/// A member of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub name: String,
    /// Its value, all of it.
    pub value: Vec<Piece>,
}

impl Sends {
    /// A request, to be looked at.
    pub fn of(request: &Request) -> Self {
        let text = || Value::String(request.body.clone());
        let body = serde_json::from_str(&request.body).unwrap_or_else(|_| text());
        let members = match &body {
            Value::Object(members) => members.iter().flat_map(member).collect(),
            _ if request.body.is_empty() => Vec::new(),
            other => vec![shown(sends::BODY.to_owned(), other)],
        };
        Self {
            line: one_line(&request.line, usize::MAX),
            has_command: body.get("command").is_some(),
            members,
        }
    }
}

/// Each argument of a command is a line of its own: that it is one argument can be seen.
fn member((name, value): (&String, &Value)) -> Vec<Member> {
    match (name.as_str(), value) {
        ("command", command) => vec![shown(sends::COMMAND.to_owned(), command)],
        ("extraArgs", Value::Array(all)) => {
            let numbered = (1..).zip(all);
            numbered
                .map(|(number, one)| shown(sends::argument(number), one))
                .collect()
        }
        _ => vec![shown(one_line(name, LONGEST_NAME), value)],
    }
}

fn shown(name: String, value: &Value) -> Member {
    let value = match value {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    };
    Member { name, value }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sends(line: &str, body: &Value) -> Sends {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        Sends::of(&Request {
            line: line.to_owned(),
            body,
        })
    }

    fn lines(sends: &Sends) -> Vec<String> {
        let value = |member: &Member| {
            let piece = |piece: &Piece| match piece {
                Piece::Plain(text) | Piece::Mark(text) => text.clone(),
                Piece::Break => "\n".to_owned(),
            };
            member.value.iter().map(piece).collect::<String>()
        };
        let line = |member: &Member| format!("{}={}", member.name, value(member));
        sends.members.iter().map(line).collect()
    }

    #[test]
    fn a_command_is_shown_whole_with_each_argument() {
        let command = "x".repeat(500);
        let body =
            json!({"command": command, "extraArgs": ["-c", "a b\nc", ""], "timeoutSeconds": 5});
        let sends = sends("POST /management/exec/101", &body);
        assert_eq!(sends.line, "POST /management/exec/101");
        assert!(sends.has_command);
        assert_eq!(
            lines(&sends),
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
    fn nothing_of_a_body_is_left_out_whatever_it_is() {
        let body = json!({"sku": "lxc-small", "payload": {"a": ["\u{202e}"]}, "na\nme": true});
        let lease = sends("POST /lease/container", &body);
        assert!(!lease.has_command);
        assert_eq!(
            lines(&lease),
            [
                "na<newline> me=true",
                "payload={\"a\":[\"<U+202E>\"]}",
                "sku=lxc-small",
            ]
        );
        assert_eq!(lines(&sends("POST /x", &json!(["a"]))), ["Body=[\"a\"]"]);
        let none = sends("GET /management/list", &Value::Null);
        assert!(none.members.is_empty());
        let text = Sends::of(&Request {
            line: "POST /x".into(),
            body: "{cut".into(),
        });
        assert_eq!(lines(&text), ["Body={cut"]);
    }
}
