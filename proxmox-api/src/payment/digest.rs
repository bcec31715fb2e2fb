//! The digest that binds a payment to one request: of method, path and canonical body. The order of
//! a JSON object's members does not matter; any other difference makes another digest.

use serde_json::Value;
use service::crypto;

/// The digest of a request, in lower-case hexadecimal.
pub fn request_digest(method: &str, path: &str, body: &[u8]) -> String {
    let canonical = match serde_json::from_slice::<Value>(body) {
        // `Value` keeps objects sorted by key.
        Ok(value) => serde_json::to_string(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body.trim_ascii()).into_owned(),
    };
    crypto::sha256_hex(format!("{method}\n{path}\n{canonical}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_order_of_members_and_white_space_are_ignored() {
        let digest = |body: &str| request_digest("POST", "/lease/container", body.as_bytes());
        assert_eq!(
            digest(r#"{"a": 1, "b": [1, 2]}"#),
            digest("{\"b\":[1,2],\n\"a\":1}")
        );
        assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":2}"#));
        assert_ne!(digest(r#"{"b":[1,2]}"#), digest(r#"{"b":[2,1]}"#));
        assert_ne!(digest(""), digest("{}"));
        assert_ne!(
            request_digest("POST", "/a", b""),
            request_digest("GET", "/a", b"")
        );
        assert_ne!(
            request_digest("POST", "/a", b""),
            request_digest("POST", "/b", b"")
        );
    }
}
