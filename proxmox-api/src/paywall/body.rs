//! Reads a JSON body and reports every invalid field at once, wrong types included, which a
//! deserializer reports one at a time. Messages never repeat a value: it may be a password.

use std::fmt;

use api_types::{ErrorCode, FieldError};
use axum::{extract::rejection::BytesRejection, http::StatusCode};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, error::Category};

use crate::error::ApiError;

/// Reads `T` and calls `validate`. An absent body is the default, so that a client can ask for a
/// price without one.
///
/// # Errors
/// The body is no JSON object, or fields are unknown, missing, of the wrong type or refused by `validate`.
pub fn read<T>(
    body: &[u8],
    validate: impl Fn(&T) -> Result<(), Vec<FieldError>>,
) -> Result<T, ApiError>
where
    T: Default + Serialize + DeserializeOwned,
{
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    // The fast path for valid bodies. A list would be read as the fields in their order.
    if body.trim_ascii_start().starts_with(b"{")
        && let Ok(request) = serde_json::from_slice::<T>(body)
    {
        return match validate(&request) {
            Ok(()) => Ok(request),
            Err(fields) => Err(ApiError::invalid(fields)),
        };
    }
    let mut fields = object(body)?;
    if serde_json::from_slice::<Members>(body).is_ok_and(|Members(count)| count > fields.len()) {
        let twice = FieldError::new("body", "has a field twice");
        return Err(ApiError::invalid(vec![twice]));
    }
    fields.values_mut().for_each(make_whole);
    if let Ok(request) = serde_json::from_value::<T>(Value::Object(fields.clone()))
        && validate(&request).is_ok()
    {
        return Ok(request);
    }
    Err(ApiError::invalid(problems(&fields, &validate)))
}

/// Turns `60.0` into 60: it is an integer to JSON Schema, and to clients that have floating numbers
/// only.
fn make_whole(value: &mut Value) {
    /// Up to here a floating number represents every integer exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Value::Number(number) = value
        && let Some(float) = number.as_f64().filter(|_| number.is_f64())
        && float.fract() == 0.0
        && float.abs() <= EXACT
    {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within bounds")]
        let whole = float as i64;
        *value = whole.into();
    }
}

/// The number of members of an object. A name that comes twice counts twice, which a map does not
/// show.
struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }
        }
        deserializer.deserialize_map(Count)
    }
}

/// Checks that a body is absent or an empty object.
///
/// # Errors
/// As for [`read`]; only an empty object or no body passes.
pub fn none(body: &[u8]) -> Result<(), ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let fields = object(body)?;
    let unknown: Vec<_> = fields.keys().map(|name| unknown(name)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(unknown))
    }
}

/// The error about a body that is too large, or was cut off.
pub fn unread(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorCode::BodyTooLarge, "The body is too large.")
        }
        _ => malformed("The body could not be read to its end.".into()),
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Eof => "ends too early",
            _ if error.to_string().starts_with("recursion limit") => "is nested too deeply",
            _ => "is not JSON",
        };
        let place = format!("at line {} column {}", error.line(), error.column());
        malformed(format!("The body {what}, {place}."))
    })?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(malformed("The body has to be a JSON object.".into())),
    }
}

fn malformed(message: String) -> ApiError {
    ApiError::new(ErrorCode::MalformedBody, message)
}

fn unknown(name: &str) -> FieldError {
    let name: String = name.chars().take(64).collect();
    FieldError::new(name, "is not known here")
}

/// Finds the invalid fields by trying each one alone in an otherwise valid request.
fn problems<T>(
    fields: &Map<String, Value>,
    validate: &impl Fn(&T) -> Result<(), Vec<FieldError>>,
) -> Vec<FieldError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let Ok(Value::Object(good)) = serde_json::to_value(T::default()) else {
        return vec![FieldError::new("body", "cannot be read")];
    };
    let reads = |candidate: &Map<String, Value>| {
        serde_json::from_value::<T>(Value::Object(candidate.clone()))
    };
    let mut found = Vec::new();
    let mut readable = good.clone();
    for (name, value) in fields {
        let mut alone = good.clone();
        alone.insert(name.clone(), value.clone());
        match reads(&alone) {
            Ok(_) => drop(readable.insert(name.clone(), value.clone())),
            Err(error) if error.to_string().starts_with("unknown field") => {
                found.push(unknown(name));
            }
            Err(error) => found.push(FieldError::new(name, wrong(value, &error.to_string()))),
        }
    }
    for name in good.keys().filter(|name| !fields.contains_key(*name)) {
        let mut without = good.clone();
        without.remove(name);
        if reads(&without).is_err() {
            found.push(FieldError::new(name, "is missing"));
        }
    }
    if let Ok(request) = reads(&readable)
        && let Err(more) = validate(&request)
    {
        let known: Vec<_> = found.iter().map(|error| error.field.clone()).collect();
        found.extend(
            more.into_iter()
                .filter(|error| !known.contains(&error.field)),
        );
    }
    found
}

