//! A payment as the lease API lists it.

use api_types::{Timestamp, Usdc};
use serde::{Deserialize, Serialize};

/// A payment in the list of the wallet's payments. The state is a text, so that one state that a
/// later service adds does not hide the other payments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedPayment {
    /// The id of the payment.
    pub payment_id: String,
    /// The state of the payment.
    pub state: String,
    /// Method and path of the operation that was paid for.
    pub operation: String,
    /// The amount, in atomic USDC.
    pub amount: Usdc,
    /// The network of the payment.
    pub network: String,
    /// The contract address of the token.
    pub asset: String,
    /// The wallet that pays.
    pub payer: String,
    /// The address that is paid.
    pub pay_to: String,
    /// The nonce of its signature.
    pub nonce: String,
    /// The hash of the settling transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The transaction's page on the block explorer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explorer_url: Option<String>,
    /// The lease that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
    /// Why it was refused, released or is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the service first saw it.
    pub created_at: Timestamp,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}
