//! The reasons for a refused payment, with the codes of the reference clients.

use std::borrow::Cow;

/// A machine-readable code of the x402 SDKs, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Reason {
    /// The SDKs' code, for instance `invalid_payload`.
    pub code: Cow<'static, str>,
    /// The mistake and, if it helps, the expected value. It never holds a signature.
    pub message: String,
}

impl Reason {
    /// A reason with one of the codes in [`code`].
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }

    pub(crate) fn payload(message: impl Into<String>) -> Self {
        Self::new(code::INVALID_PAYLOAD, message)
    }
}

/// The codes that this crate produces, spelled as in the reference SDKs.
pub mod code {
    /// The header cannot be read as a payment.
    pub const INVALID_PAYLOAD: &str = "invalid_payload";
    /// The challenge cannot be read or satisfied.
    pub const INVALID_REQUIREMENTS: &str = "invalid_payment_requirements";
    /// `x402Version` is neither 1 nor 2.
    pub const INVALID_VERSION: &str = "invalid_x402_version";
    /// Version 2: `accepted` is not one of the offered options.
    pub const NO_MATCH: &str = "No matching payment requirements";
    /// Version 1: another scheme than `exact`.
    pub const UNSUPPORTED_SCHEME: &str = "unsupported_scheme";
    /// Version 1: another network than the one offered.
    pub const INVALID_NETWORK: &str = "invalid_network";
    /// The authorization is for another payee.
    pub const RECIPIENT: &str = "invalid_exact_evm_recipient_mismatch";
    /// The authorization is for another amount.
    pub const VALUE: &str = "invalid_exact_evm_payload_authorization_value_mismatch";
    /// The window has not begun.
    pub const VALID_AFTER: &str = "invalid_exact_evm_payload_authorization_valid_after";
    /// The window has passed, or leaves no time to settle.
    pub const VALID_BEFORE: &str = "invalid_exact_evm_payload_authorization_valid_before";
    /// The signature is not the payer's.
    pub const SIGNATURE: &str = "invalid_exact_evm_signature";
    /// The authorization was used before.
    pub const NONCE_USED: &str = "invalid_exact_evm_nonce_already_used";
    /// The asset is not supported.
    pub const UNKNOWN_ASSET: &str = "asset_not_deployed_contract";
    /// The token would refuse the transfer and gives no reason.
    pub const SIMULATION_FAILED: &str = "invalid_exact_evm_transaction_simulation_failed";
    /// The transfer was tried on the chain and reverted.
    pub const TRANSACTION_FAILED: &str = "invalid_exact_evm_transaction_failed";
    /// The payer's balance is too low.
    pub const BALANCE: &str = "invalid_exact_evm_insufficient_balance";
}
