//! Money back: debts to payers become credit, and a lease that its owner ends early gives back what
//! its whole minutes that were not used have cost.

use api_types::{CreditEntryKind, Price};
use serde::Deserialize;

use super::{
    super::{
        LISTED, Store, StoreError, accounts::SALES, change_lock::ChangeLock,
        lease_state::LeaseState, leases, sql::owned_values,
    },
    Db,
    ledger::{Gift, give},
    values,
};
use crate::{
    ids::{LeaseId, Minutes, PaymentId, Wallet},
    store::CREDIT_NETWORK,
};

/// What an early end gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnRules {
    /// The first minutes of a lease, which stay paid.
    pub min_billed: Minutes,
}

/// A lease that its owner ended early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EarlyEnd {
    /// Whole minutes that were paid for and not used.
    pub minutes: i64,
    /// What was given back for them, in atomic units.
    pub returned: u64,
}

/// What was paid for a lease, the latest first.
struct Purchase {
    minutes: Minutes,
    /// What its time has cost, without its fee, in atomic units; nothing where it is owed already.
    usage: u64,
    /// Whether the lease was made for it.
    is_first: bool,
}

/// The units of fees, which are the first line of a price.
const FEE_UNITS: [&str; 2] = ["lease", "call"];

/// What a purchase's time has cost, by the price in its row.
fn usage(arguments: &str) -> u64 {
    #[derive(Deserialize)]
    struct Arguments {
        price: Price,
    }
    let Ok(Arguments { price }) = serde_json::from_str(arguments) else {
        return 0;
    };
    let first = price.lines.first();
    let fee = first.filter(|line| FEE_UNITS.contains(&line.unit.as_str()));
    let fee = fee.map_or(0, |line| line.amount.0);
    price.total.0.saturating_sub(fee)
}

fn purchases(db: Db<'_>, id: &LeaseId) -> Result<Vec<Purchase>, StoreError> {
    db.all(
        "SELECT arguments, minutes,
             CAST(CASE WHEN EXISTS (SELECT 1 FROM debts WHERE debts.payment_id = bought.payment_id)
                 THEN 1 ELSE 0 END AS BIGINT) AS is_owed, CAST(renewed AS BIGINT) AS is_renewal FROM (
             SELECT payments.payment_id, payments.arguments, renewals.minutes, 1 AS renewed, renewals.expires_at AS at
             FROM renewals JOIN payments USING (payment_id)
             WHERE renewals.lease_id = ?1 AND payments.state IN ('settled', 'answered')
         UNION ALL
             SELECT payments.payment_id, payments.arguments, leases.minutes, 0, leases.created_at
             FROM leases JOIN payments USING (payment_id)
             WHERE leases.lease_id = ?1 AND payments.state IN ('settled', 'answered')) AS bought
         ORDER BY renewed DESC, at DESC",
        values![id],
        |row| {
            let arguments: String = row.get("arguments")?;
            let renewed: i64 = row.get("is_renewal")?;
            let is_owed: i64 = row.get("is_owed")?;
            Ok(Purchase {
                minutes: row.get("minutes")?,
                usage: if is_owed == 1 { 0 } else { usage(&arguments) },
                is_first: renewed == 0,
            })
        },
    )
}

/// What is given back for the last `unused` minutes: of each purchase at what it has cost, rounded
/// down.
fn given_back(purchases: &[Purchase], unused: i64, rules: ReturnRules) -> u64 {
    let mut left = u64::try_from(unused).unwrap_or(0);
    let mut total = 0;
    for purchase in purchases {
        let bought = u64::from(purchase.minutes.0);
        let billed = match purchase.is_first {
            true => u64::from(rules.min_billed.0).min(bought),
            false => 0,
        };
        let of_this = left.min(bought - billed);
        left -= left.min(bought);
        let amount = u128::from(purchase.usage) * u128::from(of_this) / u128::from(bought.max(1));
        total += u64::try_from(amount).unwrap_or(purchase.usage);
    }
    total
}

