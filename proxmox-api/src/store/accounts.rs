//! The accounts between which the ledger moves money.

use crate::ids::Wallet;

/// The account of what was sold.
pub(super) const SALES: &str = "sales";

/// The account of a wallet.
pub(super) fn account_of(wallet: &Wallet) -> String {
    format!("wallet:{wallet}")
}
