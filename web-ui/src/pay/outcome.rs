//! What an answer to a signed request means for the money. The rule behind all of it: only who says surely that nothing was
//! charged ends a payment; everything else is asked again, with the same signature.

use api_types::{ErrorBody, ErrorCode, ErrorEnvelope};
use serde_json::Value;
use x402::{network::Network, wire::receipt::Receipt as WireReceipt};

use super::{
    card::{Phase, Receipt},
    refusal,
};
use crate::text::{
    money::{answer, refusal as words},
    service,
};

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Paid and done.
    Settled(Receipt),
    /// Paid and not delivered.
    Undelivered {
        /// The service's words.
        message: String,
        /// The transaction.
        transaction: Option<String>,
    },
    /// Nothing was charged, and the signature is of no more use.
    Refused {
        /// The service's words.
        message: String,
        /// Its code.
        code: Option<ErrorCode>,
        /// Whether the payer has too little.
        too_little: bool,
    },
    /// Ask again.
    Open {
        /// What is known.
        message: String,
    },
}

impl Outcome {
    /// The phase of a card to which this is the answer.
    pub fn into_phase(self, attempt: u32) -> Phase {
        match self {
            Self::Settled(receipt) => Phase::Settled(receipt),
            Self::Undelivered {
                message,
                transaction,
            } => Phase::Undelivered {
                message,
                transaction,
            },
            Self::Refused {
                message,
                code,
                too_little,
            } => Phase::Refused {
                message,
                code,
                too_little,
            },
            Self::Open { message } => Phase::Unknown { message, attempt },
        }
    }
}

/// Reads the lease API's answer: its status, its body and the receipt header, if there was one.
pub fn of_answer(status: u16, body: Value, receipt: Option<WireReceipt>) -> Outcome {
    let paid = receipt.as_ref().is_some_and(|receipt| receipt.success);
    match status {
        202 => Outcome::Open {
            message: text(&body, "message").unwrap_or_else(|| answer::NOT_KNOWN.into()),
        },
        200..=299 => Outcome::Settled(proof(receipt, body)),
        402 => {
            let reason = receipt.and_then(|receipt| receipt.error_reason);
            let reason = reason.or_else(|| text(&body, "error"));
            not_taken(&reason.unwrap_or_default())
        }
        _ => match serde_json::from_value::<ErrorEnvelope>(body) {
            Ok(envelope) if paid => Outcome::Undelivered {
                message: envelope.error.message,
                transaction: receipt.map(|receipt| receipt.transaction),
            },
            Ok(envelope) => of_error(envelope.error),
            Err(_) if status < 500 => Outcome::Refused {
                message: service::refused(status),
                code: None,
                too_little: false,
            },
            Err(_) => Outcome::Open {
                message: service::broke_off(status),
            },
        },
    }
}

/// Reads an error without a receipt.
pub fn of_error(error: ErrorBody) -> Outcome {
    let value = |name: &str| match error.details.as_ref()?.values.get(name)? {
        api_types::Json::String(text) => Some(text.clone()),
        _ => None,
    };
    match error.code {
        // The answer is kept for whoever has the key; that it was performed is public.
        ErrorCode::PaymentReplayed if value("state").as_deref() == Some("settled") => {
            Outcome::Settled(Receipt {
                transaction: value("transaction"),
                explorer_url: None,
                network: None,
                result: Value::Null,
            })
        }
        ErrorCode::PaymentInProgress
        | ErrorCode::PaymentUnresolved
        | ErrorCode::FacilitatorUnavailable
        | ErrorCode::Unavailable
        | ErrorCode::RateLimited
        | ErrorCode::RequestTimeout
        | ErrorCode::Timeout
        | ErrorCode::ModelError
        | ErrorCode::Internal => Outcome::Open {
            message: error.message,
        },
        code => Outcome::Refused {
            message: error.message,
            code: Some(code),
            too_little: false,
        },
    }
}

/// A payment was asked for again in place of being taken, with this reason.
pub fn not_taken(reason: &str) -> Outcome {
    Outcome::Refused {
        message: refusal::reason(reason).unwrap_or_else(|| words::NOT_TAKEN.to_owned()),
        code: Some(ErrorCode::PaymentRefused),
        too_little: refusal::is_too_little(reason),
    }
}

