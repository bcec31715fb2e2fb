//! The answer of `POST /lease/quote`: what the same body would cost at `/lease/container`, and what
//! would be refused.

use serde::{Deserialize, Serialize};

use crate::{
    error::{ErrorCode, FieldError},
    price::Price,
    time::Timestamp,
};

/// A price without an obligation. A quote with refusals would not be charged, but refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuoteResponse {
    /// Whether the lease would be attempted.
    pub acceptable: bool,
    /// What it costs; absent when the fields are so far off that it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The network it would be paid on.
    pub network: String,
    /// The contract address of the token it would be paid in.
    pub asset: String,
    /// Until when this price is honoured.
    pub valid_until: Timestamp,
    /// Bytes that the container may send in that time; absent where there is no limit.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_traffic: Option<u64>,
    /// Every field that would be refused.
    #[serde(default)]
    pub field_errors: Vec<FieldError>,
    /// What else stands against it, such as a lack of capacity.
    #[serde(default)]
    pub refusals: Vec<ErrorCode>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_says_what_would_be_refused() {
        let body = serde_json::json!({
            "acceptable": false,
            "price": {"total": "10000", "lines": []},
            "network": "base-sepolia",
            "asset": "0x036C",
            "validUntil": "2026-01-01T00:05:00Z",
            "includedTraffic": 21_474_836_480_u64,
            "fieldErrors": [{"field": "cores", "message": "has to be from 1 to 8"}],
            "refusals": ["capacity_exhausted"],
        });
        let quote: QuoteResponse = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(quote.refusals, [ErrorCode::CapacityExhausted]);
        assert_eq!(serde_json::to_value(&quote).unwrap(), body);
    }
}
