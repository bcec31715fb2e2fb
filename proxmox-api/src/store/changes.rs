//! Changes that are stored in one commit with a payment's transition, or not at all.

use serde_json::Value;

use super::{
    ConsoleTicket, Db, StoreError,
    change_lock::ChangeLock,
    console_tickets, debts,
    events::NewEvent,
    holds,
    leases::{self, Renewal},
    sql::{Step, StepRefusal, StepTable, owned_values},
};
use crate::ids::{KeyId, LeaseId, PaymentId, Wallet};

/// One such change.
#[derive(Debug, Clone)]
pub enum Change {
    /// An event of the audit trail.
    Event(NewEvent),
    /// Marks the operation of the payment as begun; refused if it was before.
    Begin,
    /// Makes a debt of a part or the whole of the payment.
    Debt {
        /// A short word.
        reason: &'static str,
        /// Atomic units.
        amount: u64,
    },
    /// Takes what the payment holds of its wallet's credit.
    Capture(HeldCredit),
    /// Gives back what the payment holds of its wallet's credit.
    Release(HeldCredit),
    /// Extends a lease. Refused unless it can be renewed.
    Renew {
        /// The renewal.
        renewal: Renewal,
        /// The moment from which a lease that is over is extended, as its customer is told: Unix
        /// seconds.
        renewed_at: i64,
    },
    /// The paid time of a lease begins. Refused unless the lease is made and waits for this
    /// payment.
    ActivateLease {
        /// The lease.
        lease_id: LeaseId,
        /// Its container's address, where it has one.
        ip: Option<String>,
        /// The longest time between expiry and destruction.
        grace_seconds: i64,
    },
    /// Stores a console ticket until it expires.
    KeepTicket {
        /// SHA-256 of the ticket.
        hash: String,
        /// What it is good for.
        ticket: ConsoleTicket,
        /// Unix seconds.
        expires_at: i64,
    },
}

/// What a payment holds of a wallet's credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCredit {
    /// The wallet.
    pub wallet: Wallet,
    /// The API key that spends it.
    pub key_id: Option<KeyId>,
    /// Atomic units.
    pub amount: u64,
}

impl HeldCredit {
    fn of<'a>(&'a self, payment_id: &'a PaymentId) -> holds::Held<'a> {
        holds::Held {
            payment_id,
            wallet: &self.wallet,
            key_id: self.key_id.as_ref(),
            amount: self.amount,
        }
    }
}

impl Change {
    /// An event of the audit trail.
    pub fn event(subject: &str, kind: &'static str, data: Value) -> Self {
        Self::Event(NewEvent::new(subject, kind, data))
    }

    /// Logs an event once it is stored.
    pub fn log(&self) {
        if let Self::Event(event) = self {
            event.log();
        }
    }

    /// The change as steps; `None` if it has to read before it writes.
    pub(super) fn steps(
        &self,
        payment_id: &PaymentId,
        now: i64,
    ) -> Result<Option<Vec<Step>>, StoreError> {
        Ok(Some(vec![match self {
            Self::Event(event) => event.step(now),
            Self::Begin => {
                let sql = "UPDATE payments SET performed_at = ?2 WHERE payment_id = ?1 AND performed_at IS NULL";
                Step::new(
                    StepTable::Payments,
                    payment_id,
                    sql,
                    owned_values![payment_id, now],
                )
                .or(StepRefusal::ChangeRefused)
            }
            Self::Debt { reason, amount } => debts::owe(payment_id, reason, *amount, now)?,
            Self::Capture(held) => {
                return holds::capture(&held.of(payment_id), now).map(Some);
            }
            Self::Release(held) => return holds::release(&held.of(payment_id)).map(Some),
            Self::ActivateLease { .. } | Self::KeepTicket { .. } | Self::Renew { .. } => {
                return Ok(None);
            }
        }]))
    }

    /// The lock that it needs.
    pub(super) fn lock(&self) -> ChangeLock {
        match self {
            Self::ActivateLease { lease_id, .. } => ChangeLock::Lease(lease_id.clone()),
            Self::Renew { renewal, .. } => ChangeLock::Lease(renewal.lease_id.clone()),
            _ => ChangeLock::None,
        }
    }

    pub(super) fn apply(
        &self,
        db: Db<'_>,
        payment_id: &PaymentId,
        now: i64,
    ) -> Result<(), StoreError> {
        if let Some(steps) = self.steps(payment_id, now)? {
            return steps.iter().try_for_each(|step| db.make(step));
        }
        match self {
            Self::ActivateLease {
                lease_id,
                ip,
                grace_seconds,
            } => {
                let ip = ip.as_deref();
                fits(leases::activate(
                    db,
                    lease_id,
                    payment_id,
                    ip,
                    *grace_seconds,
                    now,
                )?)
            }
            Self::KeepTicket {
                hash,
                ticket,
                expires_at,
            } => console_tickets::keep(db, hash, ticket, *expires_at, now),
            Self::Renew {
                renewal,
                renewed_at,
            } => fits(leases::renewed(db, renewal, *renewed_at)?),
            Self::Event(_)
            | Self::Begin
            | Self::Debt { .. }
            | Self::Capture(_)
            | Self::Release(_) => Ok(()),
        }
    }
}

fn fits(done: bool) -> Result<(), StoreError> {
    if done {
        Ok(())
    } else {
        Err(StoreError::ChangeRefused)
    }
}
