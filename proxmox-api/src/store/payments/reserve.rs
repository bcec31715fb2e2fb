//! Reserves a nonce for one request, or finds the payment that has it.

use super::{
    super::{
        ServerError, cells,
        sql::{Cell, taken_over},
        sql::{Step, StepRefusal, StepTable},
    },
    COLUMNS, Db, NewPayment, Payment,
    PaymentState::{Released, Reserved},
    Reservation, StoreError, read_payment, signed, values,
};
use crate::ids::PaymentId;

/// What a row keeps when a nonce that was released is reserved again.
const OF_THE_FIRST: [&str; 5] = ["payment_id", "network", "asset", "payer", "nonce"];

/// The row of a payment that is reserved.
fn with_row<T>(
    new: &NewPayment,
    payment_id: &PaymentId,
    now: i64,
    work: impl FnOnce(&[Cell<'_>]) -> T,
) -> Result<T, StoreError> {
    let [asset, nonce] = lowered(new);
    Ok(work(&cells! {
        "payment_id": payment_id,
        "network": new.network,
        "asset": asset,
        "payer": new.payer,
        "nonce": nonce,
        "digest": new.digest,
        "idempotency_key": new.idempotency_key,
        "state": Reserved,
        "amount": signed(new.amount)?,
        "pay_to": new.pay_to,
        "valid_before": new.valid_before,
        "request": new.request.0,
        "operation": new.operation,
        "arguments": new.arguments,
        "lease_id": new.lease_id,
        "created_at": now,
        "updated_at": now,
    }))
}

fn lowered(new: &NewPayment) -> [String; 2] {
    [&new.asset, &new.nonce].map(|text| text.to_ascii_lowercase())
}

/// Reserves a new nonce under a new key.
pub(in crate::store) fn fresh(new: &NewPayment, now: i64) -> Result<Step, StoreError> {
    // A key that is used again must not be an error, which would roll back the other changes of the
    // transaction.
    let or = "ON CONFLICT DO NOTHING";
    let id = &new.payment_id;
    let step = |row: &[Cell<'_>]| Step::insert((StepTable::Payments, id), "payments", row, or);
    let step = with_row(new, id, now, step)?;
    Ok(step.or(StepRefusal::Overtaken))
}

pub(super) fn reserve(db: Db<'_>, new: &NewPayment, now: i64) -> Result<Reservation, StoreError> {
    let [asset, nonce] = lowered(new);
    let nonce = values![new.network, asset, new.payer, nonce];
    let known = db.optional(&by_nonce(), nonce, read_payment)?;
    if let Some(known) = known.as_ref().filter(|known| known.state != Released) {
        return Ok(outcome(known, new));
    }
    // A client that signs again under the same key gets the first outcome; its new signature is
    // never settled.
    if let Some(same_key) = same_key(db, new)? {
        return Ok(same_key);
    }
    let payment_id = known.map_or(new.payment_id.clone(), |released| released.payment_id);
    let reserved = with_row(new, &payment_id, now, |row| {
        let taken = taken_over(row, &OF_THE_FIRST);
        let or = format!(
            "ON CONFLICT (network, asset, payer, nonce) DO UPDATE SET {taken}, reason = NULL
             WHERE payments.state = 'released'"
        );
        db.insert("payments", row, &or)
    })?
    .map_err(|error| match error {
        // Another payment took the key since the query: a retry finds it.
        StoreError::Postgres(ServerError::UniqueViolation(what)) => {
            ServerError::RolledBack(what).into()
        }
        error => error,
    })?;
    match reserved {
        // Another replica reserved it since the query.
        0 => match db.optional(&by_nonce(), nonce, read_payment)? {
            Some(known) => Ok(outcome(&known, new)),
            None => Err(StoreError::Unreadable("a payment that has to be there")),
        },
        _ => Ok(Reservation::Reserved { payment_id }),
    }
}

/// What the payment is for that has the new one's key, if there is one.
pub(in crate::store) fn same_key(
    db: Db<'_>,
    new: &NewPayment,
) -> Result<Option<Reservation>, StoreError> {
    let Some(key) = &new.idempotency_key else {
        return Ok(None);
    };
    let by_key = format!(
        "SELECT {COLUMNS} FROM payments
         WHERE payer = ?1 AND idempotency_key = ?2 AND state NOT IN ('released', 'refused')"
    );
    let found = db.optional(&by_key, values![new.payer, *key], read_payment)?;
    Ok(found.map(|found| outcome(&found, new)))
}

/// One payment by network, asset, payer and nonce, all hexadecimal in lower case.
pub(super) fn by_nonce() -> String {
    format!(
        "SELECT {COLUMNS} FROM payments WHERE network = ?1 AND asset = ?2 AND payer = ?3 AND nonce = ?4"
    )
}

fn outcome(known: &Payment, new: &NewPayment) -> Reservation {
    if known.digest == new.digest {
        Reservation::Known {
            payment_id: known.payment_id.clone(),
        }
    } else {
        Reservation::Conflict
    }
}
