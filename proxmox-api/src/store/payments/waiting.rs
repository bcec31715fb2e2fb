//! Payments with something left to do, for the sweep and the operator.

use super::{
    Payment, PaymentSummary, Store, StoreError,
    record::{COLUMNS, SUMMARY, read_payment, read_summary},
    values,
};
use crate::{
    ids::{PaymentId, Wallet},
    store::LISTED,
};

impl Store {
    /// Unresolved payments, oldest first, at most [`LISTED`].
    /// # Errors
    /// The database failed.
    pub async fn unresolved_payments(&self) -> Result<Vec<PaymentSummary>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT {SUMMARY} FROM payments WHERE state = 'unresolved' ORDER BY created_at LIMIT {LISTED}"
            );
            db.all(&sql, &[], read_summary)
        })
        .await
    }

    /// The payer of a payment, and its network.
    /// # Errors
    /// The database failed.
    pub async fn payer_of(&self, id: &PaymentId) -> Result<Option<(Wallet, String)>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = "SELECT payer, network FROM payments WHERE payment_id = ?1";
            db.optional(sql, values![id], |row| {
                Ok((row.get("payer")?, row.get("network")?))
            })
        })
        .await
    }

    /// Unresolved payments that were not checked since `before`, those first that have waited longest.
    /// # Errors
    /// The database failed.
    pub async fn unresolved_to_look_for(&self, before: i64) -> Result<Vec<Payment>, StoreError> {
        self.read(move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM payments
                 WHERE state = 'unresolved' AND coalesce(checked_at, updated_at) <= ?1
                 ORDER BY coalesce(checked_at, updated_at) LIMIT 100"
            );
            db.all(&sql, values![before], read_payment)
        })
        .await
    }

    /// Refused payments whose window ended before `before` and that were not checked on the chain since, at most a hundred.
    /// # Errors
    /// The database failed.
    pub async fn refusals_to_check(&self, before: i64) -> Result<Vec<Payment>, StoreError> {
        self.read(move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM payments
                 WHERE state = 'refused' AND checked_at IS NULL AND request <> '' AND valid_before <= ?1
                 ORDER BY valid_before LIMIT 100"
            );
            db.all(&sql, values![before], read_payment)
        })
        .await
    }

    /// Payments that settled before `before` and whose transfer was not checked on the chain since, at most a hundred.
    /// # Errors
    /// The database failed.
    pub async fn transfers_to_check(&self, before: i64) -> Result<Vec<Payment>, StoreError> {
        self.read(move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM payments
                 WHERE state IN ('settled', 'answered') AND checked_at IS NULL AND request <> ''
                   AND transaction_hash IS NOT NULL AND updated_at <= ?1
                 ORDER BY updated_at LIMIT 100"
            );
            db.all(&sql, values![before], read_payment)
        })
        .await
    }

    /// Payments that a start-up has to resume, reconcile or release, oldest first.
    /// # Errors
    /// The database failed.
    pub async fn unfinished_payments(&self) -> Result<Vec<Payment>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM payments
                 WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown') ORDER BY created_at"
            );
            db.all(&sql, &[], read_payment)
        })
        .await
    }
}
