//! Version 2: the challenge is in `PAYMENT-REQUIRED`, the payment in `PAYMENT-SIGNATURE`.

use serde::{Deserialize, Serialize};

use super::{Rest, exact::ExactPayload};

/// The content of `PAYMENT-REQUIRED`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 2.
    pub x402_version: u32,
    /// Why the request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The paid resource.
    pub resource: ResourceInfo,
    /// The ways to pay.
    pub accepts: Vec<PaymentRequirements>,
    /// The server's extensions, which the client echoes.
    #[serde(default)]
    pub extensions: Rest,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The paid resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// Absolute URL.
    pub url: String,
    /// The description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The MIME type of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// `serviceName`, `tags`, `iconUrl` and other members.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One way to pay; the client echoes the chosen one as `accepted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// `exact`.
    pub scheme: String,
    /// The network's CAIP-2 id.
    pub network: String,
    /// Atomic units, decimal.
    pub amount: String,
    /// The token contract.
    pub asset: String,
    /// The payee.
    pub pay_to: String,
    /// Seconds from signing to settlement.
    pub max_timeout_seconds: u64,
    /// The token's EIP-712 name and version, the payment flow, and members that a client adds.
    #[serde(default)]
    pub extra: Rest,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The content of `PAYMENT-SIGNATURE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 2.
    pub x402_version: u32,
    /// The paid resource, as the client read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceInfo>,
    /// The chosen way to pay, with all its members.
    pub accepted: PaymentRequirements,
    /// The signed authorization.
    pub payload: ExactPayload,
    /// The server's extensions, echoed and possibly with additions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Rest>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}