/// A receipt as the customer sees it.
pub fn proof(receipt: Option<WireReceipt>, result: Value) -> Receipt {
    let network = receipt.as_ref().map(|receipt| receipt.network.clone());
    let transaction = receipt
        .map(|receipt| receipt.transaction)
        .filter(|transaction| !transaction.is_empty());
    Receipt {
        explorer_url: explorer_url(network.as_deref(), transaction.as_deref()),
        transaction,
        network,
        result,
    }
}

/// Where a transaction can be looked at; nowhere if it is not one of a chain's.
fn explorer_url(network: Option<&str>, transaction: Option<&str>) -> Option<String> {
    let transaction = transaction?;
    let digits = transaction.strip_prefix("0x")?;
    let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| Some(Network::by_name(network?)?.explorer_tx(transaction)))?
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt(success: bool, transaction: &str) -> WireReceipt {
        serde_json::from_value(json!({
            "success": success, "transaction": transaction, "network": "eip155:84532",
        }))
        .unwrap()
    }

    fn envelope(code: ErrorCode) -> Value {
        serde_json::to_value(ErrorEnvelope::new(code, "Words.", "r-1")).unwrap()
    }

    #[test]
    fn a_good_answer_is_a_receipt_with_a_link() {
        let hash = format!("0x{}", "ab".repeat(32));
        let outcome = of_answer(200, json!({"ctid": 101}), Some(receipt(true, &hash)));
        let Outcome::Settled(receipt) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            receipt.explorer_url,
            Some(format!("https://sepolia.basescan.org/tx/{hash}"))
        );
        assert_eq!(receipt.result["ctid"], 101);
    }

    #[test]
    fn play_money_has_no_link() {
        let Outcome::Settled(receipt) = of_answer(200, Value::Null, Some(receipt(true, "demo-42")))
        else {
            unreachable!()
        };
        assert_eq!(
            (receipt.transaction.as_deref(), receipt.explorer_url),
            (Some("demo-42"), None)
        );
    }

    #[test]
    fn only_a_sure_no_ends_a_payment() {
        use ErrorCode as E;
        let open = |outcome: &Outcome| matches!(outcome, Outcome::Open { .. });
        for code in [
            E::PaymentInProgress,
            E::PaymentUnresolved,
            E::Internal,
            E::Timeout,
        ] {
            let outcome = of_answer(code.status(), envelope(code), None);
            assert!(open(&outcome), "{code}: {outcome:?}");
        }
        for code in [
            E::ProvisioningFailed,
            E::CapacityExhausted,
            E::Forbidden,
            E::InvalidRequest,
        ] {
            let outcome = of_answer(code.status(), envelope(code), None);
            assert!(
                matches!(outcome, Outcome::Refused { .. }),
                "{code}: {outcome:?}"
            );
        }
        assert!(open(&of_answer(
            202,
            json!({"status": "reconciling"}),
            None
        )));
        assert!(open(&of_answer(502, json!("<html>"), None)));
    }

    #[test]
    fn what_is_paid_and_not_delivered_is_never_called_refused() {
        let outcome = of_answer(
            502,
            envelope(ErrorCode::HypervisorError),
            Some(receipt(true, "demo-1")),
        );
        assert_eq!(
            outcome,
            Outcome::Undelivered {
                message: "Words.".into(),
                transaction: Some("demo-1".into())
            }
        );
    }

    #[test]
    fn a_refused_settlement_says_why_in_words() {
        let mut refused = receipt(false, "");
        refused.error_reason = Some("insufficient_funds".into());
        let outcome = of_answer(402, json!({"x402Version": 1}), Some(refused));
        assert_eq!(
            outcome,
            Outcome::Refused {
                message: "Your balance is too low for this payment.".into(),
                code: Some(ErrorCode::PaymentRefused),
                too_little: true,
            }
        );
    }

    #[test]
    fn a_replay_that_was_performed_is_settled_without_its_secrets() {
        let mut body = envelope(ErrorCode::PaymentReplayed);
        body["error"]["details"] = json!({"state": "settled", "transaction": "demo-7"});
        let Outcome::Settled(receipt) = of_answer(409, body, None) else {
            unreachable!()
        };
        assert_eq!(receipt.transaction.as_deref(), Some("demo-7"));
        let conflict = of_answer(409, envelope(ErrorCode::PaymentReplayed), None);
        assert!(matches!(conflict, Outcome::Refused { .. }));
    }
}
