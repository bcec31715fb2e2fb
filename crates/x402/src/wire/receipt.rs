//! The answer of a settlement, in a response header and from a facilitator.

use serde::{Deserialize, Serialize};

use super::Rest;

/// What `X-PAYMENT-RESPONSE` and `PAYMENT-RESPONSE` carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Whether the money moved.
    pub success: bool,
    /// The SDKs' string, on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Always a string, empty where there is no transaction: clients refuse a receipt without it.
    #[serde(default)]
    pub transaction: String,
    /// In the spelling of the payload's version.
    pub network: String,
    /// Who paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}
