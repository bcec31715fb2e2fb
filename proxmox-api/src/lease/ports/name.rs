//! The names of containers on the web and for SSH clients. They are random, so that nobody finds a
//! container by trying names, and never one that means something to a resolver or to people.

use api_types::ErrorCode;
use service::crypto;

use crate::error::ApiError;

/// Digits of a name: 60 bits.
const LENGTH: usize = 12;
/// Crockford's base 32 in lower case, without letters that are taken for digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A name that no container has, with all but certainty.
pub fn fresh() -> String {
    let bytes: [u8; LENGTH] = crypto::random_bytes();
    let digits = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    digits.iter().collect()
}

/// The label of a port of a container.
pub fn label(port: u16, name: &str) -> String {
    format!("{port}-{name}")
}

/// The port and the name in a label.
pub fn parse_label(label: &str) -> Option<(u16, &str)> {
    let (port, name) = label.split_once('-')?;
    // One spelling for each port: `080` is none.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let port = digits.then(|| port.parse().ok()).flatten()?;
    is_name(name).then_some((port, name))
}

/// Whether a text has the form of a name.
pub fn is_name(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The refusal of what needs a name that the operator has taken down.
pub fn taken_down() -> ApiError {
    let message = "The operator has taken the name of this container down.";
    ApiError::new(ErrorCode::LeaseConflict, message).advise("ask the operator")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_it_was_written_and_in_no_other_way() {
        let name = fresh();
        assert!(is_name(&name) && name != fresh(), "{name}");
        assert_eq!(
            parse_label(&label(3000, &name)),
            Some((3000, name.as_str()))
        );
        for wrong in [
            name.clone(),
            format!("03000-{name}"),
            format!("0-{name}"),
            format!("65536-{name}"),
            format!("+80-{name}"),
            format!("-{name}"),
            format!("80-{name}0"),
            format!("80-{}", &name[1..]),
            format!("80--{name}"),
            format!("80-{}", "ilou-ilou-il"),
            String::new(),
            "www".into(),
        ] {
            assert_eq!(parse_label(&wrong), None, "{wrong}");
        }
    }
}
