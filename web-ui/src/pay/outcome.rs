//! What a response to a signed request means for the money. The rule: a payment ends only with a
//! response that is surely about this very payment. In every other case the same signed request is
//! sent again, or stays stored to be sent again.

use api_types::{ErrorBody, ErrorCode, Usdc};
use serde_json::Value;
use x402::{network::Network, wire::receipt::Receipt as WireReceipt};

use super::{
    card::{OwedPayment, PaymentPhase, PurchaseReceipt},
    refusal_reason,
};
use crate::text::{
    money::{answer, refusal},
    service,
};

/// The error code of a payment that moved money and will not be delivered.
const PAYMENT_OWED: &str = "payment_owed";

/// What a response says of a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum PaymentOutcome {
    /// Paid and delivered.
    Settled(PurchaseReceipt),
    /// Paid and not delivered. The same signed request gets it without a new charge.
    Undelivered {
        /// The service's message.
        message: String,
        /// The hash of the transaction.
        transaction: Option<String>,
    },
    /// Paid, and not delivered: the amount is owed to the customer.
    Owed(OwedPayment),
    /// The payment was refused. Nothing was charged, and the signature is of no more use.
    Refused {
        /// The service's message.
        message: String,
        /// The service's error code.
        code: Option<ErrorCode>,
        /// Whether the payer's balance is too low.
        too_little: bool,
        /// Whether the response is about this very payment. Otherwise it says nothing about an
        /// earlier copy of the request.
        proven: bool,
    },
    /// The outcome is open: send the request again.
    Open {
        /// What is known, for people.
        message: String,
    },
    /// The response says nothing about this payment. The request stays stored, and the customer can
    /// send it again.
    Unconfirmed {
        /// What is known, for people.
        message: String,
    },
}

impl PaymentOutcome {
    /// The outcome in view of earlier copies of the request: if one of them may have moved money
    /// (`was_open`), only a proven refusal ends the payment.
    #[must_use]
    pub fn after_earlier_copies(self, was_open: bool) -> Self {
        match self {
            // The reason may be that of a new payment, so that "pay again" would be wrong advice.
            Self::Refused { proven: false, .. } if was_open => Self::Unconfirmed {
                message: answer::UNCONFIRMED.to_owned(),
            },
            other => other,
        }
    }

    /// Whether this copy of the request may have moved money when the request is sent once more.
    pub fn leaves_open(&self) -> bool {
        matches!(
            self,
            Self::Open { .. } | Self::Undelivered { .. } | Self::Unconfirmed { .. }
        )
    }

    /// Whether money has moved.
    pub fn is_paid(&self) -> bool {
        matches!(
            self,
            Self::Settled(_) | Self::Undelivered { .. } | Self::Owed(_)
        )
    }

    /// The phase of the card after this outcome.
    pub fn into_phase(self, attempt: u32) -> PaymentPhase {
        match self {
            Self::Settled(receipt) => PaymentPhase::Settled(receipt),
            Self::Undelivered {
                message,
                transaction,
            } => PaymentPhase::Undelivered {
                message,
                transaction,
            },
            Self::Owed(owed) => PaymentPhase::Owed(owed),
            Self::Refused {
                message,
                code,
                too_little,
                ..
            } => PaymentPhase::Refused {
                message,
                code,
                too_little,
            },
            Self::Open { message } => PaymentPhase::Unknown { message, attempt },
            Self::Unconfirmed { message } => PaymentPhase::Unconfirmed {
                message,
                expired: false,
            },
        }
    }
}

/// Reads the lease API's response: status, body and the receipt header, if there was one.
pub fn from_response(status: u16, body: Value, receipt: Option<WireReceipt>) -> PaymentOutcome {
    match status {
        202 => PaymentOutcome::Open {
            message: text(&body, "message").unwrap_or_else(|| answer::NOT_KNOWN.into()),
        },
        200..=299 => PaymentOutcome::Settled(read_receipt(receipt, body)),
        402 => {
            // A challenge names no payment. A receipt of a refusal is about the payment that was
            // sent.
            let proven = receipt.as_ref().is_some_and(|receipt| !receipt.success);
            let reason = receipt.and_then(|receipt| receipt.error_reason);
            let reason = reason.or_else(|| text(&body, "error")).unwrap_or_default();
            refused_for(&reason, proven)
        }
        _ => match ServiceError::read(&body) {
            Some(error) => error.outcome(receipt),
            None if status < 500 => PaymentOutcome::Unconfirmed {
                message: service::refused(status),
            },
            None => PaymentOutcome::Open {
                message: service::broke_off(status),
            },
        },
    }
}

/// An error of the service. Its code is a text, because a later version of the service may have
/// codes that are not known here.
struct ServiceError {
    code: String,
    message: String,
    details: Value,
}

impl ServiceError {
    fn read(body: &Value) -> Option<Self> {
        let error = body.get("error")?;
        Some(Self {
            code: text(error, "code")?,
            message: text(error, "message")?,
            details: error.get("details").cloned().unwrap_or_default(),
        })
    }

