//! Bodies of `POST /demo/faucet`, which exists where payments are simulated.

use serde::{Deserialize, Serialize};

use crate::money::Usdc;

/// Who wants play money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FaucetRequest {
    /// The account, `0x` and 40 hexadecimal digits.
    pub address: String,
}

/// What the account has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FaucetResponse {
    /// Play money.
    pub balance: Usdc,
}
