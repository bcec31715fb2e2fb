//! Payments: one row per authorization, inserted before a facilitator is asked. The state changes
//! by a [`Transition`] only.

mod record;
pub(super) mod reserve;
mod retention;
mod transfers;
mod waiting;

use x402::facilitator::TransferEvidence;

use super::{
    Change, Db, Store, StoreError,
    change_lock::ChangeLock,
    signed,
    sql::{Step, StepRefusal, StepTable, owned_values},
    values,
};
use crate::{
    ids::{PaymentId, Wallet},
    payment_machine::{NewState, PaymentState, Transition},
};
pub(super) use record::SUMMARY;
use record::{COLUMNS, read_payment, read_summary};
pub use record::{CREDIT_NETWORK, NewPayment, Payment, PaymentSummary, Reservation, SignedRequest};
use reserve::reserve;

impl Store {
    /// Reserves the nonce for a request, or returns what it was used for.
    ///
    /// # Errors
    /// The amount is out of range, or the database failed.
    pub async fn reserve(&self, payment: NewPayment, now: i64) -> Result<Reservation, StoreError> {
        if !self.writer.is_shared() {
            let lock = ChangeLock::None;
            return self.write(lock, move |db| reserve(db, &payment, now)).await;
        }
        // Nearly every nonce is new, which one statement finds out without a read.
        match self
            .make_if_current(vec![reserve::fresh(&payment, now)?])
            .await
        {
            Ok(true) => Ok(Reservation::Reserved {
                payment_id: payment.payment_id,
            }),
            Ok(false) => {
                let lock = ChangeLock::Wallet(payment.payer.to_string());
                self.write(lock, move |db| reserve(db, &payment, now)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a transition with its changes. False, and nothing changes, if the payment is in another state.
    /// # Errors
    /// The transfer pays for another purchase, one of the changes does not fit any more, or the database failed; nothing
    /// changed.
    pub async fn move_payment(
        &self,
        wanted: Transition,
        changes: Vec<Change>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = wanted.payment_id();
        let steps: Option<Vec<Step>> = changes
            .iter()
            .map(|change| change.steps(id, now))
            .collect::<Result<Option<Vec<Vec<Step>>>, _>>()?
            .map(|of_each| of_each.into_iter().flatten().collect());
        if let Some(more) = steps {
            let mut steps = vec![step(&wanted, now)?];
            steps.extend(more);
            return self.make_if_current(steps).await;
        }
        let locks = changes.iter().map(Change::lock);
        let lock = locks.fold(ChangeLock::None, ChangeLock::or);
        self.write(lock, move |db| {
            if !apply(db, &wanted, now)? {
                return Ok(false);
            }
            for change in &changes {
                change.apply(db, wanted.payment_id(), now)?;
            }
            Ok(true)
        })
        .await
    }

    /// Replaces the transfer of a payment that has settled, after the chain was reorganised.
    /// # Errors
    /// The transfer pays for another purchase, or the database failed.
    pub async fn replace_evidence(
        &self,
        id: &PaymentId,
        transfer: TransferEvidence,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (log_index, block) = place(&transfer)?;
        let sql =
            "UPDATE payments SET transaction_hash = ?2, log_index = ?3, block = ?4, checked_at = ?5
             WHERE payment_id = ?1 AND state IN ('settled', 'answered')";
        let values = owned_values![id, transfer.transaction, log_index, block, now];
        let step = Step::new(StepTable::Payments, id, sql, values).or(StepRefusal::Overtaken);
        self.make_if_current(vec![step.unless_taken(StepRefusal::EvidenceTaken)])
            .await
    }

    /// Marks the operation of a settled payment as begun, so that it is not run twice. False if it was begun before.
    /// # Errors
    /// The database failed.
    pub async fn begin_performance(&self, id: &PaymentId, now: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE payments SET performed_at = ?2
             WHERE payment_id = ?1 AND state = 'settled' AND performed_at IS NULL";
        let step = Step::new(StepTable::Payments, id, sql, owned_values![id, now]);
        self.make_if_current(vec![step.or(StepRefusal::Overtaken)])
            .await
    }

    /// Marks the operation as not begun, after nothing was done for certain.
    /// # Errors
    /// The database failed.
    pub async fn take_performance_back(&self, id: &PaymentId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE payments SET performed_at = NULL
                 WHERE payment_id = ?1 AND state = 'settled'";
            Ok(db.execute(sql, values![id])? == 1)
        })
        .await
    }

    /// Stores that the chain was checked for the last time.
    /// # Errors
    /// The database failed.
    pub async fn mark_checked(&self, id: &PaymentId, now: i64) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE payments SET checked_at = ?2 WHERE payment_id = ?1";
            Ok(db.execute(sql, values![id, now])? == 1)
        })
        .await
    }

    /// One payment.
    /// # Errors
    /// The database failed.
    pub async fn payment(&self, id: &PaymentId) -> Result<Option<Payment>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM payments WHERE payment_id = ?1");
            db.optional(&sql, values![id], read_payment)
        })
        .await
    }

    /// The payment with this nonce, in any state. Hexadecimal fields may be in upper or lower case.
    /// # Errors
    /// The database failed.
    pub async fn payment_by_nonce(
        &self,
        network: &str,
        asset: &str,
        payer: &Wallet,
        nonce: &str,
    ) -> Result<Option<Payment>, StoreError> {
        let [asset, nonce] = [asset, nonce].map(str::to_ascii_lowercase);
        let values = owned_values![network, asset, payer, nonce];
        let found = self
            .query(reserve::by_nonce(), values, read_payment)
            .await?;
        Ok(found.into_iter().next())
    }

    /// Payments of a payer, newest first; with `before`, only those older than that payment of theirs.
    /// # Errors
    /// The database failed.
    pub async fn payments_by_payer(
        &self,
        payer: &Wallet,
        before: Option<&PaymentId>,
        limit: u32,
    ) -> Result<Vec<PaymentSummary>, StoreError> {
        let (payer, before) = (payer.clone(), before.cloned());
        self.read(move |db| {
            let Some(before) = before else {
                let sql = format!(
                    "SELECT {SUMMARY} FROM payments WHERE payer = ?1
                     ORDER BY created_at DESC, rowid DESC LIMIT ?2"
                );
                return db.all(&sql, values![payer, limit], read_summary);
            };
            let sql = "SELECT created_at, rowid AS number FROM payments WHERE payment_id = ?1 AND payer = ?2";
            let place: Option<(i64, i64)> = db.optional(sql, values![before, payer], |row| {
                Ok((row.get("created_at")?, row.get("number")?))
            })?;
            let Some((at, number)) = place else { return Ok(Vec::new()) };
            let sql = format!(
                "SELECT {SUMMARY} FROM payments
                 WHERE payer = ?1 AND created_at <= ?2 AND (created_at < ?2 OR rowid < ?3)
                 ORDER BY created_at DESC, rowid DESC LIMIT ?4"
            );
            db.all(&sql, values![payer, at, number, limit], read_summary)
        })
        .await
    }
}

