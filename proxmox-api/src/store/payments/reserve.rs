//! Takes a nonce for one request, or says which payment it belongs to.

use super::{
    COLUMNS, Db, NewPayment, Payment, PaymentState::Released, Reservation, StoreError,
    read_payment, signed, values,
};

pub(super) fn reserve(
    db: Db<'_>,
    mut new: NewPayment,
    now: i64,
) -> Result<Reservation, StoreError> {
    for text in [&mut new.asset, &mut new.payer, &mut new.nonce] {
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
    db.execute(
        "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to,
             valid_before, request, operation, created_at, updated_at, arguments, lease_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'reserved', ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15)
         ON CONFLICT (network, asset, payer, nonce) DO UPDATE SET digest = excluded.digest,
             idempotency_key = excluded.idempotency_key, state = 'reserved', amount = excluded.amount,
             pay_to = excluded.pay_to, valid_before = excluded.valid_before, request = excluded.request,
             operation = excluded.operation, reason = NULL, arguments = excluded.arguments, lease_id = excluded.lease_id,
             created_at = excluded.created_at, updated_at = excluded.updated_at
         WHERE payments.state = 'released'",
        values![
        payment_id, new.network, new.asset, new.payer, new.nonce, new.digest, new.idempotency_key, signed(new.amount)?,
        new.pay_to, new.valid_before, new.request.0, new.operation, now, new.arguments, new.lease_id,
        ],
    )?;
    Ok(Reservation::Reserved { payment_id })
}

/// One payment by network, asset, payer and nonce, the last three in lower case.
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
