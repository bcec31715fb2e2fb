//! Readers for Proxmox's loosely typed JSON. Its numbers come as numbers or strings, its booleans
//! as `0`, `"1"` or `true`, depending on release and endpoint. An optional value that makes no
//! sense is read as absent, because one odd figure must not hide a whole list; a required one is an
//! error.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

fn as_u64(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().and_then(whole_part)),
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| text.parse().ok().and_then(whole_part))
        }
        Value::Bool(flag) => Some(u64::from(*flag)),
        _ => None,
    }
}

/// Above 2^53 a float no longer holds every integer, and a byte count read from it would be
/// invented.
fn whole_part(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (0.0..=EXACT).contains(&number).then_some(number as u64)
}

fn as_f64(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_f64().map(|n| n != 0.0),
        Value::String(text) => match text.trim() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" | "" => Some(false),
            number => number.parse().ok().map(|number: f64| number != 0.0),
        },
        _ => None,
    }
}

fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number that has to be there.
pub(crate) fn required_u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    as_u64(&value)
        .ok_or_else(|| D::Error::custom("expected a whole number, or a string that holds one"))
}

/// A whole number, `None` when absent or senseless.
pub(crate) fn opt_u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(as_u64(&Value::deserialize(deserializer)?))
}

/// A number, `None` when absent or senseless.
pub(crate) fn opt_f64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(as_f64(&Value::deserialize(deserializer)?))
}

/// A switch that is off when absent or senseless.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(as_flag(&Value::deserialize(deserializer)?).unwrap_or(false))
}

/// A switch, `None` when absent or senseless.
pub(crate) fn opt_flag<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    Ok(as_flag(&Value::deserialize(deserializer)?))
}

/// A text; a bare number is taken as its digits.
pub(crate) fn opt_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(as_text(Value::deserialize(deserializer)?))
}

/// Numbers in a list, as in `loadavg`, which holds strings.
pub(crate) fn f64_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.iter().filter_map(as_f64).collect(),
        _ => Vec::new(),
    })
}

/// The words of a text such as `images,rootdir`.
pub(crate) fn comma_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let text = as_text(Value::deserialize(deserializer)?).unwrap_or_default();
    Ok(text
        .split([',', ';', ' '])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect())
}

/// A list that Proxmox writes as `null` when it is empty.
pub(crate) fn list_or_null<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A part that is left out, or nonsense, on some releases.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Everything {
        #[serde(deserialize_with = "required_u64")]
        required: u64,
        #[serde(default, deserialize_with = "opt_u64")]
        number: Option<u64>,
        #[serde(default, deserialize_with = "opt_f64")]
        fraction: Option<f64>,
        #[serde(default, deserialize_with = "flag")]
        flag: bool,
        #[serde(default, deserialize_with = "opt_text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "comma_list")]
        words: Vec<String>,
    }

    fn read(json: serde_json::Value) -> Everything {
        serde_json::from_value(json).unwrap()
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Value::from)
        })
    }

    proptest! {
        #[test]
        fn a_whole_number_reads_the_same_as_number_and_as_string(n: u64) {
            let plain = read(serde_json::json!({"required": n, "number": n}));
            let quoted = read(serde_json::json!({"required": n.to_string(), "number": n.to_string()}));
            prop_assert_eq!((plain.required, plain.number), (n, Some(n)));
            prop_assert_eq!((quoted.required, quoted.number), (n, Some(n)));
        }

        #[test]
        fn no_value_of_an_optional_field_hides_the_rest(value in any_json()) {
            let seen = read(serde_json::json!({
                "required": 7, "number": value, "fraction": value, "flag": value, "text": value, "words": value,
                "unknown": value,
            }));
            prop_assert_eq!(seen.required, 7);
            prop_assert!(seen.fraction.is_none_or(f64::is_finite));
        }
    }

    #[test]
    fn booleans_are_read_in_every_spelling() {
        for (json, expected) in [
            (serde_json::json!(0), false),
            (serde_json::json!(1), true),
            (serde_json::json!("0"), false),
            (serde_json::json!("1"), true),
            (serde_json::json!(true), true),
            (serde_json::json!(false), false),
            (serde_json::json!(null), false),
            (serde_json::json!(""), false),
        ] {
            assert_eq!(
                read(serde_json::json!({"required": 1, "flag": json})).flag,
                expected
            );
        }
    }

    #[test]
    fn a_fraction_in_quotes_and_a_list_in_one_string_are_read() {
        let seen = read(
            serde_json::json!({"required": "3", "fraction": "0.5", "text": 12, "words": "images,rootdir"}),
        );
        assert_eq!(seen.fraction, Some(0.5));
        assert_eq!(seen.text.as_deref(), Some("12"));
        assert_eq!(seen.words, ["images", "rootdir"]);
    }

    #[test]
    fn a_required_number_that_makes_no_sense_is_an_error() {
        for bad in [
            serde_json::json!(-1),
            serde_json::json!("x"),
            serde_json::json!(null),
            serde_json::json!(1e300),
        ] {
            assert!(
                serde_json::from_value::<Everything>(serde_json::json!({"required": bad})).is_err()
            );
        }
    }
}
