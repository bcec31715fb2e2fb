//! The answer of `GET /payments`: what a wallet has paid, and what became of each payment.

use serde::{Deserialize, Serialize};

use crate::{money::Usdc, time::Timestamp};

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Seen and set aside for one request; no money has moved.
    Reserved,
    /// Accepted by the facilitator; no money has moved.
    Verified,
    /// Given back unused; no money has moved.
    Released,
    /// Sent to be settled.
    Settling,
    /// It is not yet known whether money has moved.
    Reconciling,
    /// It could not be learnt whether money has moved; the operator decides. Do not pay again.
    Unresolved,
    /// Money has moved.
    Settled,
    /// Money has moved for something that could not be delivered; it is owed to the payer.
    Owed,
    /// Settlement was refused; no money has moved.
    Refused,
}

impl PaymentState {
    /// Whether nothing further will happen to the payment.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Released | Self::Settled | Self::Refused)
    }
}

/// A payment as its payer sees it. The signature is not part of it.
// Clients may read the state as a `String`: a state that a later service adds then does not hide
// the other payments. The name of the schema does not tell the type of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PaymentView"))]
#[serde(rename_all = "camelCase")]
pub struct PaymentView<State = PaymentState> {
    /// The id of the payment.
    pub payment_id: String,
    /// Where it is.
    pub state: State,
    /// What it was for: method and path.
    pub operation: String,
    /// How much.
    pub amount: Usdc,
    /// The network it is on.
    pub network: String,
    /// The contract address of the token.
    pub asset: String,
    /// The wallet that pays.
    pub payer: String,
    /// The address that is paid.
    pub pay_to: String,
    /// The EIP-3009 nonce, `0x` and 64 hexadecimal digits.
    pub nonce: String,
    /// The hash of the settling transaction, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Where the transaction can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explorer_url: Option<String>,
    /// What is owed of it to the payer and not given back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Usdc>,
    /// The lease it belongs to, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
    /// Why it was refused or released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// The answer of `GET /payments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PaymentsResponse"))]
#[serde(rename_all = "camelCase")]
pub struct PaymentsResponse<State = PaymentState> {
    /// The wallet's payments, the youngest first.
    pub payments: Vec<PaymentView<State>>,
    /// What to send as `before` for the page after this one; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_shows_what_it_was_for_and_what_became_of_it() {
        let body = serde_json::json!({"payments": [{
            "paymentId": "p-1", "state": "settled", "operation": "POST /lease/container", "amount": "10000",
            "network": "base-sepolia", "asset": "0x036C", "payer": "0xf39F", "payTo": "0x7099", "nonce": "0x01",
            "transaction": "0x02", "explorerUrl": "https://sepolia.basescan.org/tx/0x02", "leaseId": "l-1",
            "createdAt": "2026-01-01T00:00:00Z", "settledAt": "2026-01-01T00:00:05Z",
        }]});
        let payments: PaymentsResponse = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(payments.payments[0].amount, Usdc(10_000));
        assert!(payments.payments[0].state.is_final());
        assert_eq!(serde_json::to_value(&payments).unwrap(), body);
    }

    #[test]
    fn a_payment_that_may_have_moved_money_is_not_final() {
        assert!(!PaymentState::Settling.is_final());
        assert!(!PaymentState::Reconciling.is_final());
        assert!(!PaymentState::Unresolved.is_final());
        assert!(!PaymentState::Owed.is_final());
    }
}
