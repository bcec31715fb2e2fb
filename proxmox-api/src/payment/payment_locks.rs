//! The locks of a payment: one by its signature, which is known before there is a row, and one by
//! the id of its row.

use service::crypto;

use crate::{
    ids::{PaymentId, Wallet},
    locks::LockGuard,
    state::App,
    store::{Payment, StoreError},
};

/// The locks of a payment that is not seen yet: under its signature, and under the id that its row will have.
pub struct PaymentLocks {
    /// Held until the request has its reply.
    pub signature: LockGuard,
    /// Fresh.
    pub payment_id: PaymentId,
    /// Taken before the row is there: a copy that finds it by its key then waits.
    pub own: LockGuard,
}

impl PaymentLocks {
    /// Waits for them.
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

    /// Takes them without waiting; `None` if another task holds one.
    ///
    /// # Errors
    /// The database that replicas share cannot be reached.
    pub async fn try_take(app: &App, signature: &str) -> Result<Option<Self>, StoreError> {
        let payment_id = fresh_id(app.clock.unix_seconds());
        let names = [signature, &payment_id];
        let turns = app.payments_in_work.try_take_all(names).await?;
        Ok(turns.map(|[signature, own]| Self {
            signature,
            payment_id,
            own,
        }))
    }
}

/// The time comes first, so that new rows lie side by side in each index that begins with the id: a commit then writes the same
/// few pages however many payments there are. 64 random bits follow.
fn fresh_id(now: u64) -> PaymentId {
    format!("pay_{now:08x}{}", crypto::random_hex(8)).into()
}

/// The locks of a payment that nobody works on, neither under its signature nor under its id.
///
/// # Errors
/// The database that replicas share cannot be reached.
pub async fn idle(app: &App, row: &Payment) -> Result<Option<(LockGuard, LockGuard)>, StoreError> {
    let name = signature_name(&row.payer, &row.nonce);
    let names = [name.as_str(), &row.payment_id];
    let turns = app.payments_in_work.try_take_all(names).await?;
    Ok(turns.map(|[signature, own]| (signature, own)))
}

/// What a signature is called among the locks, before it has a row and afterwards.
pub fn signature_name(payer: &Wallet, nonce: &str) -> String {
    format!("{payer}:{nonce}")
}
