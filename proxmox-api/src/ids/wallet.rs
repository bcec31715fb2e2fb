//! A customer's account on the chain.

use std::{fmt, str::FromStr};

use alloy::primitives::Address;
use serde::Serialize;

/// A wallet's address. Its text is lower case, because it is stored and compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Wallet(String);

/// The text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no wallet's address")]
pub struct NoWallet;

impl Wallet {
    /// A publicly known development account, for the OpenAPI document.
    pub const EXAMPLE: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    /// The text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as people write it (EIP-55).
    pub fn checksummed(&self) -> String {
        let address: Address = self.0.parse().expect("it was made from an address");
        address.to_checksum(None)
    }
}

impl From<Address> for Wallet {
    fn from(address: Address) -> Self {
        Self(format!("{address:#x}"))
    }
}

impl FromStr for Wallet {
    type Err = NoWallet;

    /// Reads an address in any case.
    fn from_str(text: &str) -> Result<Self, NoWallet> {
        let address: Address = text.parse().map_err(|_| NoWallet)?;
        Ok(address.into())
    }
}

impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_the_same_wallet() {
        let checksummed = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        let wallet: Wallet = checksummed.parse().unwrap();
        let lower = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
        assert_eq!(wallet.as_str(), lower);
        assert_eq!(wallet.checksummed(), checksummed);
        for spelling in [lower.to_owned(), lower.to_uppercase().replace("0X", "0x")] {
            assert_eq!(spelling.parse(), Ok(wallet.clone()), "{spelling}");
        }
        for none in [
            "",
            "0x",
            "0xaa",
            "alice",
            "0xzz9fd6e51aad88f6f4ce6ab8827279cfffb92266",
        ] {
            assert_eq!(none.parse::<Wallet>(), Err(NoWallet), "{none}");
        }
    }
}
