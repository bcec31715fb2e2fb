//! Payments: one row per authorization, inserted before anything is asked of a facilitator, and moved from state to state
//! only by those who know the state it is in.

mod record;

use std::collections::HashMap;

use super::{Db, Store, StoreError, signed, values};
use PaymentState::*;
pub use record::{Answer, NewPayment, Payment, PaymentState, Reservation, SignedRequest};
use record::{COLUMNS, read_payment};

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

    /// The money moved.
    /// # Errors
    /// The database failed.
    pub async fn mark_settled(
        &self,
        id: &str,
        transaction: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.move_payment(
            id,
            &[Settling, Unknown],
            Settled,
            Some(transaction),
            None,
            now,
        )
        .await
    }

    /// Settlement was refused, for a reason that may be shown.
    /// # Errors
    /// The database failed.
    pub async fn mark_refused(&self, id: &str, reason: &str, now: i64) -> Result<bool, StoreError> {
        self.move_payment(id, &[Settling, Unknown], Refused, None, Some(reason), now)
            .await
    }

    /// Nobody knows; keeps a transaction hash that may be looked for.
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

    /// Payments of a payer, newest first; with `before`, only those older than that payment of theirs.
    /// # Errors
    /// The database failed.
    pub async fn payments_by_payer(
        &self,
        payer: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError> {
        let (payer, before) = (payer.to_ascii_lowercase(), before.map(str::to_owned));
        self.read(move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM payments WHERE payer = ?1 AND (?2 IS NULL OR (created_at, rowid) <
                     (SELECT created_at, rowid FROM payments WHERE payment_id = ?2 AND payer = ?1))
                 ORDER BY created_at DESC, rowid DESC LIMIT ?3"
            );
            db.all(&sql, values![payer, before, limit], read_payment)
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

pub(super) fn mark_answered(db: Db<'_>, id: &str, answer: &Answer) -> Result<bool, StoreError> {
    // The row keeps the time of its settlement.
    let moved = db.execute(
        "UPDATE payments SET state = 'answered', answer_status = ?2, answer_body = ?3
         WHERE payment_id = ?1 AND state = 'settled'",
        values![id, answer.status, answer.body],
    )?;
    Ok(moved == 1)
}

fn reserve(db: Db<'_>, mut new: NewPayment, now: i64) -> Result<Reservation, StoreError> {
    for text in [&mut new.asset, &mut new.payer, &mut new.nonce] {
        text.make_ascii_lowercase();
    }
    let by_nonce = format!(
        "SELECT {COLUMNS} FROM payments WHERE network = ?1 AND asset = ?2 AND payer = ?3 AND nonce = ?4"
    );
    let nonce = values![new.network, new.asset, new.payer, new.nonce];
    let known = db.optional(&by_nonce, nonce, read_payment)?;
    if let Some(known) = known.as_ref().filter(|known| known.state != Released) {
        return Ok(outcome(known, &new));
    }
    // A client that signs again under the same key gets the first outcome; its new signature is never settled.
    let by_key = format!(
        "SELECT {COLUMNS} FROM payments
         WHERE payer = ?1 AND idempotency_key = ?2 AND state NOT IN ('released', 'refused')"
    );
    let same_key = db.optional(
        &by_key,
        values![new.payer, new.idempotency_key],
        read_payment,
    )?;
    if let Some(same_key) = same_key {
        return Ok(outcome(&same_key, &new));
    }
    let payment_id = known.map_or(new.payment_id, |released| released.payment_id);
    db.execute(
        "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to,
             valid_before, request, operation, created_at, updated_at, arguments, lease_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'reserved', ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15)
         ON CONFLICT (network, asset, payer, nonce) DO UPDATE SET digest = excluded.digest,
             idempotency_key = excluded.idempotency_key, state = 'reserved', amount = excluded.amount,
             pay_to = excluded.pay_to, valid_before = excluded.valid_before, request = excluded.request,
             operation = excluded.operation, reason = NULL, arguments = excluded.arguments, lease_id = excluded.lease_id, updated_at = excluded.updated_at
         WHERE payments.state = 'released'",
        values![
        payment_id, new.network, new.asset, new.payer, new.nonce, new.digest, new.idempotency_key, signed(new.amount)?,
        new.pay_to, new.valid_before, new.request.0, new.operation, now, new.arguments, new.lease_id,
        ],
    )?;
    Ok(Reservation::Reserved { payment_id })
}

fn outcome(known: &Payment, new: &NewPayment) -> Reservation {
    if known.digest != new.digest {
        return Reservation::Conflict;
    }
    let same_key = known.idempotency_key.is_some() && known.idempotency_key == new.idempotency_key;
    match &known.answer {
        Some(answer) if same_key => Reservation::Replay {
            payment_id: known.payment_id.clone(),
            answer: answer.clone(),
        },
        _ => Reservation::Known {
            payment_id: known.payment_id.clone(),
            state: known.state,
            transaction: known.transaction.clone(),
        },
    }
}
