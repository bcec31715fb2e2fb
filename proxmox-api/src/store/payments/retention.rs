//! What is not kept: rows of payments that were given back, and the texts of payments that are over.

use super::{super::apart::Apart, Store, StoreError, values};
use crate::ids::PaymentId;

/// Rows in one change, so that other writers need not wait for long.
const AT_A_TIME: u32 = 500;
/// The chain is asked once more about what was refused, and about transfers.
const IS_YET_TO_BE_CHECKED: &str =
    "(checked_at IS NULL AND (state = 'refused' OR transaction_hash IS NOT NULL))";

impl Store {
    /// Removes payments that were released before `before`, and the leases of theirs that were never paid for. Says how
    /// many payments went; more may be left.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_released(&self, before: i64) -> Result<usize, StoreError> {
        self.write(Apart::Of("retention"), move |db| {
            // Held, since a nonce that was given back may be taken again at any moment.
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
                db.execute("DELETE FROM payments WHERE payment_id = ?1", values![id])?;
            }
            Ok(ids.len())
        })
        .await
    }

    /// Blanks signed requests and answers of payments that were over before `before`, or whose lease has ended. A request
    /// that the chain is yet to be asked about is kept until it was, or until `unchecked_before`. The public outcome stays.
    /// Says how many were blanked; more may be left.
    ///
    /// # Errors
    /// The database failed.
    pub async fn blank_answers(
        &self,
        before: i64,
        unchecked_before: i64,
    ) -> Result<usize, StoreError> {
        self.write(Apart::Of("retention"), move |db| {
            let spare = format!("request <> '' AND (updated_at <= ?3 OR NOT {IS_YET_TO_BE_CHECKED})");
            let sql = format!(
                "UPDATE payments SET request = CASE WHEN {spare} THEN '' ELSE request END,
                     answer_body = CASE WHEN answer_body IS NULL THEN NULL ELSE '' END
                 WHERE payment_id IN (SELECT payment_id FROM payments
                     WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR ({spare}))
                       AND (updated_at <= ?1 OR EXISTS (SELECT 1 FROM leases
                           WHERE leases.lease_id = payments.lease_id AND leases.state = 'destroyed'))
                     LIMIT ?2)"
            );
            db.execute(&sql, values![before, AT_A_TIME, unchecked_before])
        })
        .await
    }
}
