//! What an answer to a signed request means for the money. The rule behind all of it: a payment ends only with an answer that is
//! surely about this very payment. Everything else is asked again, or kept to be asked again, with the same signature.

use api_types::{ErrorBody, ErrorCode, Usdc};
use serde_json::Value;
use x402::{network::Network, wire::receipt::Receipt as WireReceipt};

use super::{
    card::{Owed, Phase, Receipt},
    refusal,
};
use crate::text::{
    money::{answer, refusal as words},
    service,
};

/// The code of a payment that moved money and cannot be delivered any more.
const PAYMENT_OWED: &str = "payment_owed";

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
    /// Paid, and never delivered: the money is owed to the customer.
    Owed(Owed),
    /// Nothing was charged, and the signature is of no more use.
    Refused {
        /// The service's words.
        message: String,
        /// Its code.
        code: Option<ErrorCode>,
        /// Whether the payer has too little.
        too_little: bool,
        /// Whether the answer is about this very payment. Otherwise it says nothing about an earlier copy of the request.
        proven: bool,
    },
    /// Ask again.
    Open {
        /// What is known.
        message: String,
    },
    /// The answer says nothing about this payment: it is kept, and asked about again when the customer wants to.
    Doubtful {
        /// What is known.
        message: String,
    },
}

impl Outcome {
    /// What the answer means for a payment that was open or undelivered before: then an earlier copy of the request may have
    /// moved money, and only a proven refusal ends it.
    #[must_use]
    pub fn weighed(self, was_open: bool) -> Self {
        match self {
            // The reason given may be that of a new payment: "pay again" would be the wrong advice.
            Self::Refused { proven: false, .. } if was_open => Self::Doubtful {
                message: answer::DOUBTFUL.to_owned(),
            },
            other => other,
        }
    }

    /// Whether an earlier copy of the request may have moved money when it is sent once more.
    pub fn leaves_open(&self) -> bool {
        matches!(
            self,
            Self::Open { .. } | Self::Undelivered { .. } | Self::Doubtful { .. }
        )
    }

    /// Whether money has moved.
    pub fn is_paid(&self) -> bool {
        matches!(
            self,
            Self::Settled(_) | Self::Undelivered { .. } | Self::Owed(_)
        )
    }

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
            Self::Owed(owed) => Phase::Owed(owed),
            Self::Refused {
                message,
                code,
                too_little,
                ..
            } => Phase::Refused {
                message,
                code,
                too_little,
            },
            Self::Open { message } => Phase::Unknown { message, attempt },
            Self::Doubtful { message } => Phase::Doubtful {
                message,
                expired: false,
            },
        }
    }
}

/// Reads the lease API's answer: its status, its body and the receipt header, if there was one.
pub fn of_answer(status: u16, body: Value, receipt: Option<WireReceipt>) -> Outcome {
    match status {
        202 => Outcome::Open {
            message: text(&body, "message").unwrap_or_else(|| answer::NOT_KNOWN.into()),
        },
        200..=299 => Outcome::Settled(proof(receipt, body)),
        402 => {
            // A challenge names no payment; a receipt that says no is about the one that was sent.
            let proven = receipt.as_ref().is_some_and(|receipt| !receipt.success);
            let reason = receipt.and_then(|receipt| receipt.error_reason);
            let reason = reason.or_else(|| text(&body, "error")).unwrap_or_default();
            refused_for(&reason, proven)
        }
        _ => match Said::read(&body) {
            Some(said) => said.outcome(receipt),
            None if status < 500 => Outcome::Doubtful {
                message: service::refused(status),
            },
            None => Outcome::Open {
                message: service::broke_off(status),
            },
        },
    }
}

/// An error in the service's words. Its code is read as a text: a later version of the service may say one that is not known here.
struct Said {
    code: String,
    message: String,
    details: Value,
}

impl Said {
    fn read(body: &Value) -> Option<Self> {
        let error = body.get("error")?;
        Some(Self {
            code: text(error, "code")?,
            message: text(error, "message")?,
            details: error.get("details").cloned().unwrap_or_default(),
        })
    }

