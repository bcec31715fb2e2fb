//! Bodies of `POST /demo/faucet` and `GET /demo/balance`, which exist where payments are simulated.

use serde::{Deserialize, Serialize};

use crate::money::Usdc;

/// Whose play money it is about.
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
