//! The locks of a payment: one by its signature, which is known before there is a row, and one by
//! the id of its row.

use service::crypto;

use crate::{
    ids::{PaymentId, Wallet},
    locks::LockGuard,
    state::App,
    store::{Payment, StoreError},
};

/// The locks of a payment that has no row yet: of its signature, and of the id that its row will
/// get.
pub struct PaymentLocks {
    /// The lock of the signature, held until the request has its reply.
    pub signature: LockGuard,
    /// A new id.
    pub payment_id: PaymentId,
    /// The lock of the id. It is taken before the row exists, so that a copy that finds the row by
    /// its key waits.
    pub own: LockGuard,
}

impl PaymentLocks {
    /// Waits for both locks.
    ///
    /// # Errors
    /// The database that replicas share cannot be reached.
    pub async fn take(app: &App, signature: &str) -> Result<Self, StoreError> {
        let payment_id = fresh_id(app.clock.unix_seconds());
        let names = [signature, &payment_id];
        let [signature, own] = app.payments_in_work.take_all(names).await?;
        Ok(Self {
            signature,
            payment_id,
            own,
        })
    }

    /// Takes both locks without waiting; `None` if another task holds one.
    ///
    /// # Errors
    /// The database that replicas share cannot be reached.
    pub async fn try_take(app: &App, signature: &str) -> Result<Option<Self>, StoreError> {
        let payment_id = fresh_id(app.clock.unix_seconds());
        let names = [signature, &payment_id];
        let guards = app.payments_in_work.try_take_all(names).await?;
        Ok(guards.map(|[signature, own]| Self {
            signature,
            payment_id,
            own,
        }))
    }
}

/// A new id. The time comes first, so that new rows are neighbours in each index that begins with
/// the id: a commit then writes the same few pages however many payments there are. 64 random bits
/// follow.
pub(super) fn fresh_id(now: u64) -> PaymentId {
    format!("pay_{now:08x}{}", crypto::random_hex(8)).into()
}

/// Takes both locks of a payment if no task holds either.
///
/// # Errors
/// The database that replicas share cannot be reached.
pub async fn idle(app: &App, row: &Payment) -> Result<Option<(LockGuard, LockGuard)>, StoreError> {
    let name = signature_name(&row.payer, &row.nonce);
    let names = [name.as_str(), &row.payment_id];
    let guards = app.payments_in_work.try_take_all(names).await?;
    Ok(guards.map(|[signature, own]| (signature, own)))
}

/// The name of a signature's lock, which is known before there is a row.
pub fn signature_name(payer: &Wallet, nonce: &str) -> String {
    format!("{payer}:{nonce}")
}