/// The expected type, from serde's message, without the value that was given.
fn wrong(value: &Value, error: &str) -> String {
    let given = match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(number) if number.is_i64() && !number.is_u64() => "a negative number",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let wanted = match error.rsplit_once("expected ").map(|(_, wanted)| wanted) {
        Some("u32" | "u64" | "u16") => {
            "has to be a whole number that is not negative and not too large"
        }
        Some(wanted) if wanted.contains("string") => "has to be a text",
        Some(wanted) if wanted.contains("map") => "has to be an object",
        Some(wanted) if wanted.contains("sequence") => "has to be a list",
        _ => "has the wrong type",
    };
    format!("{wanted}; {given} was given")
}

#[cfg(test)]
mod tests {
    use api_types::{LeaseRequest, Limits, RenewRequest};

    use super::*;

    fn lease(body: &str) -> Result<LeaseRequest, ApiError> {
        read(body.as_bytes(), |request| {
            Limits::default().validate_lease(request)
        })
    }

    fn refused(body: &str) -> Vec<(String, String)> {
        let error = lease(body).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{body}");
        error
            .fields
            .into_iter()
            .map(|field| (field.field, field.message))
            .collect()
    }

    #[test]
    fn every_invalid_field_is_reported_at_once() {
        let body = r#"{"cores": "two", "memoryMB": -1, "diskGB": 1.5, "hostname": 7, "colour": "red",
            "password": "short", "payload": []}"#;
        let found = refused(body);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        for name in [
            "cores",
            "memoryMB",
            "diskGB",
            "hostname",
            "colour",
            "password",
            "payload",
            "runtimeMinutes",
        ] {
            assert_eq!(
                names.iter().filter(|known| **known == name).count(),
                1,
                "{name} in {found:?}"
            );
        }
        let said = found
            .iter()
            .map(|(_, message)| message.as_str())
            .collect::<String>();
        assert!(!said.contains("two") && !said.contains("short"), "{said}");
    }

    #[test]
    fn a_body_that_is_not_an_object_is_malformed() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for body in ["[]", "7", "{", "{\"cores\": 1", "nonsense", "\u{1}", &deep] {
            let error = lease(body).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedBody, "{body:.20}");
        }
        // Serde takes a list for the fields in their order.
        for body in [b"\xff\xfe{}".as_slice(), b"[60]"] {
            let error = read::<RenewRequest>(body, |_| Ok(())).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedBody);
        }
    }

    #[test]
    fn an_absent_body_is_the_default_and_an_empty_object_is_not() {
        assert_eq!(lease(" \n").unwrap(), LeaseRequest::default());
        assert_eq!(
            refused("{}"),
            [("runtimeMinutes".into(), "is missing".into())]
        );
    }

    #[test]
    fn a_field_that_comes_twice_is_refused() {
        let body = r#"{"runtimeMinutes": 5, "runtimeMinutes": 6}"#;
        assert_eq!(refused(body), [("body".into(), "has a field twice".into())]);
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let request = lease(r#"{"runtimeMinutes": 60.0, "cores": 2e0}"#).unwrap();
        assert_eq!((request.runtime_minutes, request.cores), (60, 2));
        let [(name, message)] = &refused(r#"{"runtimeMinutes": 60.5}"#)[..] else {
            panic!("one field is wrong");
        };
        assert_eq!(name, "runtimeMinutes");
        assert!(message.ends_with("a fraction was given"), "{message}");
        for body in [
            r#"{"runtimeMinutes": 1e300}"#,
            r#"{"runtimeMinutes": -1.0}"#,
            r#"{"runtimeMinutes": 4294967296.0}"#,
        ] {
            assert_eq!(refused(body)[0].0, "runtimeMinutes", "{body}");
        }
        let twice = r#"{"runtimeMinutes": 5.0, "runtimeMinutes": 6.0}"#;
        assert_eq!(
            refused(twice),
            [("body".into(), "has a field twice".into())]
        );
    }

    #[test]
    fn a_request_without_fields_takes_an_empty_body_only() {
        assert!(none(b"").is_ok() && none(b"{}").is_ok());
        assert_eq!(none(b"{\"a\":1}").unwrap_err().fields[0].field, "a");
    }
}
