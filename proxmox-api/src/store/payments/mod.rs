//! Payments: one row per authorization, inserted before anything is asked of a facilitator, and moved from state to state
//! only by those who know the state it is in.

mod record;
mod reserve;
mod retention;
mod transfers;
mod waiting;

use std::collections::HashMap;

use x402::facilitator::TransferEvidence;

use super::{Db, Store, StoreError, signed, values};
use PaymentState::*;
pub use record::{
    Answer, NewPayment, Payment, PaymentState, PaymentSummary, Reservation, SignedRequest,
};
use record::{COLUMNS, SUMMARY, read_payment, read_summary};
use reserve::reserve;

pub(super) const PAID_BY_LEASE: &str = "SELECT lease_id, CAST(sum(amount) AS BIGINT) FROM payments
     WHERE payer = ?1 AND lease_id IS NOT NULL AND state IN ('settled', 'answered') GROUP BY lease_id";

impl Store {
    /// Takes the nonce for a request, or says what it was used for.
    ///
    /// # Errors
    /// The amount is out of range, or the database failed.
    pub async fn reserve(&self, payment: NewPayment, now: i64) -> Result<Reservation, StoreError> {
        self.write(move |db| reserve(db, payment, now)).await
    }

    /// The facilitator found it good.
    /// # Errors
    /// The database failed.
    pub async fn mark_verified(&self, id: &str, now: i64) -> Result<bool, StoreError> {
        self.move_payment(id, &[Reserved], Verified, None, None, now)
            .await
    }

    /// Settlement is about to be asked for.
    /// # Errors
    /// The database failed.
    pub async fn mark_settling(&self, id: &str, now: i64) -> Result<bool, StoreError> {
        self.move_payment(id, &[Verified, Reserved], Settling, None, None, now)
            .await
    }

