//! Why a payment was refused: the reasons of facilitators and of the token, in words for people.

use crate::text::money::refusal;

/// The error texts of a challenge that only asks for a payment.
const FIRST_CHALLENGE: [&str; 2] = ["", "Payment required"];
/// The payer's balance is too low, as the facilitators spell it.
const TOO_LITTLE: [&str; 3] = [
    "invalid_exact_evm_insufficient_balance",
    "insufficient_funds",
    "insufficient_balance",
];
/// Reasons with a text of their own. A reason that the versions of the protocol spell differently
/// is listed in each spelling.
const KNOWN: [(&str, &str); 18] = [
    (
        "invalid_exact_evm_payload_authorization_valid_before",
        refusal::TOO_LATE,
    ),
    ("payment_expired", refusal::TOO_LATE),
    (
        "invalid_exact_evm_payload_authorization_valid_after",
        refusal::TOO_EARLY,
    ),
    ("invalid_exact_evm_signature", refusal::SIGNATURE),
    ("invalid_exact_evm_payload_signature", refusal::SIGNATURE),
    (
        "invalid_exact_evm_payload_undeployed_smart_wallet",
        refusal::SIGNATURE,
    ),
    ("invalid_exact_evm_nonce_already_used", refusal::USED),
    ("invalid_exact_evm_recipient_mismatch", refusal::CHANGED),
    (
        "invalid_exact_evm_payload_recipient_mismatch",
        refusal::CHANGED,
    ),
    (
        "invalid_exact_evm_payload_authorization_value_mismatch",
        refusal::CHANGED,
    ),
    (
        "invalid_exact_evm_payload_authorization_value",
        refusal::CHANGED,
    ),
    ("invalid_payment_requirements", refusal::CHANGED),
    ("No matching payment requirements", refusal::CHANGED),
    ("invalid_network", refusal::NETWORK),
    ("asset_not_deployed_contract", refusal::NETWORK),
    (
        "invalid_exact_evm_transaction_simulation_failed",
        refusal::TOKEN,
    ),
    ("invalid_exact_evm_transaction_failed", refusal::TOKEN),
    ("invalid_transaction_state", refusal::TOKEN),
];

/// Why a payment was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRefusal {
    /// The reason, for people.
    pub message: String,
    /// Whether the payer's balance is too low.
    pub too_little: bool,
}

impl PaymentRefusal {
    /// Reads what a challenge says of the payment before it; none if there was no payment.
    pub fn read(code: &str) -> Option<Self> {
        Some(Self {
            message: message(code)?,
            too_little: is_too_little(code),
        })
    }
}

/// Whether the reason is that the payer's balance is too low.
pub fn is_too_little(reason: &str) -> bool {
    TOO_LITTLE.contains(&reason)
}

/// Whether the reason is also given when an earlier copy of the same payment has moved the money:
/// the nonce is used, or the signature has expired since.
pub fn may_follow_a_transfer(reason: &str) -> bool {
    [refusal::TOO_LATE, refusal::USED, refusal::TOKEN].contains(&known_text(reason))
}

fn known_text(reason: &str) -> &'static str {
    let known = KNOWN.iter().find(|(code, _)| *code == reason);
    known.map_or("", |(_, text)| text)
}

/// The reason of a challenge for people; none if the challenge only asks for a payment.
pub fn message(reason: &str) -> Option<String> {
    if FIRST_CHALLENGE.contains(&reason) {
        return None;
    }
    if is_too_little(reason) {
        return Some(refusal::TOO_LITTLE.to_owned());
    }
    if reason == "payment_refused" {
        return Some(refusal::NOT_TAKEN.to_owned());
    }
    Some(match known_text(reason) {
        "" => refusal::not_taken(&reason.replace('_', " ")),
        text => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use x402::reason::code;

    use super::*;

    #[test]
    fn too_low_a_balance_has_one_text_in_every_spelling() {
        for spelling in [code::BALANCE, "insufficient_funds", "insufficient_balance"] {
            assert!(is_too_little(spelling));
            assert_eq!(
                message(spelling).unwrap(),
                "Your balance is too low for this payment."
            );
        }
        assert!(!is_too_little(code::SIGNATURE));
        assert!(PaymentRefusal::read(code::BALANCE).unwrap().too_little);
        assert_eq!(PaymentRefusal::read("Payment required"), None);
    }

    #[test]
    fn every_known_reason_has_a_plain_text() {
        for code in [
            code::NO_MATCH,
            code::INVALID_REQUIREMENTS,
            code::INVALID_NETWORK,
            code::RECIPIENT,
            code::VALUE,
            code::VALID_AFTER,
            code::VALID_BEFORE,
            code::SIGNATURE,
            code::NONCE_USED,
            code::UNKNOWN_ASSET,
            code::SIMULATION_FAILED,
            code::TRANSACTION_FAILED,
        ] {
            let text = message(code).unwrap();
            assert!(
                !text.contains("evm") && !text.contains('_'),
                "{code}: {text}"
            );
            assert!(
                !text.starts_with("The payment was refused:"),
                "{code}: {text}"
            );
        }
    }

    #[test]
    fn a_first_challenge_is_not_a_refusal_and_an_unknown_reason_is_shown() {
        assert_eq!(message("Payment required"), None);
        assert_eq!(message(""), None);
        assert_eq!(
            message("moon_phase").unwrap(),
            "The payment was refused: moon phase."
        );
        assert_eq!(
            message("payment_refused").unwrap(),
            "The payment was refused."
        );
    }
}