/// Stores a transition if the payment is in the state that it starts from.
pub(super) fn apply(db: Db<'_>, wanted: &Transition, now: i64) -> Result<bool, StoreError> {
    match db.make(&step(wanted, now)?) {
        Ok(()) => Ok(true),
        Err(StoreError::Overtaken) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A transition as a step, which fits if the payment is in the state that it starts from.
fn step(wanted: &Transition, now: i64) -> Result<Step, StoreError> {
    let (id, from, to) = (
        wanted.payment_id(),
        wanted.from().as_str(),
        wanted.target().state(),
    );
    let of_payment =
        |sql, values| Step::new(StepTable::Payments, id, sql, values).or(StepRefusal::Overtaken);
    let [mut transaction, mut reason] = [None, None];
    match wanted.target() {
        NewState::Settled(transfer) => {
            let (log_index, block) = place(transfer)?;
            // A refused payment released its key, which another payment may have now.
            let sql = "UPDATE payments SET state = 'settled', transaction_hash = ?3, log_index = ?4, block = ?5,
                     updated_at = ?6, checked_at = NULL,
                     idempotency_key = CASE WHEN state = 'refused' THEN NULL ELSE idempotency_key END
                 WHERE payment_id = ?1 AND state = ?2";
            let values = owned_values![id, from, transfer.transaction, log_index, block, now];
            return Ok(of_payment(sql, values).unless_taken(StepRefusal::EvidenceTaken));
        }
        NewState::Answered(answer) => {
            // The row keeps the time of its settlement.
            let sql = "UPDATE payments SET state = 'answered', answer_status = ?3, answer_body = ?4
                 WHERE payment_id = ?1 AND state = ?2";
            return Ok(of_payment(
                sql,
                owned_values![id, from, answer.status, answer.body],
            ));
        }
        NewState::Unknown(hash) => transaction = hash.as_deref(),
        NewState::Refused(why) | NewState::Unresolved(why) | NewState::Released(why) => {
            reason = Some(why.as_str());
        }
        NewState::Verified | NewState::Settling => {}
    }
    let sql = "UPDATE payments SET state = ?3, transaction_hash = coalesce(?4, transaction_hash),
             reason = coalesce(?5, reason), updated_at = ?6, checked_at = NULL
         WHERE payment_id = ?1 AND state = ?2";
    let values = owned_values![id, from, to.as_str(), transaction, reason, now];
    Ok(of_payment(sql, values))
}

fn place(transfer: &TransferEvidence) -> Result<(Option<i64>, Option<i64>), StoreError> {
    Ok((
        transfer.log_index.map(signed).transpose()?,
        transfer.block.map(signed).transpose()?,
    ))
}
