//! Reads from a refusal's reason whether it proves that nothing was sent.

use crate::reason::code;

/// Whether a refusal proves that its request moved no money. No refusal proves anything about an
/// earlier copy of the same settlement: that copy may have moved the money and thereby emptied the
/// payer's account or used the nonce, or its window may have passed since. Then only the chain
/// shows the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalProof {
    /// Facilitators give this reason while they examine a payment, before they send anything to a
    /// chain, so this request moved nothing.
    BeforeSending,
    /// The transfer may be in progress, or was made by another sender.
    ProvesNothing,
}

impl RefusalProof {
    /// Whether this reason proves that nothing was sent. `unexpected_settle_error` and unknown
    /// reasons prove nothing. A used nonce proves nothing either: it was unused when the payment
    /// was verified, so since then the transfer was sent, or the authorization was spent or
    /// canceled.
    #[must_use]
    pub fn from_reason(reason: &str) -> Self {
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

/// Whether the reason means that the authorization's nonce is used. For a payment that was just
/// verified, the money has then moved, or the payer spent or canceled the authorization.
#[must_use]
pub fn says_nonce_used(reason: &str) -> bool {
    reason == code::NONCE_USED || reason.ends_with("nonce_already_used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reasons_from_the_examination_prove_that_nothing_was_sent() {
        for reason in [
            "insufficient_funds",
            "invalid_exact_evm_insufficient_balance",
            "invalid_exact_evm_payload_authorization_valid_before",
            "payment_expired",
            "invalid_scheme",
        ] {
            assert_eq!(
                RefusalProof::from_reason(reason),
                RefusalProof::BeforeSending
            );
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
            assert_eq!(
                RefusalProof::from_reason(reason),
                RefusalProof::ProvesNothing
            );
        }
        assert!(says_nonce_used("invalid_exact_evm_nonce_already_used"));
        assert!(!says_nonce_used("insufficient_funds"));
    }
}
