//! Version 1: the challenge is the body of the 402, the payment goes in `X-PAYMENT`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Rest, exact::ExactPayload};

/// The JSON body of a 402.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirementsResponse {
    /// Always 1.
    pub x402_version: u32,
    /// Why there is no access yet.
    #[serde(default)]
    pub error: String,
    /// The ways to pay; clients refuse the whole list for one entry that they do not know.
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
    /// `base-sepolia` and the like.
    pub network: String,
    /// Atomic units, decimal.
    pub max_amount_required: String,
    /// Absolute URL of what is paid for.
    pub resource: String,
    /// For people.
    pub description: String,
    /// Of the answer; clients refuse a challenge without it.
    pub mime_type: String,
    /// Who is paid.
    pub pay_to: String,
    /// Seconds from signing to settlement.
    pub max_timeout_seconds: u64,
    /// The token contract.
    pub asset: String,
    /// Never `null`: one client refuses that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The token's EIP-712 name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Value>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What `X-PAYMENT` carries.
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
