//! The inner object of the scheme `exact` on EVM chains, the same in both versions.

use std::fmt;

use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use super::Rest;

/// A signed EIP-3009 authorization.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ExactPayload {
    /// `0x` and hexadecimal digits: 65 bytes for an ordinary account, any length for a contract.
    pub signature: String,
    /// The signed message.
    pub authorization: Authorization,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A signature is not logged, because its payee can turn it into money until it is settled.
impl fmt::Debug for ExactPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactPayload")
            .field("signature", &"***")
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

/// The EIP-3009 message `TransferWithAuthorization`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// The payer.
    pub from: Address,
    /// The payee.
    pub to: Address,
    /// Atomic units, a decimal string on the wire.
    #[serde(with = "decimal")]
    pub value: U256,
    /// The start of validity, in Unix seconds.
    #[serde(with = "decimal")]
    pub valid_after: U256,
    /// The end of validity, in Unix seconds; it is settled before this time.
    #[serde(with = "decimal")]
    pub valid_before: U256,
    /// A random number that can be used once.
    pub nonce: B256,
}

/// Numbers in the protocol's format: decimal digits in a string. Some clients send an integer
/// instead, which is read and passed on as a string.
mod decimal {
    use std::fmt;

    use alloy::primitives::U256;
    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };

    pub(super) fn serialize<S: Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
        struct Decimal;
        impl Visitor<'_> for Decimal {
            type Value = U256;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in a string")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<U256, E> {
                Ok(U256::from(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<U256, E> {
                if text.is_empty() || text.len() > 78 || !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(E::custom("expected a decimal number in a string"));
                }
                U256::from_str_radix(text, 10).map_err(|_| E::custom("the number is too large"))
            }
        }
        from.deserialize_any(Decimal)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_decimal_strings_or_whole_numbers_and_nothing_else() {
        let with = |value: serde_json::Value| {
            serde_json::from_value::<Authorization>(json!({
                "from": Address::ZERO, "to": Address::ZERO, "value": value,
                "validAfter": "0", "validBefore": "1", "nonce": B256::ZERO,
            }))
        };
        assert_eq!(with(json!("8900")).unwrap().value, U256::from(8900));
        assert_eq!(with(json!(U256::MAX.to_string())).unwrap().value, U256::MAX);
        let whole = with(json!(8900)).unwrap();
        assert_eq!(whole.value, U256::from(8900));
        assert_eq!(serde_json::to_value(&whole).unwrap()["value"], "8900");
        let over = format!("{}0", U256::MAX);
        for bad in [
            json!(-1),
            json!(1.5),
            json!(null),
            json!(""),
            json!("0x10"),
            json!("-1"),
            json!("1e3"),
            json!(over),
        ] {
            assert!(with(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_debug_text_does_not_show_the_signature() {
        let payment = crate::testing::paid_v2(&crate::testing::offer());
        let text = format!("{payment:?}");
        assert!(text.contains("***"));
        assert!(!text.contains(&payment.exact().signature[2..]));
    }
}