impl Store {
    /// Begins the end of a lease for its owner: moves it on from `from` to `destroying` and gives
    /// back what was not used, together. `None` if it is in another state.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_early(
        &self,
        id: &LeaseId,
        from: LeaseState,
        rules: ReturnRules,
        now: i64,
    ) -> Result<Option<EarlyEnd>, StoreError> {
        let id = id.clone();
        if !from.may_become(LeaseState::Destroying) {
            return Ok(None);
        }
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = "SELECT owner, expires_at FROM leases WHERE lease_id = ?1";
            let lease: Option<(Wallet, Option<i64>)> = db.optional(sql, values![id], |row| {
                Ok((row.get("owner")?, row.get("expires_at")?))
            })?;
            let Some((owner, expires_at)) = lease else {
                return Ok(None);
            };
            if !leases::move_lease(db, &id, from, LeaseState::Destroying, now)? {
                return Ok(None);
            }
            let minutes = expires_at.map_or(0, |end| (end - now).max(0) / 60);
            let returned = given_back(&purchases(db, &id)?, minutes, rules);
            if returned > 0 {
                let gift = Gift {
                    kind: CreditEntryKind::Unused,
                    reference: &id,
                    from: SALES,
                    wallet: &owner,
                    amount: returned,
                    lease_id: Some(&id),
                };
                give(db, &gift, now)?;
            }
            Ok(Some(EarlyEnd { minutes, returned }))
        })
        .await
    }

    /// What was given back at the early end of a lease, in atomic units.
    ///
    /// # Errors
    /// The database failed.
    pub async fn returned_for(&self, id: &LeaseId) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT amount FROM ledger WHERE kind = 'unused' AND ref = ?1";
        let found = self.query(sql, owned_values![id], |row| row.get("amount"));
        Ok(found.await?.first().copied())
    }

    /// Turns a debt that is due into credit of its payer. What was added, in atomic units; `None` if
    /// it is not due, or was paid on another network than this.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credit_debt(
        &self,
        payment_id: &PaymentId,
        reason: &str,
        network: &str,
        now: i64,
    ) -> Result<Option<u64>, StoreError> {
        let (id, reason, network) = (payment_id.clone(), reason.to_owned(), network.to_owned());
        self.write(ChangeLock::None, move |db| {
            let sql = "SELECT payer, network, lease_id FROM payments WHERE payment_id = ?1";
            let payment: Option<(Wallet, String, Option<LeaseId>)> =
                db.optional(sql, values![id], |row| {
                    Ok((row.get("payer")?, row.get("network")?, row.get("lease_id")?))
                })?;
            let Some((payer, paid_on, lease_id)) = payment else {
                return Ok(None);
            };
            if paid_on != network && paid_on != CREDIT_NETWORK {
                return Ok(None);
            }
            let sql = "UPDATE debts SET state = 'credited', updated_at = ?3
                 WHERE payment_id = ?1 AND reason = ?2 AND state = 'due' RETURNING amount";
            let amount: Option<u64> =
                db.optional(sql, values![id, reason, now], |row| row.get("amount"))?;
            let Some(amount) = amount else {
                return Ok(None);
            };
            let reference = format!("{id}:{reason}");
            let gift = Gift {
                kind: CreditEntryKind::Undeliverable,
                reference: &reference,
                from: SALES,
                wallet: &payer,
                amount,
                lease_id: lease_id.as_ref(),
            };
            give(db, &gift, now)?;
            Ok(Some(amount))
        })
        .await
    }

    /// Debts that are due and may become credit, oldest first, by payment and reason.
    ///
    /// # Errors
    /// The database failed.
    pub async fn debts_to_credit(
        &self,
        network: &str,
    ) -> Result<Vec<(PaymentId, String)>, StoreError> {
        let network = network.to_owned();
        self.read(move |db| {
            let sql = format!(
                "SELECT debts.payment_id, debts.reason AS reason FROM debts CROSS JOIN payments
                 WHERE debts.state = 'due' AND payments.payment_id = debts.payment_id
                   AND payments.network IN (?1, '{CREDIT_NETWORK}') ORDER BY debts.created_at LIMIT {LISTED}"
            );
            db.all(&sql, values![network], |row| {
                Ok((row.get("payment_id")?, row.get("reason")?))
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ReturnRules = ReturnRules {
        min_billed: Minutes(5),
    };

    fn purchase(usage: u64, minutes: u32, is_first: bool) -> Purchase {
        Purchase {
            minutes: Minutes(minutes),
            usage,
            is_first,
        }
    }

    #[test]
    fn whole_minutes_come_back_at_what_each_purchase_has_cost() {
        let all = [purchase(900, 30, false), purchase(6_001, 60, true)];
        let of = |minutes| given_back(&all, minutes, RULES);
        assert_eq!([of(-5), of(0)], [0, 0]);
        assert_eq!(of(10), 300);
        assert_eq!(of(30), 900);
        assert_eq!(of(40), 900 + 1_000, "rounded down");
        assert_eq!(of(85), 900 + 6_001 * 55 / 60);
        assert_eq!(of(90), of(85), "the first five minutes stay paid");
        assert_eq!(of(i64::MAX), of(85));
    }

    #[test]
    fn a_lease_of_less_than_the_first_minutes_gives_nothing_back() {
        assert_eq!(given_back(&[purchase(400, 4, true)], 4, RULES), 0);
        assert_eq!(
            given_back(&[purchase(0, 60, true)], 50, RULES),
            0,
            "owed already"
        );
    }

    #[test]
    fn the_fee_is_not_part_of_what_the_time_has_cost() {
        let arguments = r#"{"price": {"total": "10000", "lines": [
            {"label": "Base fee", "quantity": "1", "unit": "lease", "amount": "2000"},
            {"label": "Cores", "quantity": "1", "unit": "core-hour", "amount": "8000"}]}}"#;
        assert_eq!(usage(arguments), 8_000);
        assert_eq!(usage("{}"), 0);
    }
}