    /// The money moved, by this transfer; a payment that was refused may turn out to have moved it. False: the payment is in
    /// a state that cannot become settled.
    /// # Errors
    /// The transfer pays for another purchase, or the database failed.
    pub async fn mark_settled(
        &self,
        id: &str,
        transfer: TransferEvidence,
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| mark_settled(db, &id, &transfer, now))
            .await
    }

    /// Replaces the transfer of a payment that has settled, after the chain was reorganised.
    /// # Errors
    /// The transfer pays for another purchase, or the database failed.
    pub async fn replace_evidence(
        &self,
        id: &str,
        transfer: TransferEvidence,
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let (log_index, block) = place(&transfer)?;
            if pays_for_another(db, &id, &transfer)? {
                return Err(StoreError::EvidenceTaken);
            }
            let sql = "UPDATE payments SET transaction_hash = ?2, log_index = ?3, block = ?4, checked_at = ?5
                 WHERE payment_id = ?1 AND state IN ('settled', 'answered')";
            let replaced = db.execute(sql, values![id, transfer.transaction, log_index, block, now])?;
            Ok(replaced == 1)
        })
        .await
    }

    /// Settlement was refused, for a reason that may be shown.
    /// # Errors
    /// The database failed.
    pub async fn mark_refused(&self, id: &str, reason: &str, now: i64) -> Result<bool, StoreError> {
        let from = &[Settling, Unknown, Unresolved];
        self.move_payment(id, from, Refused, None, Some(reason), now)
            .await
    }

    /// It is not known yet whether the money moved; keeps a transaction hash that may be looked for.
    /// # Errors
    /// The database failed.
    pub async fn mark_unknown(
        &self,
        id: &str,
        transaction: Option<&str>,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.move_payment(id, &[Settling], Unknown, transaction, None, now)
            .await
    }

    /// It could not be learnt whether the money moved.
    /// # Errors
    /// The database failed.
    pub async fn mark_unresolved(
        &self,
        id: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let from = &[Settling, Unknown];
        self.move_payment(id, from, Unresolved, None, Some(reason), now)
            .await
    }

    /// Given back before settlement was asked for.
    /// # Errors
    /// The database failed.
    pub async fn mark_released(
        &self,
        id: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.move_payment(id, &[Reserved, Verified], Released, None, Some(reason), now)
            .await
    }

    /// Given back although settlement was to be asked for, because surely nothing was sent for this payment, ever.
    /// # Errors
    /// The database failed.
    pub async fn mark_unsent(&self, id: &str, reason: &str, now: i64) -> Result<bool, StoreError> {
        self.move_payment(id, &[Settling], Released, None, Some(reason), now)
            .await
    }

    /// Takes the right to do for a settled payment what must not be done twice. False: it was taken before.
    /// # Errors
    /// The database failed.
    pub async fn begin_performance(&self, id: &str, now: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE payments SET performed_at = ?2
                 WHERE payment_id = ?1 AND state = 'settled' AND performed_at IS NULL";
            Ok(db.execute(sql, values![id, now])? == 1)
        })
        .await
    }

    /// Gives that right back: surely nothing was done.
    /// # Errors
    /// The database failed.
    pub async fn take_performance_back(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE payments SET performed_at = NULL
                 WHERE payment_id = ?1 AND state = 'settled'";
            Ok(db.execute(sql, values![id])? == 1)
        })
        .await
    }

    /// Notes that the chain was looked at for the last time.
    /// # Errors
    /// The database failed.
    pub async fn mark_checked(&self, id: &str, now: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE payments SET checked_at = ?2 WHERE payment_id = ?1";
            Ok(db.execute(sql, values![id, now])? == 1)
        })
        .await
    }

    /// Stores the answer of a settled payment.
    /// # Errors
    /// The database failed.
    pub async fn mark_answered(&self, id: &str, answer: Answer) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| mark_answered(db, &id, &answer)).await
    }

    async fn move_payment(
        &self,
        id: &str,
        from: &'static [PaymentState],
        to: PaymentState,
        transaction: Option<&str>,
        reason: Option<&str>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (id, transaction, reason) = (
            id.to_owned(),
            transaction.map(str::to_owned),
            reason.map(str::to_owned),
        );
        self.write(move |db| {
            let sql =
                "UPDATE payments SET state = ?3, transaction_hash = coalesce(?4, transaction_hash),
                     reason = coalesce(?5, reason), updated_at = ?6
                 WHERE payment_id = ?1 AND state = ?2";
            for state in from {
                let (from, to) = (state.as_str(), to.as_str());
                if db.execute(sql, values![id, from, to, transaction, reason, now])? == 1 {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// One payment.
    /// # Errors
    /// The database failed.
    pub async fn payment(&self, id: &str) -> Result<Option<Payment>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM payments WHERE payment_id = ?1");
            db.optional(&sql, values![id], read_payment)
        })
        .await
    }

    /// The payment with this nonce, whatever became of it. Hexadecimal fields may come in any case.
    /// # Errors
    /// The database failed.
    pub async fn payment_by_nonce(
        &self,
        network: &str,
        asset: &str,
        payer: &str,
        nonce: &str,
    ) -> Result<Option<Payment>, StoreError> {
        let network = network.to_owned();
        let [asset, payer, nonce] = [asset, payer, nonce].map(str::to_ascii_lowercase);
        self.read(move |db| {
            let values = values![network, asset, payer, nonce];
            db.optional(&reserve::by_nonce(), values, read_payment)
        })
        .await
    }

    /// Payments of a payer, newest first; with `before`, only those older than that payment of theirs.
    /// # Errors
    /// The database failed.
    pub async fn payments_by_payer(
        &self,
        payer: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PaymentSummary>, StoreError> {
        let (payer, before) = (payer.to_ascii_lowercase(), before.map(str::to_owned));
        self.read(move |db| {
            let sql = format!(
                "SELECT {SUMMARY} FROM payments WHERE payer = ?1 AND (?2 IS NULL OR (created_at, rowid) <
                     (SELECT created_at, rowid FROM payments WHERE payment_id = ?2 AND payer = ?1))
                 ORDER BY created_at DESC, rowid DESC LIMIT ?3"
            );
            db.all(&sql, values![payer, before, limit], read_summary)
        })
        .await
    }

    /// What was paid for each lease of `owner`, renewals and calls included, in atomic units.
    /// # Errors
    /// The database failed.
    pub async fn paid_by_lease(&self, owner: &str) -> Result<HashMap<String, u64>, StoreError> {
        let owner = owner.to_ascii_lowercase();
        self.read(move |db| {
            db.all(PAID_BY_LEASE, values![owner], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .await
    }
}

pub(super) fn mark_answered(db: Db<'_>, id: &str, answer: &Answer) -> Result<bool, StoreError> {
    // The row keeps the time of its settlement.
    let moved = db.execute(
        "UPDATE payments SET state = 'answered', answer_status = ?2, answer_body = ?3
         WHERE payment_id = ?1 AND state = 'settled'",
        values![id, answer.status, answer.body],
    )?;
    Ok(moved == 1)
}

fn mark_settled(
    db: Db<'_>,
    id: &str,
    transfer: &TransferEvidence,
    now: i64,
) -> Result<bool, StoreError> {
    let (log_index, block) = place(transfer)?;
    if pays_for_another(db, id, transfer)? {
        return Err(StoreError::EvidenceTaken);
    }
    let moved = db.execute(
        // A refused payment has given its key back, and another one may have it now.
        "UPDATE payments SET state = 'settled', transaction_hash = ?2, log_index = ?3, block = ?4, updated_at = ?5,
             idempotency_key = CASE WHEN state = 'refused' THEN NULL ELSE idempotency_key END
         WHERE payment_id = ?1 AND state IN ('settling', 'unknown', 'unresolved', 'refused')",
        values![id, transfer.transaction, log_index, block, now],
    )?;
    Ok(moved == 1)
}

/// The unique index decides; this says so in a word of its own, without spoiling the group of changes on PostgreSQL.
fn pays_for_another(db: Db<'_>, id: &str, transfer: &TransferEvidence) -> Result<bool, StoreError> {
    let (log_index, _) = place(transfer)?;
    let sql =
        "SELECT 1 FROM payments WHERE transaction_hash = ?1 AND log_index = ?2 AND payment_id <> ?3
         AND network = (SELECT network FROM payments WHERE payment_id = ?3)";
    db.exists(sql, values![transfer.transaction, log_index, id])
}

fn place(transfer: &TransferEvidence) -> Result<(Option<i64>, Option<i64>), StoreError> {
    Ok((
        transfer.log_index.map(signed).transpose()?,
        transfer.block.map(signed).transpose()?,
    ))
}
