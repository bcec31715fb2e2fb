//! Finds passwords and keys that the customer typed into the chat. The interface has a field for
//! them that bypasses the model. A typed one must not be repeated in a tool's arguments, because
//! names and labels are stored and shown in many places.

use serde_json::Value;

use crate::conversation::Message;

/// Words that announce a secret.
const MARKERS: [&str; 13] = [
    "apikey",
    "api-key",
    "api_key",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "--password",
    "passwort",
    "pw",
    "pwd",
    "secret",
    "token",
];
/// Words that make a following `key` announce a secret.
const KEYS: [&str; 5] = ["access", "api", "encryption", "private", "secret"];
/// Words between such a word and the secret that follows.
const ASSIGNS: [&str; 12] = [
    ":", "=", "->", "is", "be", "should", "shall", "will", "to", "as", "set", "it",
];
/// Ordinary words that may follow such a word and are no secret.
const ORDINARY: [&str; 21] = [
    "access",
    "already",
    "authentication",
    "changed",
    "connect",
    "containing",
    "continue",
    "generated",
    "instead",
    "login",
    "manager",
    "myself",
    "please",
    "prompt",
    "protected",
    "protection",
    "random",
    "that",
    "unknown",
    "without",
    "yourself",
];
/// Members that may repeat a secret as a part of a text that the customer typed.
const LITERAL: [&str; 2] = ["command", "content"];
/// The minimum length of a secret, in characters. Shorter texts are words and numbers.
const SHORTEST: usize = 6;

/// The texts in the customer's messages that look like a password or key, lower case.
pub fn secrets(conversation: &[Message]) -> Vec<String> {
    let said = conversation.iter().filter_map(|message| match message {
        Message::User { text } => Some(text.as_str()),
        _ => None,
    });
    said.flat_map(in_text).collect()
}

fn in_text(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let word = word.trim_matches(is_quote).to_lowercase();
        // `password=x`, `pw:x`, `--password=x`
        if let Some((name, value)) = word.split_once([':', '='])
            && is_marker(name)
            && !value.is_empty()
        {
            found.extend(secret(value, true));
            continue;
        }
        let name = word.trim_end_matches([':', '=', ',']);
        let before = position
            .checked_sub(1)
            .map(|before| words[before].to_lowercase());
        let key = name == "key" && before.is_some_and(|before| KEYS.contains(&before.as_str()));
        if key || is_marker(name) {
            let assigned = word.ends_with([':', '=']);
            found.extend(following(&words[position + 1..], assigned));
        }
    }
    found
}

/// The secret that these words announce, if the first one that is not in [`ASSIGNS`] can be one.
fn following(words: &[&str], mut assigned: bool) -> Option<String> {
    let mut words = words.iter().map(|word| word.to_lowercase());
    let mut next = words.next()?;
    while ASSIGNS.contains(&next.as_str()) {
        assigned = true;
        next = words.next()?;
    }
    secret(&next, assigned || next.starts_with(is_quote))
}

/// The word as a secret, if it can be one. Without an assignment before it, it has to contain
/// something other than letters.
fn secret(word: &str, assigned: bool) -> Option<String> {
    let word = word.trim_matches(is_quote);
    let word = word
        .trim_end_matches(['.', ',', ';', '!', '?', ')'])
        .trim_matches(is_quote);
    let long = word.chars().count() >= SHORTEST;
    let mixed = word.contains(|c: char| !c.is_alphabetic());
    let fits = long && (assigned || mixed) && !ORDINARY.contains(&word);
    fits.then(|| word.to_owned())
}

fn is_marker(word: &str) -> bool {
    MARKERS.contains(&word.trim_matches(|c: char| !c.is_alphanumeric() && !"-_".contains(c)))
}

fn is_quote(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '`' | '“' | '”' | '‘' | '’' | '«' | '»' | '('
    )
}

/// Whether a call's body or path repeats one of these secrets. A command line or a file's content
/// that the customer typed literally may.
pub fn repeated(secrets: &[String], path: &str, body: &Value, conversation: &[Message]) -> bool {
    if secrets.is_empty() {
        return false;
    }
    let holds = |text: &str| {
        let text = text.to_lowercase();
        secrets.iter().any(|secret| text.contains(secret.as_str()))
    };
    let written = |line: &str| {
        conversation
            .iter()
            .any(|message| matches!(message, Message::User { text } if text.contains(line)))
    };
    let alone = |line: &str| secrets.iter().any(|secret| line.to_lowercase() == *secret);
    let of_member = |name: &str, value: &Value| match value {
        Value::String(line) if LITERAL.contains(&name) && written(line) && !alone(line) => false,
        value => holds_text(value, &holds),
    };
    let members = body.as_object().into_iter().flatten();
    holds(path)
        || members
            .into_iter()
            .any(|(name, value)| of_member(name, value))
}

fn holds_text(value: &Value, holds: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => holds(text),
        Value::Array(values) => values.iter().any(|value| holds_text(value, holds)),
        Value::Object(members) => members.values().any(|value| holds_text(value, holds)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_passwords_are_found_and_ordinary_words_are_not() {
        let cases: [(&str, &[&str]); 13] = [
            ("the password is hunter22", &["hunter22"]),
            ("Password: \"Swordfish\".", &["swordfish"]),
            ("pw=hunter22, please", &["hunter22"]),
            ("use the passphrase 'correct-horse'", &["correct-horse"]),
            (
                "the root password should be set to swordfish!",
                &["swordfish"],
            ),
            ("mysql --password hunter22 -e x", &["hunter22"]),
            ("API key: sk-12345678", &["sk-12345678"]),
            ("press any key to proceed", &[]),
            ("a password for nginx", &[]),
            ("with password authentication", &[]),
            ("I forgot my password", &[]),
            ("lease a box for 60 minutes named web-1", &[]),
            ("is a password needed?", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(in_text(text), expected, "{text}");
        }
    }
}
