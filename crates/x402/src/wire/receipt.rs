//! The result of a settlement, in a response header and from a facilitator.

use serde::{Deserialize, Serialize};

use super::Rest;

/// The content of `X-PAYMENT-RESPONSE` and `PAYMENT-RESPONSE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Whether the money moved.
    pub success: bool,
    /// The SDKs' error code, on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Always a string, empty if there is no transaction, because clients refuse a receipt without
    /// it.
    #[serde(default)]
    pub transaction: String,
    /// The network's name in the payload's version.
    pub network: String,
    /// The payer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}
