//! Reads a JSON body so that every wrong field is named at once, also those of a wrong type, which a deserializer on its own
//! reports one at a time. Values are never repeated in a message: they may be passwords.

use api_types::{ErrorCode, FieldError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, error::Category};

use crate::error::ApiError;

/// Reads `T` and gives it to `validate`. An absent body is the default, so that a probe learns a price.
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
    // The quick way, for bodies that are in order.
    if let Ok(request) = serde_json::from_slice::<T>(body) {
        return match validate(&request) {
            Ok(()) => Ok(request),
            Err(fields) => Err(ApiError::invalid(fields)),
        };
    }
    let fields = object(body)?;
    Err(ApiError::invalid(problems(&fields, &validate)))
}

/// A body whose fields are all `null` or absent carries nothing.
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

/// Each field is tried alone in a request that is otherwise in order.
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
    if found.is_empty() {
        // A name that came twice: the deserializer minds, a map does not show it.
        found.push(FieldError::new("body", "has a field twice"));
    }
    found
}

/// What was wanted, from serde's own words, without the value that was given.
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
    fn every_wrong_field_is_named_at_once_whatever_is_wrong_with_it() {
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
    fn a_body_that_is_no_object_is_malformed() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for body in ["[]", "7", "{", "{\"cores\": 1", "nonsense", "\u{1}", &deep] {
            let error = lease(body).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedBody, "{body:.20}");
        }
        let error = read::<RenewRequest>(b"\xff\xfe{}", |_| Ok(())).unwrap_err();
        assert_eq!(error.code, ErrorCode::MalformedBody);
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
    fn a_call_without_a_body_takes_none() {
        assert!(none(b"").is_ok() && none(b"{}").is_ok());
        assert_eq!(none(b"{\"a\":1}").unwrap_err().fields[0].field, "a");
    }
}