    fn outcome(self, receipt: Option<WireReceipt>) -> Outcome {
        if self.code == PAYMENT_OWED {
            return self.owed();
        }
        if let Some(receipt) = receipt.filter(|receipt| receipt.success) {
            return Outcome::Undelivered {
                message: self.message,
                transaction: Some(receipt.transaction),
            };
        }
        match serde_json::from_value(Value::String(self.code.clone())) {
            Ok(code) => self.without_receipt(code),
            Err(_) => Outcome::Doubtful {
                message: self.message,
            },
        }
    }

    fn without_receipt(self, code: ErrorCode) -> Outcome {
        let message = self.message.clone();
        let refused = |proven| Outcome::Refused {
            message: message.clone(),
            code: Some(code),
            too_little: false,
            proven,
        };
        match code {
            ErrorCode::PaymentReplayed => match text(&self.details, "state").as_deref() {
                // The answer is kept for whoever has the key; that it was performed is public.
                Some("settled") => Outcome::Settled(Receipt {
                    transaction: text(&self.details, "transaction"),
                    explorer_url: None,
                    network: None,
                    result: Value::Null,
                }),
                Some("owed") => self.owed(),
                Some("refused" | "released") => refused(true),
                Some(_) => Outcome::Doubtful { message },
                None => refused(false),
            },
            ErrorCode::PaymentInProgress
            | ErrorCode::PaymentUnresolved
            | ErrorCode::FacilitatorUnavailable
            | ErrorCode::Unavailable
            | ErrorCode::RateLimited
            | ErrorCode::RequestTimeout
            | ErrorCode::Timeout
            | ErrorCode::ModelError
            | ErrorCode::Internal => Outcome::Open { message },
            // A lease is only settled after all of these, and only where this payment is not known to have moved money.
            ErrorCode::ProvisioningFailed
            | ErrorCode::CapacityExhausted
            | ErrorCode::LeaseLimitReached => refused(true),
            _ => refused(false),
        }
    }

    fn owed(self) -> Outcome {
        let amount = self.details.get("amount").cloned().unwrap_or_default();
        Outcome::Owed(Owed {
            message: self.message,
            payment_id: text(&self.details, "paymentId"),
            amount: serde_json::from_value::<Usdc>(amount).ok(),
            reason: text(&self.details, "reason"),
        })
    }
}

/// Reads an error without a receipt.
pub fn of_error(error: &ErrorBody) -> Outcome {
    let said = Said {
        code: error.code.as_str().to_owned(),
        message: error.message.clone(),
        details: serde_json::to_value(&error.details).unwrap_or_default(),
    };
    said.outcome(None)
}

/// Reads the lease API's error as the agent passes it on: code and particulars in the body, the words beside it. Nothing where the
/// body has no code.
pub fn of_passed_on(body: &Value, message: &str, receipt: Option<WireReceipt>) -> Option<Outcome> {
    let error = body.get("error")?;
    let said = Said {
        code: text(error, "code")?,
        message: message.to_owned(),
        details: error.get("details").cloned().unwrap_or_default(),
    };
    Some(said.outcome(receipt))
}

/// A payment was asked for again in place of being taken, with this reason.
pub fn not_taken(reason: &str) -> Outcome {
    refused_for(reason, false)
}

fn refused_for(reason: &str, proven: bool) -> Outcome {
    Outcome::Refused {
        message: refusal::reason(reason).unwrap_or_else(|| words::NOT_TAKEN.to_owned()),
        code: Some(ErrorCode::PaymentRefused),
        too_little: refusal::is_too_little(reason),
        proven: proven && !refusal::says_nothing_of_earlier_copies(reason),
    }
}

/// What the list of the wallet's payments says of one: nothing while it is not decided.
pub fn of_listed(state: &str, transaction: Option<String>, amount: Usdc) -> Option<Outcome> {
    match state {
        "settled" => Some(Outcome::Settled(Receipt {
            transaction,
            explorer_url: None,
            network: None,
            result: Value::Null,
        })),
        "owed" => Some(Outcome::Owed(Owed {
            message: answer::OWED.to_owned(),
            payment_id: None,
            amount: Some(amount),
            reason: None,
        })),
        "refused" | "released" => Some(refused_for("", true)),
        _ => None,
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
mod tests;
