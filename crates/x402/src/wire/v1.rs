//! Version 1: the challenge is the body of the 402, the payment is in `X-PAYMENT`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Rest, exact::ExactPayload};

/// The JSON body of a 402.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirementsResponse {
    /// Always 1.
    pub x402_version: u32,
    /// Why the request was refused.
    #[serde(default)]
    pub error: String,
    /// The ways to pay. Clients refuse the whole list if they do not know one entry.
    pub accepts: Vec<PaymentRequirements>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// `exact`.
    pub scheme: String,
    /// The network's name, for instance `base-sepolia`.
    pub network: String,
    /// Atomic units, decimal.
    pub max_amount_required: String,
    /// The absolute URL of the paid resource.
    pub resource: String,
    /// The description for people.
    pub description: String,
    /// The MIME type of the response. Clients refuse a challenge without it.
    pub mime_type: String,
    /// The payee.
    pub pay_to: String,
    /// Seconds from signing to settlement.
    pub max_timeout_seconds: u64,
    /// The token contract.
    pub asset: String,
    /// Never `null`, because one client refuses that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The token's EIP-712 name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Value>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The content of `X-PAYMENT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 1.
    pub x402_version: u32,
    /// The chosen scheme.
    pub scheme: String,
    /// The chosen network.
    pub network: String,
    /// The signed authorization.
    pub payload: ExactPayload,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}
