//! Reserves a payment together with its hold, or finds out why it cannot be.

use super::{
    super::{
        Store, StoreError,
        change_lock::ChangeLock,
        holds::{Held, hold},
        payments::{NewPayment, Reservation, reserve},
    },
    Credit, Db, credit_to_change,
    keys::{self, ApiKey, KeyLimit},
};
use crate::ids::{KeyId, PaymentId};

/// Why nothing was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldRefusal {
    /// The wallet has less than the call costs.
    Insufficient {
        /// What it can spend now.
        available: u64,
    },
    /// The key may not spend so much.
    Limit {
        /// By this limit.
        limit: KeyLimit,
        /// What it leaves.
        remaining: u64,
    },
    /// The key was revoked, or is switched off.
    Revoked,
    /// The key has expired.
    Expired,
}

/// The outcome of a reservation with a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditReservation {
    /// The payment is reserved and its price held.
    Reserved {
        /// What the wallet can spend besides.
        available: u64,
    },
    /// The same request was seen before, under the same key.
    Known {
        /// Its payment.
        payment_id: PaymentId,
    },
    /// The idempotency key belongs to another request.
    Conflict,
    /// There is too little credit, or the key may not spend it.
    Refused(HoldRefusal),
}

/// Why a call of this price cannot be held; `None` if it can.
fn refusal(credit: Credit, key: Option<&ApiKey>, amount: u64, now: i64) -> Option<HoldRefusal> {
    if let Some(key) = key {
        if key.revoked_at.is_some() || key.disabled {
            return Some(HoldRefusal::Revoked);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Some(HoldRefusal::Expired);
        }
        let exceeded = key.limits_left(now);
        let exceeded = exceeded.into_iter().find(|(_, left)| *left < amount);
        if let Some((limit, remaining)) = exceeded {
            return Some(HoldRefusal::Limit { limit, remaining });
        }
    }
    let available = credit.available();
    (available < amount).then_some(HoldRefusal::Insufficient { available })
}

fn held<'a>(new: &'a NewPayment, key: Option<&'a KeyId>) -> Held<'a> {
    Held {
        payment_id: &new.payment_id,
        wallet: &new.payer,
        key_id: key,
        amount: new.amount,
    }
}

fn reserve_and_hold(
    db: Db<'_>,
    new: &NewPayment,
    key: Option<&KeyId>,
    now: i64,
) -> Result<CreditReservation, StoreError> {
    // The key's row before the wallet's would be another order than that of the steps.
    let credit = credit_to_change(db, &new.payer)?;
    let found = match key {
        None => None,
        Some(id) => match keys::key_to_change(db, id)? {
            Some(key) if key.wallet == new.payer => Some(key),
            _ => return Ok(CreditReservation::Refused(HoldRefusal::Revoked)),
        },
    };
    if let Some(same) = reserve::same_key(db, new)? {
        return Ok(match same {
            Reservation::Known { payment_id } => CreditReservation::Known { payment_id },
            _ => CreditReservation::Conflict,
        });
    }
    if let Some(refused) = refusal(credit, found.as_ref(), new.amount, now) {
        return Ok(CreditReservation::Refused(refused));
    }
    db.make(&reserve::fresh(new, now)?)?;
    let held = held(new, key);
    for step in hold(&held, now)? {
        db.make(&step)?;
    }
    let available = credit.available().saturating_sub(new.amount);
    Ok(CreditReservation::Reserved { available })
}

impl Store {
    /// Inserts the row of a payment from credit and holds its price, or changes nothing. The
    /// payment's id is new.
    ///
    /// # Errors
    /// The amount is out of range, or the database failed.
    pub async fn reserve_from_credit(
        &self,
        new: NewPayment,
        key: Option<KeyId>,
        now: i64,
    ) -> Result<CreditReservation, StoreError> {
        if self.writer.is_shared() {
            let mut steps = vec![reserve::fresh(&new, now)?];
            steps.extend(hold(&held(&new, key.as_ref()), now)?);
            match self.make(steps).await {
                Ok(()) => {
                    let available = self.credit_of(&new.payer).await?.available();
                    return Ok(CreditReservation::Reserved { available });
                }
                // Why not is found out below.
                Err(StoreError::Overtaken | StoreError::Insufficient) => {}
                Err(error) => return Err(error),
            }
        }
        let lock = ChangeLock::Wallet(new.payer.to_string());
        self.write(lock, move |db| {
            reserve_and_hold(db, &new, key.as_ref(), now)
        })
        .await
    }
}
