//! Signing in with a wallet: the server gives a text (EIP-4361), the wallet signs it (EIP-191), and
//! the server gives a bearer token that is good for the free routes of that wallet.

use secret::Secret;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The body of `POST /session/challenge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionChallengeRequest {
    /// The wallet that wants to sign in, `0x` and 40 hexadecimal digits.
    pub address: String,
    /// The chain the wallet is on; the server's network where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
}

/// The answer: a text to be signed as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionChallenge {
    /// The EIP-4361 message.
    pub message: String,
    /// The single-use nonce inside the message.
    pub nonce: String,
    /// Until when the signature is accepted.
    pub expires_at: Timestamp,
}

/// The body of `POST /session`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionRequest {
    /// The message of the challenge, unchanged.
    pub message: String,
    /// Its signature, `0x` and hexadecimal digits. Whoever has it before the server could sign in with it.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub signature: Secret,
}

/// The answer: a bearer token bound to the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionResponse {
    /// What to send as `Authorization: Bearer …`.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub token: Secret,
    /// Always `Bearer`.
    pub token_type: String,
    /// The wallet that signed in.
    pub wallet: String,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn signing_in_keeps_its_names_and_hides_its_secrets() {
        let ask = json!({"address": "0xf39F", "chainId": 84532});
        assert_eq!(
            to_value(from_value::<SessionChallengeRequest>(ask.clone()).unwrap()).unwrap(),
            ask
        );
        let given = json!({"message": "m", "nonce": "n", "expiresAt": "2026-01-01T00:00:00Z"});
        assert_eq!(
            to_value(from_value::<SessionChallenge>(given.clone()).unwrap()).unwrap(),
            given
        );
        let signed: SessionRequest =
            from_value(json!({"message": "m", "signature": "0xabc"})).unwrap();
        assert!(!format!("{signed:?}").contains("0xabc"));
        let body = json!({
            "token": "t0ken", "tokenType": "Bearer", "wallet": "0xf39F", "expiresAt": "2026-01-01T00:00:00Z",
        });
        let session: SessionResponse = from_value(body.clone()).unwrap();
        assert!(!format!("{session:?}").contains("t0ken"));
        assert_eq!(to_value(&session).unwrap(), body);
    }
}
