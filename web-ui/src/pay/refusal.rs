//! Why a payment was not taken: what a facilitator and the token say, in words for people.

use crate::text::money::refusal;

/// What a lease API says where it only asks for a payment.
const ASKED: [&str; 2] = ["", "Payment required"];
/// The payer has too little, as the facilitators spell it.
const TOO_LITTLE: [&str; 3] = [
    "invalid_exact_evm_insufficient_balance",
    "insufficient_funds",
    "insufficient_balance",
];
/// The codes that have words of their own; what the versions of the protocol spell differently is there in each spelling.
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

/// Why a payment was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In words for people.
    pub words: String,
    /// Whether the payer has too little.
    pub too_little: bool,
}

impl Refusal {
    /// What a 402 says of the payment before it; nothing where there was none.
    pub fn read(code: &str) -> Option<Self> {
        Some(Self {
            words: reason(code)?,
            too_little: is_too_little(code),
        })
    }
}

/// Whether a reason says that the payer has too little money.
pub fn is_too_little(reason: &str) -> bool {
    TOO_LITTLE.contains(&reason)
}

/// Whether a reason is also given where an earlier copy of the same payment has moved the money: the signature is used up, or its
/// window has passed since.
pub fn says_nothing_of_earlier_copies(reason: &str) -> bool {
    [refusal::TOO_LATE, refusal::USED, refusal::TOKEN].contains(&words_for(reason))
}

fn words_for(reason: &str) -> &'static str {
    let known = KNOWN.iter().find(|(code, _)| *code == reason);
    known.map_or("", |(_, words)| words)
}

/// Why a payment was not taken; nothing where a payment is only asked for.
pub fn reason(reason: &str) -> Option<String> {
    if ASKED.contains(&reason) {
        return None;
    }
    if is_too_little(reason) {
        return Some(refusal::TOO_LITTLE.to_owned());
    }
    if reason == "payment_refused" {
        return Some(refusal::NOT_TAKEN.to_owned());
    }
    Some(match words_for(reason) {
        "" => refusal::not_taken(&reason.replace('_', " ")),
        words => words.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use x402::reason::code;

    use super::*;

    #[test]
    fn who_has_too_little_is_told_so_whoever_noticed() {
        for spelt in [code::BALANCE, "insufficient_funds", "insufficient_balance"] {
            assert!(is_too_little(spelt));
            assert_eq!(
                reason(spelt).unwrap(),
                "Your balance is too low for this payment."
            );
        }
        assert!(!is_too_little(code::SIGNATURE));
        assert!(Refusal::read(code::BALANCE).unwrap().too_little);
        assert_eq!(Refusal::read("Payment required"), None);
    }

    #[test]
    fn every_reason_that_a_signed_payment_can_meet_has_plain_words() {
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
            let words = reason(code).unwrap();
            assert!(
                !words.contains("evm") && !words.contains('_'),
                "{code}: {words}"
            );
            assert!(
                !words.starts_with("The payment was not taken:"),
                "{code}: {words}"
            );
        }
    }

    #[test]
    fn a_first_question_for_money_is_no_refusal_and_an_unknown_reason_is_told() {
        assert_eq!(reason("Payment required"), None);
        assert_eq!(reason(""), None);
        assert_eq!(
            reason("moon_phase").unwrap(),
            "The payment was not taken: moon phase."
        );
        assert_eq!(
            reason("payment_refused").unwrap(),
            "The payment was not taken."
        );
    }
}
