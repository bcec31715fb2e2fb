//! Holds: credit that is set aside for a call, in the commit that inserts the call's payment. It is
//! captured in the commit that stores the answer, and released in the one that releases the payment.

use super::{
    StoreError,
    accounts::{SALES, account_of},
    signed,
    sql::{Step, StepRefusal, StepTable, owned_values},
};
use crate::ids::{KeyId, PaymentId, Wallet};

/// Seconds between two notes of a key's use.
pub(in crate::store) const USE_INTERVAL: i64 = 60;

/// The day of Unix time.
pub(in crate::store) fn day_of(now: i64) -> i64 {
    now.div_euclid(24 * 3600)
}

/// A payment from credit, as far as its hold is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Held<'a> {
    pub(in crate::store) payment_id: &'a PaymentId,
    pub(in crate::store) wallet: &'a Wallet,
    pub(in crate::store) key_id: Option<&'a KeyId>,
    pub(in crate::store) amount: u64,
}

/// The steps that hold the price of a payment, unless its wallet or key may not spend it.
pub(in crate::store) fn hold(held: &Held<'_>, now: i64) -> Result<Vec<Step>, StoreError> {
    let (id, wallet, key) = (held.payment_id, held.wallet, held.key_id);
    let amount = signed(held.amount)?;
    if amount == 0 {
        return Ok(Vec::new());
    }
    let credit = Step::new(
        StepTable::Credit,
        wallet.as_str(),
        "UPDATE credit SET held = held + ?2 WHERE wallet = ?1 AND balance - held >= ?2",
        owned_values![wallet, amount],
    );
    let mut steps = vec![credit.or(StepRefusal::Insufficient)];
    if let Some(key) = key {
        let sql = "UPDATE api_keys SET held = held + ?2,
                 day_spent = CASE WHEN day < ?3 THEN ?2 ELSE day_spent + ?2 END,
                 day = CASE WHEN day < ?3 THEN ?3 ELSE day END,
                 last_used_at = CASE WHEN last_used_at > ?4 - ?5 THEN last_used_at ELSE ?4 END
             WHERE key_id = ?1 AND wallet = ?6 AND revoked_at IS NULL AND disabled = 0
               AND (expires_at IS NULL OR expires_at > ?4)
               AND (limit_call IS NULL OR limit_call >= ?2)
               AND (limit_total IS NULL OR limit_total - spent - held >= ?2)
               AND (limit_day IS NULL OR limit_day - CASE WHEN day < ?3 THEN 0 ELSE day_spent END >= ?2)";
        let values = owned_values![key, amount, day_of(now), now, USE_INTERVAL, wallet];
        let step = Step::new(StepTable::ApiKeys, key.as_str(), sql, values);
        steps.push(step.or(StepRefusal::Insufficient));
    }
    let sql = "INSERT INTO holds (payment_id, wallet, key_id, amount, state, day, at)
         VALUES (?1, ?2, ?3, ?4, 'held',
             coalesce((SELECT day FROM api_keys WHERE key_id = ?3), ?5), ?6)";
    let key = key.map(KeyId::as_str);
    let values = owned_values![id, wallet, key, amount, day_of(now), now];
    steps.push(Step::new(StepTable::Holds, id, sql, values));
    Ok(steps)
}

/// The steps that take what a payment holds.
pub(in crate::store) fn capture(held: &Held<'_>, now: i64) -> Result<Vec<Step>, StoreError> {
    let sql = "UPDATE credit SET balance = balance - ?2, held = held - ?2
         WHERE wallet = ?1 AND held >= ?2";
    let of_key = "UPDATE api_keys SET spent = spent + ?2, held = held - ?2
         WHERE key_id = ?1 AND held >= ?2";
    let mut steps = settle(held, "captured", sql, of_key)?;
    if held.amount > 0 {
        let sql =
            "INSERT INTO ledger (at, amount, from_account, to_account, kind, ref, key_id, lease_id)
             VALUES (?1, ?2, ?3, ?4, 'charge', ?5, ?6,
                 (SELECT lease_id FROM payments WHERE payment_id = ?5))";
        let (account, key) = (account_of(held.wallet), held.key_id.map(KeyId::as_str));
        let id = held.payment_id;
        let values = owned_values![now, signed(held.amount)?, account, SALES, id, key];
        steps.push(Step::new(StepTable::Ledger, id, sql, values));
    }
    Ok(steps)
}

/// The steps that give back what a payment holds.
pub(in crate::store) fn release(held: &Held<'_>) -> Result<Vec<Step>, StoreError> {
    let sql = "UPDATE credit SET held = held - ?2 WHERE wallet = ?1 AND held >= ?2";
    // What was held on an earlier day does not count for this one.
    let of_key = "UPDATE api_keys SET held = held - ?2,
             day_spent = CASE WHEN day = (SELECT day FROM holds WHERE payment_id = ?3)
                 THEN day_spent - ?2 ELSE day_spent END
         WHERE key_id = ?1 AND held >= ?2";
    settle(held, "released", sql, of_key)
}

fn settle(
    held: &Held<'_>,
    state: &str,
    credit: &'static str,
    of_key: &'static str,
) -> Result<Vec<Step>, StoreError> {
    let (id, amount) = (held.payment_id, signed(held.amount)?);
    if amount == 0 {
        return Ok(Vec::new());
    }
    let wallet = held.wallet.as_str();
    let values = owned_values![held.wallet, amount];
    let mut steps =
        vec![Step::new(StepTable::Credit, wallet, credit, values).or(StepRefusal::ChangeRefused)];
    if let Some(key) = held.key_id {
        let values = match of_key.contains("?3") {
            true => owned_values![key, amount, id],
            false => owned_values![key, amount],
        };
        let step = Step::new(StepTable::ApiKeys, key.as_str(), of_key, values);
        steps.push(step.or(StepRefusal::ChangeRefused));
    }
    let sql = "UPDATE holds SET state = ?2 WHERE payment_id = ?1 AND state = 'held'";
    let step = Step::new(StepTable::Holds, id, sql, owned_values![id, state]);
    steps.push(step.or(StepRefusal::ChangeRefused));
    Ok(steps)
}
