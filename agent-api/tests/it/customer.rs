//! A customer with a key, who signs the agent's requests as a wallet does.

use alloy::{
    primitives::keccak256,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use serde_json::{Value, json};
use service::clock::{Clock as _, SystemClock};
use x402::{
    eip3009,
    purchase::{Challenge, SpendingLimits},
};

/// A customer.
pub struct Customer {
    key: PrivateKeySigner,
}

impl Customer {
    /// Customer `number`. Its key can be derived by anyone, so it never holds money.
    pub fn new(number: u64) -> Self {
        let digest = keccak256(format!("infra402 test chatter {number}"));
        Self {
            key: PrivateKeySigner::from_bytes(&digest).unwrap(),
        }
    }

    /// The wallet's address.
    pub fn wallet(&self) -> String {
        self.key.address().to_string()
    }

    /// Signs a text as wallets do (EIP-191).
    pub fn sign_text(&self, text: &str) -> String {
        let signature = self.key.sign_message_sync(text.as_bytes()).unwrap();
        signature.to_string()
    }

    /// Signs a payment request of either version; the value of `payment_headers`.
    pub fn sign(&self, request: &Value) -> Value {
        let header = request["payment_required"].as_str();
        let challenge = Challenge::from_response(header, request.to_string().as_bytes()).unwrap();
        let limits = SpendingLimits {
            max_amount: u64::MAX,
            networks: &["base-sepolia"],
        };
        let chosen = challenge.choose(&limits).unwrap();
        let now = SystemClock.unix_seconds();
        let message = chosen.authorization(self.key.address(), now, eip3009::random_nonce());
        let signature =
            eip3009::sign(&self.key, chosen.network, &chosen.network.usdc, &message).unwrap();
        let (name, value) = chosen.payment(message, signature, None).to_header();
        json!({ name: value })
    }

    /// The same in version 1, as the prototype's interface signed it.
    pub fn sign_v1(&self, request: &Value) -> Value {
        let mut request = request.clone();
        request["payment_required"] = Value::Null;
        self.sign(&request)
    }
}
