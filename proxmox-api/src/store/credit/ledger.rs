//! The ledger: one row is one movement between two accounts, made once for what it is for.

use api_types::CreditEntryKind;

use super::{
    super::{
        Store, StoreError,
        accounts::account_of,
        change_lock::ChangeLock,
        signed,
        sql::{Row, owned_values},
    },
    Credit, Db, credit_to_change,
    keys::{self, NewApiKey},
    values,
};
use crate::ids::{KeyId, LeaseId, PaymentId, Wallet};

/// A movement as its wallet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Later movements have larger ids.
    pub entry_id: u64,
    /// Unix seconds.
    pub at: i64,
    /// Why it was made.
    pub kind: CreditEntryKind,
    /// Whether it added to the wallet's credit.
    pub adds: bool,
    /// Atomic units.
    pub amount: u64,
    /// What it was for.
    pub reference: String,
    /// The key that spent it.
    pub key_id: Option<KeyId>,
    /// The lease that it was for.
    pub lease_id: Option<LeaseId>,
}

/// Money that a wallet paid in.
#[derive(Debug, Clone)]
pub struct TopUp {
    /// The payment that brought it.
    pub payment_id: PaymentId,
    /// The wallet that paid.
    pub wallet: Wallet,
    /// Atomic units.
    pub amount: u64,
    /// CAIP-2 id of the network that it came from.
    pub network: String,
    /// Candidates for a key to be made with it: the first whose id is not taken.
    pub keys: Vec<NewApiKey>,
}

/// A top-up that is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUpOutcome {
    /// The movement.
    pub entry_id: u64,
    /// What the wallet has after it.
    pub balance: u64,
    /// The key that was made with it.
    pub key_id: Option<KeyId>,
}

/// A movement to a wallet.
pub(super) struct Gift<'a> {
    pub(super) kind: CreditEntryKind,
    pub(super) reference: &'a str,
    pub(super) from: &'a str,
    pub(super) wallet: &'a Wallet,
    pub(super) amount: u64,
    pub(super) lease_id: Option<&'a LeaseId>,
}

/// Adds to a wallet's credit, once for each kind and reference. The id of the movement, which may be
/// that of an earlier one; `None` if nothing moved because of that.
pub(super) fn give(db: Db<'_>, gift: &Gift<'_>, now: i64) -> Result<Option<u64>, StoreError> {
    let (amount, account) = (signed(gift.amount)?, account_of(gift.wallet));
    let lease_id = gift.lease_id.map(LeaseId::as_str);
    let made = db.optional(
        "INSERT INTO ledger (at, amount, from_account, to_account, kind, ref, lease_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, ref) DO NOTHING RETURNING entry_id",
        values![
            now,
            amount,
            gift.from,
            account,
            gift.kind.as_str(),
            gift.reference,
            lease_id
        ],
        |row| row.get("entry_id"),
    )?;
    if made.is_some() {
        db.execute(
            "INSERT INTO credit (wallet, balance, held) VALUES (?1, ?2, 0)
             ON CONFLICT (wallet) DO UPDATE SET balance = credit.balance + excluded.balance",
            values![gift.wallet, amount],
        )?;
    }
    Ok(made)
}

/// The movements of an account before the entry ?2, youngest first, at most ?3.
const PAGE: &str = "SELECT entry_id, at, kind, amount, ref, key_id, lease_id, adds FROM (
         SELECT * FROM (SELECT entry_id, at, kind, amount, ref, key_id, lease_id, CAST(1 AS BIGINT) AS adds FROM ledger
             WHERE to_account = ?1 AND entry_id < ?2 ORDER BY entry_id DESC LIMIT ?3) AS added
         UNION ALL
         SELECT * FROM (SELECT entry_id, at, kind, amount, ref, key_id, lease_id, CAST(0 AS BIGINT) AS adds FROM ledger
             WHERE from_account = ?1 AND entry_id < ?2 ORDER BY entry_id DESC LIMIT ?3) AS taken
     ) AS both_ways ORDER BY entry_id DESC LIMIT ?3";

