//! Version 2: the challenge goes in `PAYMENT-REQUIRED`, the payment in `PAYMENT-SIGNATURE`.

use serde::{Deserialize, Serialize};

use super::{Rest, exact::ExactPayload};

/// What `PAYMENT-REQUIRED` carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 2.
    pub x402_version: u32,
    /// Why there is no access yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is paid for.
    pub resource: ResourceInfo,
    /// The ways to pay.
    pub accepts: Vec<PaymentRequirements>,
    /// What the server offers beside payment; the client echoes it.
    #[serde(default)]
    pub extensions: Rest,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What is paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// Absolute URL.
    pub url: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// `serviceName`, `tags`, `iconUrl` and what else may come.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One way to pay, and, echoed as `accepted`, the way chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// `exact`.
    pub scheme: String,
    /// CAIP-2.
    pub network: String,
    /// Atomic units, decimal.
    pub amount: String,
    /// The token contract.
    pub asset: String,
    /// Who is paid.
    pub pay_to: String,
    /// Seconds from signing to settlement.
    pub max_timeout_seconds: u64,
    /// The token's EIP-712 name and version, the payment flow, and what a client adds.
    #[serde(default)]
    pub extra: Rest,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What `PAYMENT-SIGNATURE` carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 2.
    pub x402_version: u32,
    /// What is paid for, as the client understood it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceInfo>,
    /// The requirement chosen, whole.
    pub accepted: PaymentRequirements,
    /// The signed authorization.
    pub payload: ExactPayload,
    /// The server's extensions, echoed and perhaps added to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Rest>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}
