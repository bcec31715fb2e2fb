//! Removes secrets that must not outlive the page: a generated password is shown once, a ticket
//! opens a terminal, and a link a port.

use serde_json::Value;

const SECRETS: [&str; 5] = ["password", "ticket", "link", "consoleUrl", "websocketUrl"];

/// Removes secrets from a tool's result, at any depth.
pub(super) fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let was_shown = matches!(members.get("password"), Some(Value::String(_)));
            members.retain(|name, _| !SECRETS.contains(&name.as_str()));
            if was_shown {
                members.insert(super::PASSWORD_SHOWN.to_owned(), Value::Bool(true));
            }
            members.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
