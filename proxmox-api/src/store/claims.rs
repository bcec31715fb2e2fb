//! The claim of a VMID for a lease that is not paid yet, together with its payment's transition.
//! The limits on unpaid containers are checked here, in one transaction with the rows that they
//! count.

use super::LeaseState;
use super::{
    Change, Claim, ClaimLimits, ClaimOutcome, Db, Store, StoreError, brakes,
    change_lock::ChangeLock,
    leases::{Given, cells_of, free_address, free_vmid, record_use},
    payments, signed, values,
};
use crate::{brake, payment_machine::Transition};

impl Store {
    /// Takes a VMID and makes the lease and its payment go on together, with these changes, or changes nothing.
    /// # Errors
    /// The payment does not exist, or the database failed.
    pub async fn claim_lease(
        &self,
        claim: Claim,
        limits: ClaimLimits,
        payment: Transition,
        changes: Vec<Change>,
        now: i64,
    ) -> Result<ClaimOutcome, StoreError> {
        self.write(ChangeLock::Claims, move |db| {
            let outcome = claim_lease(db, &claim, limits, &payment, now)?;
            if let ClaimOutcome::Claimed { .. } = outcome {
                for change in &changes {
                    change.apply(db, payment.payment_id(), now)?;
                }
            }
            Ok(outcome)
        })
        .await
    }
}

/// States of a lease that is not paid for.
const UNPAID: &str = "('provisioning', 'create_sent', 'created', 'probed')";

fn claim_lease(
    db: Db<'_>,
    claim: &Claim,
    limits: ClaimLimits,
    payment: &Transition,
    now: i64,
) -> Result<ClaimOutcome, StoreError> {
    if let Some(refused) = exceeded_limit(db, claim, limits, now)? {
        return Ok(refused);
    }
    // A released payment was sent again before the container of its first attempt was removed.
    let made =
        "SELECT 1 FROM leases WHERE payment_id = ?1 AND state NOT IN ('undoing', 'destroyed')";
    if db.exists(made, values![claim.payment_id])? {
        return Ok(ClaimOutcome::PaymentMoved);
    }
    let Some(vmid) = free_vmid(db, claim.vmids.clone(), &claim.busy)? else {
        return Ok(ClaimOutcome::NoVmid);
    };
    let address = match &claim.addresses {
        None => None,
        Some(pool) => match free_address(db, pool, now)? {
            Some(address) => Some(address.to_string()),
            None => return Ok(ClaimOutcome::NoAddress),
        },
    };
    if !payments::apply(db, payment, now)? {
        return Ok(ClaimOutcome::PaymentMoved);
    }
    let sql = "UPDATE payments SET lease_id = ?2 WHERE payment_id = ?1";
    db.execute(sql, values![claim.payment_id, claim.lease_id])?;
    let given = Given { vmid, address, now };
    db.insert("leases", &cells_of(claim, &given), "")?;
    record_use(db, &claim.lease_id)?;
    Ok(ClaimOutcome::Claimed { vmid })
}

/// The first limit that a claim exceeds.
fn exceeded_limit(
    db: Db<'_>,
    claim: &Claim,
    limits: ClaimLimits,
    now: i64,
) -> Result<Option<ClaimOutcome>, StoreError> {
    let owner = &claim.owner;
    let client = claim.client.as_deref();
    if let Some(until) = brakes::blocked_until(db, owner, client, now)? {
        return Ok(Some(ClaimOutcome::Blocked { until }));
    }
    let sql = "SELECT state FROM leases WHERE owner = ?1 AND state <> 'destroyed'";
    let (mut count, mut in_flight) = (0, 0);
    let live: Vec<LeaseState> = db.all(sql, values![owner], |row| row.get("state"))?;
    for state in live {
        count += 1;
        in_flight += u32::from(state.is_in_flight());
    }
    if in_flight >= limits.in_flight {
        return Ok(Some(ClaimOutcome::InFlight));
    }
    if count >= limits.per_wallet {
        return Ok(Some(ClaimOutcome::TooMany));
    }
    let reserved: i64 = db.one(
        "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) AS reserved FROM payments
         WHERE payer = ?1 AND state IN ('reserved', 'verified', 'settling', 'unknown')",
        values![owner],
        |row| row.get("reserved"),
    )?;
    if reserved > signed(limits.reserved)? {
        return Ok(Some(ClaimOutcome::TooMuchReserved));
    }
    let sql = format!(
        "SELECT count(*) AS unpaid, count(CASE WHEN client = ?1 THEN 1 END) AS of_client
         FROM leases WHERE state IN {UNPAID} AND state <> 'destroyed'"
    );
    let (unpaid, of_client): (u32, u32) = db.one(&sql, values![client], |row| {
        Ok((row.get("unpaid")?, row.get("of_client")?))
    })?;
    if of_client >= limits.per_client {
        return Ok(Some(ClaimOutcome::InFlightOfClient));
    }
    let has_paid = "SELECT 1 FROM payments WHERE payer = ?1 AND lease_id IS NOT NULL
         AND state IN ('settled', 'answered') ORDER BY lease_id LIMIT 1";
    // Queried only if it decides: most claims are far below either limit.
    let full = unpaid >= brake::most_unpaid(limits.unpaid, true)
        || (unpaid >= brake::most_unpaid(limits.unpaid, false)
            && !db.exists(has_paid, values![owner])?);
    Ok(full.then_some(ClaimOutcome::TooManyUnpaid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_unpaid_is_what_the_states_say() {
        for state in LeaseState::ALL {
            let named = UNPAID.contains(&format!("'{}'", state.as_str()));
            assert_eq!(named, state.is_in_flight(), "{state:?}");
        }
    }
}
