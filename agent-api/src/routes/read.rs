//! Reads a `/chat` body so that all wrong fields are named at once. Messages never quote values,
//! because these may be passwords or signatures.

use api_types::{ChatMessage, ChatRequest, ErrorCode, FieldError};
use axum::{body::Bytes, extract::rejection::BytesRejection, http::StatusCode};
use serde_json::{Map, Value, json};

use crate::{conversation::MAX_MESSAGE, error::ApiError, pending::MAX_SEALED};

/// The maximum number of messages in a history that is read; fewer are kept.
pub(super) const MAX_HISTORY_READ: usize = 1_000;

/// The request in a body.
///
/// # Errors
/// The body is too large, is no JSON object, or has fields that are unknown, of the wrong type or
/// too long.
pub(super) fn chat(body: Result<Bytes, BytesRejection>) -> Result<ChatRequest, ApiError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorCode::BodyTooLarge, "The body is too large.")
        }
        _ => malformed("The body could not be read to its end."),
    })?;
    let Ok(value) = serde_json::from_slice::<Value>(&body) else {
        return Err(malformed("The body is not JSON."));
    };
    let Value::Object(mut members) = value else {
        return Err(malformed("The body has to be a JSON object."));
    };
    // The prototype's interface wrote null for absent values.
    members.retain(|_, value| !value.is_null());
    let problems = problems(&members);
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    serde_json::from_value(Value::Object(members))
        .map_err(|_| malformed("The body cannot be read."))
}

fn malformed(message: &str) -> ApiError {
    ApiError::new(ErrorCode::MalformedBody, message)
}

/// Checks each member and each message of the history alone.
fn problems(members: &Map<String, Value>) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("history", Value::Array(history)) => found.extend(history_problems(history)),
            ("message", Value::String(text)) if text.len() > MAX_MESSAGE => {
                found.push(FieldError::new(
                    name,
                    format!("has to be at most {MAX_MESSAGE} bytes"),
                ));
            }
            ("pending", Value::String(text)) if text.len() > MAX_SEALED => {
                found.push(FieldError::new(name, "is longer than any suspended call"));
            }
            _ => {
                let alone = json!({ name.as_str(): value });
                if let Err(error) = serde_json::from_value::<ChatRequest>(alone) {
                    let short: String = name.chars().take(64).collect();
                    let unknown = error.to_string().starts_with("unknown field")
                        && value.as_object().is_none();
                    found.push(FieldError::new(
                        short,
                        if unknown {
                            "is not known here"
                        } else {
                            "is not as it has to be"
                        },
                    ));
                }
            }
        }
    }
    let asks = |name: &str| members.contains_key(name);
    let says = members
        .get("message")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.trim().is_empty());
    if !says && !asks("pending") && found.is_empty() {
        found.push(FieldError::new("message", "must not be empty"));
    }
    found
}

fn history_problems(history: &[Value]) -> Vec<FieldError> {
    if history.len() > MAX_HISTORY_READ {
        let message = format!("has to be at most {MAX_HISTORY_READ} messages");
        return vec![FieldError::new("history", message)];
    }
    let wrong = history
        .iter()
        .enumerate()
        .filter_map(|(position, message)| {
            if serde_json::from_value::<ChatMessage>(message.clone()).is_ok() {
                return None;
            }
            let (member, what) = match &message["role"] {
                Value::String(role) if role != "user" && role != "assistant" => {
                    ("role", "has to be user or assistant")
                }
                Value::String(_) => ("content", "has to be a text"),
                _ => ("role", "has to be user or assistant"),
            };
            Some(FieldError::new(
                format!("history[{position}].{member}"),
                what,
            ))
        });
    wrong.take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: impl Into<Bytes>) -> Result<ChatRequest, ApiError> {
        chat(Ok(body.into()))
    }

    #[test]
    fn requests_of_the_prototypes_interface_are_read() {
        let body = r#"{"message": "hi", "history": [{"role": "user", "content": "x"}], "payment_headers": null}"#;
        let request = read(body).unwrap();
        assert_eq!((request.message.as_str(), request.history.len()), ("hi", 1));
    }

    #[test]
    fn every_wrong_field_is_named_and_no_value_is_quoted() {
        let body = r#"{"message": 7, "history": [{"role": "system", "content": "hunter2"}, {"role": "user", "content": 1}, 3],
            "secrets": {"pasword": "hunter2"}, "wallet": ["hunter2"], "tools": "hunter2"}"#;
        let error = read(body).unwrap_err();
        let text = format!("{error:?}");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        for name in [
            "message",
            "history[0].role",
            "history[1].content",
            "history[2].role",
            "secrets",
            "wallet",
            "tools",
        ] {
            assert!(
                text.contains(&format!("\"{name}\"")),
                "{name} is not in {text}"
            );
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn an_invalid_body_is_refused() {
        for body in ["", "{", "[]", "7", "\"hi\""] {
            assert_eq!(
                read(body).unwrap_err().code(),
                ErrorCode::MalformedBody,
                "{body}"
            );
        }
        for body in [
            "{}",
            r#"{"message": "  "}"#,
            r#"{"message": "", "cancel": "x"}"#,
        ] {
            assert_eq!(
                read(body).unwrap_err().code(),
                ErrorCode::InvalidRequest,
                "{body}"
            );
        }
        let long = json!({ "message": "x".repeat(MAX_MESSAGE + 1) }).to_string();
        assert_eq!(read(long).unwrap_err().code(), ErrorCode::InvalidRequest);
        let history = vec![json!({"role": "user", "content": "x"}); MAX_HISTORY_READ + 1];
        let long = json!({ "message": "hi", "history": history }).to_string();
        assert_eq!(read(long).unwrap_err().code(), ErrorCode::InvalidRequest);
    }
}