fn read_entry(row: &Row<'_>) -> Result<LedgerEntry, StoreError> {
    let kind: String = row.get("kind")?;
    let key_id: Option<String> = row.get("key_id")?;
    let adds: i64 = row.get("adds")?;
    Ok(LedgerEntry {
        entry_id: row.get("entry_id")?,
        at: row.get("at")?,
        kind: CreditEntryKind::parse(&kind).ok_or(StoreError::Unreadable("kind"))?,
        adds: adds == 1,
        amount: row.get("amount")?,
        reference: row.get("ref")?,
        key_id: key_id.map(KeyId::from),
        lease_id: row.get("lease_id")?,
    })
}

impl Store {
    /// Adds a top-up to its wallet's credit and makes its key. A second call for the same payment
    /// changes nothing and says what the first did.
    ///
    /// # Errors
    /// The amount is out of range, or the database failed.
    pub async fn top_up(&self, top_up: TopUp, now: i64) -> Result<TopUpOutcome, StoreError> {
        let lock = ChangeLock::Wallet(top_up.wallet.to_string());
        self.write(lock, move |db| {
            let from = format!("chain:{}", top_up.network);
            let gift = Gift {
                kind: CreditEntryKind::TopUp,
                reference: &top_up.payment_id,
                from: &from,
                wallet: &top_up.wallet,
                amount: top_up.amount,
                lease_id: None,
            };
            let entry_id = match give(db, &gift, now)? {
                Some(entry_id) => {
                    for key in &top_up.keys {
                        if keys::insert(db, key, now)? {
                            break;
                        }
                    }
                    entry_id
                }
                None => db.one(
                    "SELECT entry_id FROM ledger WHERE kind = 'top_up' AND ref = ?1",
                    values![top_up.payment_id],
                    |row| row.get("entry_id"),
                )?,
            };
            let Credit { balance, .. } = credit_to_change(db, &top_up.wallet)?;
            let mut key_id = None;
            for key in &top_up.keys {
                let sql = "SELECT 1 FROM api_keys WHERE key_id = ?1 AND key_hash = ?2";
                if key_id.is_none() && db.exists(sql, values![key.key_id, key.key_hash])? {
                    key_id = Some(key.key_id.clone());
                }
            }
            Ok(TopUpOutcome {
                entry_id,
                balance,
                key_id,
            })
        })
        .await
    }

    /// What a wallet topped up since a moment, in atomic units.
    ///
    /// # Errors
    /// The database failed.
    pub async fn topped_up_since(&self, wallet: &Wallet, since: i64) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) AS amount FROM ledger
             WHERE kind = 'top_up' AND to_account = ?1 AND at >= ?2";
        let values = owned_values![account_of(wallet), since];
        let found = self.query(sql, values, |row| row.get("amount")).await?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// The sum of a wallet's payments whose money may still move, in atomic units.
    ///
    /// # Errors
    /// The database failed.
    pub async fn waiting_of(&self, wallet: &Wallet) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) AS amount FROM payments
             WHERE payer = ?1 AND state IN ('reserved', 'verified', 'settling', 'unknown')";
        let values = owned_values![wallet];
        let found = self.query(sql, values, |row| row.get("amount")).await?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// Movements of a wallet's credit, youngest first, at most `limit`; with `before`, only earlier
    /// ones than that entry.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credit_entries(
        &self,
        wallet: &Wallet,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let values = owned_values![account_of(wallet), before, limit];
        self.query(PAGE, values, read_entry).await
    }

    /// What a wallet spent since a moment, in atomic units.
    ///
    /// # Errors
    /// The database failed.
    pub async fn spent_since(&self, wallet: &Wallet, since: i64) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) AS amount FROM ledger
             WHERE kind = 'charge' AND from_account = ?1 AND at >= ?2";
        let values = owned_values![account_of(wallet), since];
        let found = self.query(sql, values, |row| row.get("amount")).await?;
        Ok(found.first().copied().unwrap_or(0))
    }
}
