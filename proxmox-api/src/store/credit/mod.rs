//! Credit: what wallets paid in ahead. The [`ledger`] has every movement of it, the table `credit`
//! what each wallet has by the ledger. [`reserving`] holds the price of a call with its
//! payment (`holds` has the statements); [`keys`] are the API keys that may spend it; [`returns`] gives
//! back what was paid and not used; [`check`] compares all of it.

mod check;
mod keys;
mod ledger;
mod reserving;
pub(super) mod returns;

use super::{
    Db, Store, StoreError,
    sql::{Row, owned_values},
    values,
};
use crate::ids::Wallet;
pub use check::{CreditFault, CreditTotals};
pub use keys::{ApiKey, KeyEdit, KeyLimit, NewApiKey};
pub use ledger::{LedgerEntry, TopUp, TopUpOutcome};
pub use reserving::{CreditReservation, HoldRefusal};
pub use returns::{EarlyEnd, ReturnRules};

/// What a wallet has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    /// By the ledger, in atomic units.
    pub balance: u64,
    /// How much of it is held for calls that are not over.
    pub held: u64,
}

impl Credit {
    /// What can be spent now.
    pub fn available(self) -> u64 {
        self.balance.saturating_sub(self.held)
    }
}

const OF_WALLET: &str = "SELECT balance, held FROM credit WHERE wallet = ?1";

fn read_credit(row: &Row<'_>) -> Result<Credit, StoreError> {
    Ok(Credit {
        balance: row.get("balance")?,
        held: row.get("held")?,
    })
}

/// The credit of a wallet, locked until the change is committed.
fn credit_to_change(db: Db<'_>, wallet: &Wallet) -> Result<Credit, StoreError> {
    let sql = format!("{OF_WALLET}{}", db.and_hold());
    let found = db.optional(&sql, values![wallet], read_credit)?;
    Ok(found.unwrap_or_default())
}

impl Store {
    /// The credit of a wallet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credit_of(&self, wallet: &Wallet) -> Result<Credit, StoreError> {
        let found = self.query(OF_WALLET, owned_values![wallet], read_credit);
        Ok(found.await?.first().copied().unwrap_or_default())
    }
}
