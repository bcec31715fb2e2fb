//! What a facilitator's refusal of a settlement proves, by its reason.

use crate::reason::code;

/// What a refusal proves about the call that it answers. About an earlier copy of the same
/// settlement no refusal proves anything: the copy may have moved the money and thereby emptied the
/// payer or used the nonce, or its window may have passed since. Only the chain can tell then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalProof {
    /// Facilitators give this reason while they examine a payment, before anything is sent to a
    /// chain: this call moved nothing.
    BeforeSending,
    /// The transfer may be under way, or was made by somebody else.
    ProvesNothing,
}

impl RefusalProof {
    /// What this reason proves. `unexpected_settle_error` and reasons that are not known here prove
    /// nothing, and neither does a nonce that is used: it was unused a moment ago, when the payment
    /// was verified, so the transfer was sent, or the authorization spent or taken back, since.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        const EXAMINED: [&str; 24] = [
            code::BALANCE,
            code::INVALID_NETWORK,
            code::INVALID_PAYLOAD,
            code::INVALID_REQUIREMENTS,
            code::INVALID_VERSION,
            code::RECIPIENT,
            code::SIGNATURE,
            code::SIMULATION_FAILED,
            code::UNKNOWN_ASSET,
            code::UNSUPPORTED_SCHEME,
            "eip6492_factory_not_allowed",
            "insufficient_funds",
            "invalid_exact_evm_eip3009_not_supported",
            "invalid_exact_evm_failed_to_parse_signature",
            "invalid_exact_evm_missing_eip712_domain",
            "invalid_exact_evm_network_mismatch",
            "invalid_exact_evm_scheme",
            "invalid_exact_evm_token_name_mismatch",
            "invalid_exact_evm_token_version_mismatch",
            "invalid_payment",
            "invalid_scheme",
            "payment_expired",
            "permit2_allowance_required",
            "unsupported_payload_type",
        ];
        if EXAMINED.contains(&reason) || reason.starts_with("invalid_exact_evm_payload_") {
            Self::BeforeSending
        } else {
            Self::ProvesNothing
        }
    }
}

/// Whether the reason says that the authorization's nonce is used. For a payment that verified a
/// moment ago that means: the money has moved, or the payer spent or took back the authorization.
#[must_use]
pub fn says_nonce_used(reason: &str) -> bool {
    reason == code::NONCE_USED || reason.ends_with("nonce_already_used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_while_examining_proves_that_this_call_sent_nothing() {
        for reason in [
            "insufficient_funds",
            "invalid_exact_evm_insufficient_balance",
            "invalid_exact_evm_payload_authorization_valid_before",
            "payment_expired",
            "invalid_scheme",
        ] {
            assert_eq!(RefusalProof::of(reason), RefusalProof::BeforeSending);
        }
        for reason in [
            "invalid_exact_evm_nonce_already_used",
            "invalid_exact_evm_transaction_failed",
            "settlement_pending",
            "unexpected_settle_error",
            "duplicate_settlement",
            "a reason of tomorrow",
            "",
        ] {
            assert_eq!(RefusalProof::of(reason), RefusalProof::ProvesNothing);
        }
        assert!(says_nonce_used("invalid_exact_evm_nonce_already_used"));
        assert!(!says_nonce_used("insufficient_funds"));
    }
}