    fn outcome(self, receipt: Option<WireReceipt>) -> PaymentOutcome {
        if self.code == PAYMENT_OWED {
            return self.owed();
        }
        if let Some(receipt) = receipt.filter(|receipt| receipt.success) {
            return PaymentOutcome::Undelivered {
                message: self.message,
                transaction: Some(receipt.transaction),
            };
        }
        match serde_json::from_value(Value::String(self.code.clone())) {
            Ok(code) => self.without_receipt(code),
            Err(_) => PaymentOutcome::Unconfirmed {
                message: self.message,
            },
        }
    }

    fn without_receipt(self, code: ErrorCode) -> PaymentOutcome {
        let message = self.message.clone();
        let refused = |proven| PaymentOutcome::Refused {
            message: message.clone(),
            code: Some(code),
            too_little: false,
            proven,
        };
        match code {
            ErrorCode::PaymentReplayed => match text(&self.details, "state").as_deref() {
                // Only the holder of the idempotency key gets the answer; that the payment settled
                // is public.
                Some("settled") => PaymentOutcome::Settled(PurchaseReceipt {
                    transaction: text(&self.details, "transaction"),
                    explorer_url: None,
                    network: None,
                    result: Value::Null,
                }),
                Some("owed") => self.owed(),
                Some("refused" | "released") => refused(true),
                Some(_) => PaymentOutcome::Unconfirmed { message },
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
            | ErrorCode::Internal => PaymentOutcome::Open { message },
            // These come before a lease is settled, and only if this payment is not known to have
            // moved money.
            ErrorCode::ProvisioningFailed
            | ErrorCode::CapacityExhausted
            | ErrorCode::LeaseLimitReached => refused(true),
            _ => refused(false),
        }
    }

    fn owed(self) -> PaymentOutcome {
        let amount = self.details.get("amount").cloned().unwrap_or_default();
        PaymentOutcome::Owed(OwedPayment {
            message: self.message,
            payment_id: text(&self.details, "paymentId"),
            amount: serde_json::from_value::<Usdc>(amount).ok(),
            reason: text(&self.details, "reason"),
        })
    }
}

/// Reads an error without a receipt.
pub fn from_error(error: &ErrorBody) -> PaymentOutcome {
    let error = ServiceError {
        code: error.code.as_str().to_owned(),
        message: error.message.clone(),
        details: serde_json::to_value(&error.details).unwrap_or_default(),
    };
    error.outcome(None)
}

/// Reads the lease API's error as the agent passes it on: code and details in the body, the message
/// beside it. None if the body has no code.
pub fn from_agent_error(
    body: &Value,
    message: &str,
    receipt: Option<WireReceipt>,
) -> Option<PaymentOutcome> {
    let error = body.get("error")?;
    let error = ServiceError {
        code: text(error, "code")?,
        message: message.to_owned(),
        details: error.get("details").cloned().unwrap_or_default(),
    };
    Some(error.outcome(receipt))
}

/// The outcome when the service sends a new challenge with this reason instead of taking the
/// payment.
pub fn from_challenge(reason: &str) -> PaymentOutcome {
    refused_for(reason, false)
}

fn refused_for(reason: &str, proven: bool) -> PaymentOutcome {
    PaymentOutcome::Refused {
        message: refusal_reason::message(reason).unwrap_or_else(|| refusal::NOT_TAKEN.to_owned()),
        code: Some(ErrorCode::PaymentRefused),
        too_little: refusal_reason::is_too_little(reason),
        proven: proven && !refusal_reason::may_follow_a_transfer(reason),
    }
}

/// What the state in the wallet's list of payments says: none while it is not decided.
pub fn from_listed_state(
    state: &str,
    transaction: Option<String>,
    amount: Usdc,
) -> Option<PaymentOutcome> {
    match state {
        "settled" => Some(PaymentOutcome::Settled(PurchaseReceipt {
            transaction,
            explorer_url: None,
            network: None,
            result: Value::Null,
        })),
        "owed" => Some(PaymentOutcome::Owed(OwedPayment {
            message: answer::OWED.to_owned(),
            payment_id: None,
            amount: Some(amount),
            reason: None,
        })),
        "refused" | "released" => Some(refused_for("", true)),
        _ => None,
    }
}

/// Reads a receipt for the customer.
pub fn read_receipt(receipt: Option<WireReceipt>, result: Value) -> PurchaseReceipt {
    let network = receipt.as_ref().map(|receipt| receipt.network.clone());
    let transaction = receipt
        .map(|receipt| receipt.transaction)
        .filter(|transaction| !transaction.is_empty());
    PurchaseReceipt {
        explorer_url: explorer_url(network.as_deref(), transaction.as_deref()),
        transaction,
        network,
        result,
    }
}

/// The transaction's page on the block explorer; none if the transaction is not on a chain.
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
