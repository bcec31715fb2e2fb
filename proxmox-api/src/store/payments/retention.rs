//! Retention: removes rows of released payments, and blanks the texts of payments that have ended.

use super::{super::change_lock::ChangeLock, Db, Store, StoreError, values};
use crate::ids::PaymentId;

/// Rows in one change, so that other writers need not wait for long.
const AT_A_TIME: u32 = 100;
/// Makes SQLite write a row anew. It merges nearly empty pages only when a row is removed from one,
/// so that the room of blanked columns would stay unused for ever.
const REWRITE_ROW: &str = ", rowid = rowid";
/// A request that is not needed any more: the chain was checked, or could not be checked for too
/// long.
const REQUEST_NO_LONGER_NEEDED: &str = "(request <> '' AND (payments.updated_at <= ?3
    OR NOT (checked_at IS NULL AND (payments.state = 'refused' OR transaction_hash IS NOT NULL))))";

impl Store {
    /// Removes payments that were released before `before`, and the leases of theirs that were
    /// never paid for. Says how many payments went; more may be left.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_released(&self, before: i64) -> Result<usize, StoreError> {
        self.write(ChangeLock::Named("retention"), move |db| {
            // Locked, since a released nonce may be reserved again at any time.
            let sql = format!(
                "SELECT payment_id FROM payments WHERE state = 'released' AND updated_at <= ?1
                   AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.payment_id = payments.payment_id
                       AND (leases.state <> 'destroyed' OR leases.expires_at IS NOT NULL))
                   AND NOT EXISTS (SELECT 1 FROM renewals WHERE renewals.payment_id = payments.payment_id)
                   AND NOT EXISTS (SELECT 1 FROM debts WHERE debts.payment_id = payments.payment_id)
                 ORDER BY updated_at LIMIT ?2{}",
                db.and_hold()
            );
            let ids: Vec<PaymentId> =
                db.all(&sql, values![before, AT_A_TIME], |row| row.get("payment_id"))?;
            for id in &ids {
                db.execute("DELETE FROM leases WHERE payment_id = ?1", values![id])?;
                db.execute("DELETE FROM holds WHERE payment_id = ?1", values![id])?;
                db.execute("DELETE FROM payments WHERE payment_id = ?1", values![id])?;
            }
            Ok(ids.len())
        })
        .await
    }

    /// Blanks signed requests and answers of payments that were over before `before`, and of those
    /// whose lease has ended since. A request that the chain is yet to be asked about is kept until
    /// it was, or until `unchecked_before`. The public outcome stays. Says how many were blanked;
    /// more may be left.
    ///
    /// # Errors
    /// The database failed.
    pub async fn blank_answers(
        &self,
        before: i64,
        unchecked_before: i64,
    ) -> Result<usize, StoreError> {
        self.write(ChangeLock::Named("retention"), move |db| {
            let values = values![before, AT_A_TIME, unchecked_before];
            let of_age = format!(
                "SELECT payment_id FROM payments
                 WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR request <> '')
                   AND updated_at <= ?1 AND (answer_body <> '' OR {REQUEST_NO_LONGER_NEEDED}) ORDER BY updated_at LIMIT ?2"
            );
            // Each payment of a lease that ended earlier is of age by now, or was blanked then.
            let of_ended_leases = format!(
                "SELECT payments.payment_id FROM leases CROSS JOIN payments
                 WHERE leases.state = 'destroyed' AND leases.updated_at > ?1
                   AND payments.lease_id = leases.lease_id AND payments.state IN ('answered', 'refused')
                   AND (answer_body <> '' OR request <> '') AND (answer_body <> '' OR {REQUEST_NO_LONGER_NEEDED}) LIMIT ?2"
            );
            let anew = match db {
                Db::Sqlite(_) => REWRITE_ROW,
                Db::Postgres(_) => "",
            };
            let mut blanked = 0;
            for which in [of_age, of_ended_leases] {
                let sql = format!(
                    "UPDATE payments SET request = CASE WHEN {REQUEST_NO_LONGER_NEEDED} THEN '' ELSE request END,
                         answer_body = CASE WHEN answer_body IS NULL THEN NULL ELSE '' END{anew}
                     WHERE payment_id IN ({which})"
                );
                blanked += db.execute(&sql, values)?;
            }
            Ok(blanked)
        })
        .await
    }
}
