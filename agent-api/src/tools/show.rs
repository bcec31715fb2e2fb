//! Formats the lease API's responses for the model, the customer and the interface.

use api_types::{SuspendedLease, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::visible::line;

/// Members that are never shown to a model.
const SECRETS: [&str; 9] = [
    "password",
    "ticket",
    "token",
    "link",
    "consoleUrl",
    "websocketUrl",
    "signature",
    "sshPrivateKey",
    "authCookie",
];

/// The members that the model may see of a response that has another shape than the contract's.
pub(super) fn readable(body: &Value) -> Value {
    const MEMBERS: [&str; 7] = [
        "leaseId",
        "status",
        "ctid",
        "expiresAt",
        "hostname",
        "ip",
        "message",
    ];
    let found = MEMBERS.iter().filter_map(|name| {
        let value = body.get(*name)?;
        let is_plain = value.is_string() || value.is_number() || value.is_boolean();
        is_plain.then(|| ((*name).to_owned(), value.clone()))
    });
    Value::Object(found.collect())
}

/// The same object without the members that are null.
pub(super) fn without_nulls(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// The same value without credentials at any depth.
pub fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(name, _)| !SECRETS.contains(&name.as_str()))
                .map(|(name, value)| (name, without_secrets(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(values) => values.into_iter().map(without_secrets).collect(),
        other => other,
    }
}

/// A value of a closed set of the contract in its serialized form: `active`.
pub(super) fn serialized_name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

/// Formats a timestamp: `2026-01-31 12:00 UTC`.
pub fn date_and_time(timestamp: Timestamp) -> String {
    let text = timestamp.to_string();
    let (day, time) = text.split_once('T').unwrap_or((text.as_str(), ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or(time))
}

/// Formats MiB: `512 MiB`, `4 GiB`.
pub(super) fn memory(mebibytes: u32) -> String {
    match mebibytes {
        whole if whole >= 1024 && whole.is_multiple_of(1024) => format!("{} GiB", whole / 1024),
        other => format!("{other} MiB"),
    }
}

/// Formats bytes: `1.2 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.trim_end_matches(".0"), UNITS[unit])
}

/// A number with its unit, in the plural unless it is one: `48 core-hours`.
pub(super) fn counted(quantity: &str, unit: &str) -> String {
    let plural = if quantity == "1" { "" } else { "s" };
    format!("{quantity} {unit}{plural}")
}

/// A part of a whole, in percent.
pub(super) fn percent(part: Option<f64>, whole: Option<f64>) -> String {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0.0 => format!("{:.0} %", 100.0 * part / whole),
        _ => "unknown".to_owned(),
    }
}

/// Formats minutes: `90 minutes`, `2 hours`, `3 days`.
pub fn minutes(minutes: u32) -> String {
    let (number, unit) = match minutes {
        whole if whole >= 2 * 1440 && whole.is_multiple_of(1440) => (whole / 1440, "day"),
        whole if whole >= 120 && whole.is_multiple_of(60) => (whole / 60, "hour"),
        other => (other, "minute"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// Describes a lease: `box, 10.0.0.5, 42 minutes left`. `now` is in Unix seconds.
pub(super) fn named(lease: &SuspendedLease, now: u64) -> String {
    let left = lease.expires_at.map(|end| match end.0.saturating_sub(now) {
        0 => "its time is over".to_owned(),
        seconds => {
            let whole = u32::try_from(seconds.div_ceil(60)).unwrap_or(u32::MAX);
            format!("{} left", minutes(whole))
        }
    });
    let parts = [
        Some(line(&lease.hostname)),
        lease.ip.as_deref().map(line),
        left,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Cuts a text at a character boundary and marks the cut, if it is longer than `longest` bytes.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(longest);
    format!("{}… ({} bytes more)", &text[..cut], text.len() - cut)
}

/// The number of bytes that a text takes inside a JSON string.
pub(super) fn json_length(text: &str) -> usize {
    text.chars().map(json_length_of).sum()
}

fn json_length_of(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\t' | '\r' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

/// The longest beginning of a text that takes at most `longest` bytes inside a JSON string.
pub(super) fn beginning(text: &str, longest: usize) -> &str {
    let mut length = 0;
    let overflows = |(_, c): &(usize, char)| {
        length += json_length_of(*c);
        length > longest
    };
    let end = text.char_indices().find(overflows);
    end.map_or(text, |(end, _)| &text[..end])
}

/// The first of these values, as many as take at most `longest` bytes as JSON.
pub(super) fn fitting(values: impl Iterator<Item = Value>, longest: usize) -> Vec<Value> {
    let mut length = 0;
    let fits = |value: &Value| {
        length += value.to_string().len() + 1;
        length <= longest
    };
    values.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_cut_by_its_length_as_json() {
        for text in [
            "plain",
            "\u{1b}[31mred\u{1b}[0m\n\"quoted\"\\",
            "ü€😀",
            "\u{7f}\u{8}\u{c}\t\r\0",
        ] {
            let json = |text: &str| serde_json::to_string(text).unwrap().len() - 2;
            assert_eq!(json_length(text), json(text), "{text:?}");
            for longest in 0..=json(text) {
                let shown = beginning(text, longest);
                assert!(json(shown) <= longest, "{text:?} at {longest}");
                let next = text[shown.len()..].chars().next();
                let fuller = format!("{shown}{}", next.unwrap_or('x'));
                assert!(json(&fuller) > longest, "{text:?} at {longest}");
            }
        }
    }
}
