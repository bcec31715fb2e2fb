//! Checks parameters against a schema.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Param, ParamKind, Params};
use crate::response::ErrorResponse;

const UNKNOWN: &str =
    "property is not defined in schema and the schema does not allow additional properties";
const MISSING: &str = "property is missing and it is not optional";

/// Checks raw parameters against a method's schema.
pub(crate) fn check(
    schema: &[Param],
    raw: BTreeMap<String, Value>,
) -> Result<Params, ErrorResponse> {
    let mut errors = BTreeMap::new();
    let mut checked = BTreeMap::new();
    for param in schema.iter().filter(|param| param.required) {
        if !raw.contains_key(param.name) {
            errors.insert(param.name.to_owned(), MISSING.to_owned());
        }
    }
    for (name, value) in raw {
        let Some(param) = schema.iter().find(|param| param.matches(&name)) else {
            errors.insert(name, UNKNOWN.to_owned());
            continue;
        };
        match value_of(param.kind, &value) {
            Ok(value) => {
                checked.insert(name, value);
            }
            Err(text) => {
                // A property string names its parts after the parameter that it came in.
                let text = text.replace(&format!("\n{}.", param.name), &format!("\n{name}."));
                errors.insert(name, text);
            }
        }
    }
    if errors.is_empty() {
        Ok(Params(checked))
    } else {
        Err(ErrorResponse::parameters(errors))
    }
}

/// One value, typed, or Proxmox's text about it.
pub(super) fn value_of(kind: ParamKind, value: &Value) -> Result<Value, String> {
    let type_error = |wanted: &str| {
        let got = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("type check ('{wanted}') failed - got '{got}'")
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(type_error("string")),
    };
    match kind {
        ParamKind::Bool => match text.as_str() {
            "0" => Ok(json!(0)),
            "1" => Ok(json!(1)),
            _ => Err(type_error("boolean")),
        },
        ParamKind::Int(low, high) => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(type_error("integer"));
            }
            // Beyond i64 is beyond every bound as well.
            let number: i64 = text.parse().unwrap_or(i64::MAX);
            bounds(number as f64, low as f64, high as f64)?;
            Ok(json!(number))
        }
        ParamKind::Number(low, high) => {
            let number: f64 = text.parse().map_err(|_| type_error("number"))?;
            if !number.is_finite() {
                return Err(type_error("number"));
            }
            bounds(number, low, high)?;
            Ok(json!(number))
        }
        ParamKind::Text(low, high) => {
            length(&text, low, high)?;
            Ok(json!(text))
        }
        ParamKind::OneOf(words) => {
            if words.contains(&text.as_str()) {
                return Ok(json!(text));
            }
            Err(format!(
                "value '{text}' does not have a value in the enumeration '{}'",
                words.join(", ")
            ))
        }
        ParamKind::Format(longest, accept) => {
            length(&text, 0, longest)?;
            accept(&text).map_err(|text| format!("invalid format - {text}\n"))?;
            Ok(json!(text))
        }
    }
}

fn bounds(number: f64, low: f64, high: f64) -> Result<(), String> {
    if number < low {
        return Err(format!("value must have a minimum value of {low}"));
    }
    if number > high {
        return Err(format!("value must have a maximum value of {high}"));
    }
    Ok(())
}

fn length(text: &str, low: usize, high: usize) -> Result<(), String> {
    let characters = text.chars().count();
    if characters < low {
        return Err(format!("value must be at least {low} characters long"));
    }
    if characters > high {
        return Err(format!("value may only be {high} characters long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{numbered, optional, required};
    use super::*;

    fn raw(pairs: &[(&str, &str)]) -> BTreeMap<String, Value> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect()
    }

    #[test]
    fn all_problems_are_told_at_once_in_the_words_of_proxmox() {
        let schema = [
            required("vmid", ParamKind::Int(100, 999_999_999)),
            required("ostemplate", ParamKind::Text(0, 255)),
            optional("cores", ParamKind::Int(1, 8192)),
            optional("start", ParamKind::Bool),
            optional("cmode", ParamKind::OneOf(&["shell", "console", "tty"])),
        ];
        let refusal = check(
            &schema,
            raw(&[
                ("vmid", "99"),
                ("cores", "many"),
                ("start", "true"),
                ("cmode", "x"),
                ("memoryMB", "1"),
            ]),
        )
        .unwrap_err();
        let expected = [
            (
                "cmode",
                "value 'x' does not have a value in the enumeration 'shell, console, tty'",
            ),
            ("cores", "type check ('integer') failed - got 'many'"),
            ("memoryMB", UNKNOWN),
            ("ostemplate", MISSING),
            ("start", "type check ('boolean') failed - got 'true'"),
            ("vmid", "value must have a minimum value of 100"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(refusal.errors, BTreeMap::from(expected));
        assert_eq!(refusal.status, 400);
    }

    #[test]
    fn a_json_true_is_a_boolean_and_a_form_true_is_not() {
        assert_eq!(value_of(ParamKind::Bool, &json!(true)), Ok(json!(1)));
        assert!(value_of(ParamKind::Bool, &json!("true")).is_err());
    }

    #[test]
    fn a_numbered_family_ends_where_it_ends() {
        let net = numbered("net", 32, ParamKind::Bool);
        assert!(net.matches("net0") && net.matches("net31"));
        assert!(!net.matches("net32") && !net.matches("net") && !net.matches("net01"));
    }
}
