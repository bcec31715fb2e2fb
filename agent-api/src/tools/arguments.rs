//! Reads the arguments that models write. Most write JSON; some write nothing, wrap it in a code
//! fence or encode it twice. A mistake is repaired if no value has to be guessed; otherwise the
//! model gets an error in words. Truncated arguments are never completed, because their missing
//! part is unknown.

use api_types::limits::is_absolute_path;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

/// Members that earlier versions of the tools had. The interface asks for approval, passwords do
/// not go through the model, and free labels were dropped because they are recorded for ever and a
/// password was once typed into one.
const DROPPED: [&str; 7] = [
    "confirmPurchase",
    "confirm_purchase",
    "consoleType",
    "console_type",
    "password",
    "requester",
    "sku",
];

/// The error for a number that is none, in words for the model.
const NOT_WHOLE: &str = "expected a whole number that is not negative";
/// The longest path of a file, in bytes.
const LONGEST_PATH: usize = 1024;

/// Reads arguments as an object.
///
/// # Errors
/// The mistake, in words for the model.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut members = object(unfenced(text))?;
    for name in DROPPED {
        members.remove(name);
    }
    members.retain(|_, value| !value.is_null());
    Ok(Value::Object(members))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let read = serde_json::from_str::<Value>(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("The arguments are not JSON (line {line}, column {column}). Send one JSON object.")
    })?;
    match read {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        Value::String(inner) if inner.trim_start().starts_with('{') => {
            match serde_json::from_str(&inner) {
                Ok(Value::Object(members)) => Ok(members),
                _ => Err("The arguments are a text that is no JSON object.".into()),
            }
        }
        _ => Err("The arguments have to be one JSON object.".into()),
    }
}

/// The text without the fence of a Markdown code block.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```") else {
        return text;
    };
    let inner = inner.strip_suffix("```").unwrap_or(inner);
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

/// Reads a whole number, also from a text or a number with a decimal point.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = u32::try_from(long_whole(from)?);
    number.map_err(|_| D::Error::custom(NOT_WHOLE))
}

/// The same for an optional number.
pub(super) fn optional_whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    whole(from).map(Some)
}

/// The same for a port.
pub(super) fn port<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let port = whole(from)?;
    match (1..=u32::from(u16::MAX)).contains(&port) {
        true => Ok(port),
        false => Err(D::Error::custom("expected a port from 1 to 65535")),
    }
}

/// The same for a number that may be large: a position in a file.
pub(super) fn long_whole<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let read = match &value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| D::Error::custom(NOT_WHOLE))
}

/// Reads the absolute path of a file. It is shown in full before a file is changed, so it is
/// shorter than Linux takes it.
pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let path = String::deserialize(from)?;
    match is_absolute_path(&path) && path.len() <= LONGEST_PATH {
        true => Ok(path),
        false => Err(D::Error::custom(format!(
            "expected an absolute path of at most {LONGEST_PATH} bytes"
        ))),
    }
}

/// The same for an optional path.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    path(from).map(Some)
}

/// Reads the id of a background command, which becomes a part of a path.
pub(super) fn command_id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let id = text.trim();
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match id.starts_with("cmd_") && id.len() <= 80 && id.bytes().all(inside) {
        true => Ok(id.to_owned()),
        false => Err(D::Error::custom(
            "expected the id of a background command, such as cmd_1a2b",
        )),
    }
}

fn integral(number: f64) -> Option<u64> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_with_a_clear_meaning_are_read() {
        let cases = [
            ("", json!({})),
            ("null", json!({})),
            (r#"{"ctid": 100}"#, json!({"ctid": 100})),
            ("```json\n{\"ctid\": 100}\n```", json!({"ctid": 100})),
            (r#""{\"ctid\": 100}""#, json!({"ctid": 100})),
            (
                r#"{"ctid": 1, "password": "hunter2", "confirmPurchase": true, "hostname": null}"#,
                json!({"ctid": 1}),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn unclear_arguments_are_refused_and_not_quoted() {
        for text in [
            r#"{"runtimeMinutes": 6"#,
            r#"{"command": "uptime""#,
            r#"{"runtimeMinutes": 6, "payload": {"a": 1}"#,
            "[1]",
            "lease hunter2",
            "7",
            r#"{"a":"#,
        ] {
            let problem = read(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn numbers_are_read_in_all_their_spellings() {
        #[derive(Deserialize)]
        struct Sized(#[serde(deserialize_with = "whole")] u32);
        let reads = |value| {
            serde_json::from_value::<Sized>(value)
                .ok()
                .map(|read| read.0)
        };
        assert_eq!(reads(json!(60)), Some(60));
        assert_eq!(reads(json!(60.0)), Some(60));
        assert_eq!(reads(json!(" 60 ")), Some(60));
        for bad in [
            json!(-1),
            json!(1.5),
            json!("many"),
            json!(null),
            json!(1e20),
        ] {
            assert_eq!(reads(bad), None);
        }
    }
}
