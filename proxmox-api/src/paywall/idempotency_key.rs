//! The idempotency key: the header `Idempotency-Key`, or version 2's extension
//! `payment-identifier`.
//!
//! A key has two uses. Any key makes a repeated purchase the same purchase. A *secret* key also
//! proves that a request comes from the sender of the first one. The signature alone does not: once
//! it is settled, everybody can read it on the chain.

use api_types::ErrorCode;
use axum::http::HeaderMap;
use x402::payment::Payment;

use crate::error::ApiError;

/// The longest key, in characters.
const MAX_KEY: usize = 128;
/// The shortest key that counts as a secret, in characters.
const MIN_SECRET: usize = 16;
/// Characters in a row that a key and a public number may not share: so many are no coincidence.
const PUBLIC_PART: usize = 16;

/// The header's key.
///
/// # Errors
/// It comes twice, is empty, too long, or not visible ASCII.
pub fn from_header(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    let printable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if values.next().is_some() || !printable || key.len() > MAX_KEY {
        let message =
            format!("Idempotency-Key has to be one value of 1 to {MAX_KEY} printable characters.");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    Ok(Some(key.to_owned()))
}

/// The key, unless it is derived from the payment, which is public once it is settled.
pub fn unless_public(key: Option<String>, payment: &Payment) -> Option<String> {
    let authorization = payment.authorization();
    let public = [
        authorization.nonce.to_string(),
        authorization.from.to_string(),
        payment.exact().signature.clone(),
    ]
    .map(|text| plain(text.strip_prefix("0x").unwrap_or(&text)));
    key.filter(|key| {
        let key = plain(key);
        !public.iter().any(|text| holds_a_part(&key, text))
    })
}

/// Whether a key contains a part of a public text. Both are [`plain`].
fn holds_a_part(key: &str, public: &str) -> bool {
    let parts = || public.as_bytes().windows(PUBLIC_PART);
    let mut places = key.as_bytes().windows(PUBLIC_PART);
    places.any(|place| parts().any(|part| part == place))
}

/// The letters and digits in lower case, so that a UUID made of a nonce equals that nonce.
fn plain(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether two keys are equal and secret enough to prove the sender.
pub fn same_secret(stored: Option<&str>, given: Option<&str>) -> bool {
    match (stored, given) {
        (Some(stored), Some(given)) => {
            stored.len() >= MIN_SECRET && service::crypto::same(stored.as_bytes(), given.as_bytes())
        }
        _ => false,
    }
}

/// Whether a stored key can prove the sender.
pub fn is_secret(key: Option<&str>) -> bool {
    key.is_some_and(|key| key.len() >= MIN_SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_part_of_a_public_number_is_detected() {
        let nonce = "0x00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
        for key in [
            "web-00112233445566778899AABB",
            "my-89abcdef01234567",
            "0123456789ABCDEF",
        ] {
            assert!(holds_a_part(&plain(key), &nonce[2..]), "{key}");
        }
        for key in [
            "ffeeddccbbaa99887766",
            "0011223344",
            "",
            "a-key-that-nobody-guesses",
        ] {
            assert!(!holds_a_part(&plain(key), &nonce[2..]), "{key}");
        }
    }

    #[test]
    fn a_short_key_or_none_proves_nothing() {
        let long = "0123456789abcdef";
        assert!(same_secret(Some(long), Some(long)));
        assert!(!same_secret(Some("k"), Some("k")));
        assert!(!same_secret(None, None));
        assert!(!same_secret(Some(long), None));
        assert!(!same_secret(Some(long), Some("0123456789abcdeF")));
    }
}
