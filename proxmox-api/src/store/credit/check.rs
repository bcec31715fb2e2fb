//! What has to hold between the ledger, what wallets have, holds, keys and payments.

use super::{
    super::{Store, StoreError},
    values,
};

/// What customers have paid in and not spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreditTotals {
    /// Atomic units.
    pub liability: u64,
    /// How much of it is held for calls that are not over.
    pub held: u64,
}

/// Two records of the same money that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditFault {
    /// What differs, as a short word.
    pub what: String,
    /// Of which wallet, key or payment.
    pub subject: String,
    /// What it has to be, in atomic units.
    pub expected: i64,
    /// What it is.
    pub found: i64,
}

/// Faults, at most ?1. One statement, so that it sees one moment.
pub(in crate::store) const FAULTS: &str = "SELECT what, subject, expected, found FROM (
     SELECT 'balance' AS what, accounts.account AS subject, CAST(coalesce(moved.amount, 0) AS BIGINT) AS expected,
         coalesce(credit.balance, 0) AS found
     FROM (SELECT 'wallet:' || wallet AS account FROM credit
         UNION SELECT to_account FROM ledger WHERE to_account LIKE 'wallet:%'
         UNION SELECT from_account FROM ledger WHERE from_account LIKE 'wallet:%') AS accounts
     LEFT JOIN credit ON 'wallet:' || credit.wallet = accounts.account
     LEFT JOIN (SELECT account, sum(amount) AS amount FROM (
             SELECT to_account AS account, amount FROM ledger
             UNION ALL SELECT from_account, -amount FROM ledger) AS movements GROUP BY account) AS moved
         ON moved.account = accounts.account
     UNION ALL
     SELECT 'held', credit.wallet, CAST(coalesce(sum(holds.amount), 0) AS BIGINT), credit.held
     FROM credit LEFT JOIN holds ON holds.wallet = credit.wallet AND holds.state = 'held'
     GROUP BY credit.wallet, credit.held
     UNION ALL
     SELECT 'key_spent', api_keys.key_id, CAST(coalesce(charged.amount, 0) AS BIGINT), api_keys.spent
     FROM api_keys LEFT JOIN (SELECT key_id, sum(amount) AS amount FROM ledger WHERE kind = 'charge' GROUP BY key_id)
         AS charged ON charged.key_id = api_keys.key_id
     UNION ALL
     SELECT 'key_held', api_keys.key_id, CAST(coalesce(sum(holds.amount), 0) AS BIGINT), api_keys.held
     FROM api_keys LEFT JOIN holds ON holds.key_id = api_keys.key_id AND holds.state = 'held'
     GROUP BY api_keys.key_id, api_keys.held
     UNION ALL
     SELECT 'key_day', api_keys.key_id, CAST(coalesce(of_day.amount, 0) AS BIGINT), api_keys.day_spent
     FROM api_keys LEFT JOIN (SELECT key_id, day, sum(amount) AS amount FROM holds WHERE state <> 'released'
         GROUP BY key_id, day) AS of_day ON of_day.key_id = api_keys.key_id AND of_day.day = api_keys.day
     UNION ALL
     SELECT 'hold', holds.payment_id,
         CASE WHEN payments.state IN ('reserved', 'verified') THEN 0 WHEN payments.state = 'answered' THEN 1
             WHEN payments.state = 'released' THEN 2 ELSE 3 END,
         CASE holds.state WHEN 'held' THEN 0 WHEN 'captured' THEN 1 ELSE 2 END
     FROM holds JOIN payments USING (payment_id)
     UNION ALL
     SELECT 'charge', holds.payment_id, CASE WHEN holds.state = 'captured' THEN holds.amount ELSE 0 END,
         coalesce(ledger.amount, 0)
     FROM holds LEFT JOIN ledger ON ledger.kind = 'charge' AND ledger.ref = holds.payment_id
 ) AS compared WHERE expected <> found LIMIT ?1";

impl Store {
    /// Compares the ledger with all that is derived from it: the faults, at most a hundred. It goes
    /// through everything that was ever sold, so it is for an operator.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credit_faults(&self) -> Result<Vec<CreditFault>, StoreError> {
        self.read(|db| {
            db.all(FAULTS, values![100_u32], |row| {
                Ok(CreditFault {
                    what: row.get("what")?,
                    subject: row.get("subject")?,
                    expected: row.get("expected")?,
                    found: row.get("found")?,
                })
            })
        })
        .await
    }

    /// What customers have in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credit_totals(&self) -> Result<CreditTotals, StoreError> {
        let sql = "SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) AS liability,
                 CAST(coalesce(sum(held), 0) AS BIGINT) AS held FROM credit WHERE balance > 0";
        self.read(move |db| {
            db.one(sql, &[], |row| {
                Ok(CreditTotals {
                    liability: row.get("liability")?,
                    held: row.get("held")?,
                })
            })
        })
        .await
    }
}
