//! Headers: base64 of JSON. Size and depth are limited before anything is allocated for them.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::reason::Reason;

/// The maximum length of an encoded header. Proxies often limit a header to 8 KiB.
pub const MAX_ENCODED: usize = 8 * 1024;
/// The maximum nesting depth of JSON in a header.
pub const MAX_DEPTH: usize = 32;

/// Version 2's challenge.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// Version 2's payment.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// Version 2's receipt.
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// Version 1's payment.
pub const X_PAYMENT: &str = "x-payment";
/// Version 1's receipt.
pub const X_PAYMENT_RESPONSE: &str = "x-payment-response";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Encodes a value for a header: standard alphabet, padded.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).expect("wire types have string keys and finite numbers");
    STANDARD.encode(json)
}

/// Decodes a header's value.
///
/// # Errors
/// `invalid_payload` with the cause: too large, not base64, too deep, or not the expected JSON.
pub fn decode<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, Reason> {
    if encoded.len() > MAX_ENCODED {
        return Err(Reason::payload(format!(
            "the header is larger than {MAX_ENCODED} bytes"
        )));
    }
    let json = LENIENT
        .decode(encoded.trim_ascii())
        .map_err(|e| Reason::payload(format!("the header is not base64: {e}")))?;
    if depth(&json) > MAX_DEPTH {
        return Err(Reason::payload(format!(
            "the JSON is nested deeper than {MAX_DEPTH}"
        )));
    }
    serde_json::from_slice(&json).map_err(|e| {
        // serde's error may quote the value, which may be a signature.
        Reason::payload(format!(
            "the header's JSON is not a payment: {} error at line {} column {}",
            match e.classify() {
                serde_json::error::Category::Data => "data",
                serde_json::error::Category::Eof => "end of input",
                _ => "syntax",
            },
            e.line(),
            e.column()
        ))
    })
}

/// The maximum nesting depth; brackets inside strings do not count.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_string = !in_string,
            (false, _, b'{' | b'[') => {
                now += 1;
                deepest = deepest.max(now);
            }
            (false, _, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_header_over_the_limit_too_deep_or_not_base64_is_refused() {
        let cases = [
            (vec![b'A'; MAX_ENCODED + 1], "larger"),
            (b"\xff\xfe".to_vec(), "not base64"),
            (STANDARD.encode("[".repeat(40)).into_bytes(), "deeper"),
            (STANDARD.encode("{\"a\":").into_bytes(), "end of input"),
            (Vec::new(), "end of input"),
        ];
        for (header, expected) in cases {
            let reason = decode::<Value>(&header).unwrap_err();
            assert_eq!(reason.code, "invalid_payload");
            assert!(reason.message.contains(expected), "{}", reason.message);
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_depth() {
        let value = json!({"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"["});
        assert_eq!(decode::<Value>(encode(&value).as_bytes()).unwrap(), value);
    }

    proptest! {
        #[test]
        fn values_round_trip(keys in prop::collection::hash_map(".{0,12}", any::<i64>(), 0..20)) {
            let value = json!(keys);
            prop_assert_eq!(decode::<Value>(encode(&value).as_bytes()).unwrap(), value.clone());
            let unpadded = encode(&value).trim_end_matches('=').to_owned();
            prop_assert_eq!(decode::<Value>(unpadded.as_bytes()).unwrap(), value);
        }

        #[test]
        fn arbitrary_bytes_cause_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode::<Value>(&bytes);
            let _ = decode::<crate::wire::v2::PaymentPayload>(STANDARD.encode(&bytes).as_bytes());
        }
    }
}
