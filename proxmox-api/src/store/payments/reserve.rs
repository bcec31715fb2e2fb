//! Takes a nonce for one request, or says which payment it belongs to.

use super::{
    super::{cells, db::taken_over},
    COLUMNS, Db, NewPayment, Payment,
    PaymentState::{Released, Reserved},
    Reservation, StoreError, read_payment, signed, values,
};

/// What a row keeps when a nonce that was released is reserved again.
const OF_THE_FIRST: [&str; 5] = ["payment_id", "network", "asset", "payer", "nonce"];

pub(super) fn reserve(
    db: Db<'_>,
    mut new: NewPayment,
    now: i64,
) -> Result<Reservation, StoreError> {
    for text in [&mut new.asset, &mut new.nonce] {
        text.make_ascii_lowercase();
    }
    let nonce = values![new.network, new.asset, new.payer, new.nonce];
    let known = db.optional(&by_nonce(), nonce, read_payment)?;
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
    let row = cells! {
        "payment_id": payment_id,
        "network": new.network,
        "asset": new.asset,
        "payer": new.payer,
        "nonce": new.nonce,
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
    };
    let taken = taken_over(&row, &OF_THE_FIRST);
    let or = format!(
        "ON CONFLICT (network, asset, payer, nonce) DO UPDATE SET {taken}, reason = NULL
         WHERE payments.state = 'released'"
    );
    db.insert("payments", &row, &or)?;
    Ok(Reservation::Reserved { payment_id })
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
