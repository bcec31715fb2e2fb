//! What is stored in one commit with a payment's move, or not at all.

use serde_json::Value;

use super::{ConsoleTicket, Db, StoreError, console_tickets, debts, events, leases, values};
use crate::ids::{LeaseId, PaymentId};

/// One such change.
#[derive(Debug, Clone)]
pub enum Change {
    /// A row of the audit trail.
    Event {
        /// The lease or payment it is about.
        subject: String,
        /// What happened, as a short word.
        kind: &'static str,
        /// Details; no secrets.
        data: Value,
    },
    /// Takes the right to do for the payment what must not be done twice.
    Begin,
    /// Owes a part or the whole of the payment.
    Debt {
        /// A short word.
        reason: &'static str,
        /// Atomic units.
        amount: u64,
    },
    /// The paid time of a lease begins. Refused unless the lease is made and waits for this payment.
    ActivateLease {
        /// The lease.
        lease_id: LeaseId,
        /// Its container's address, where it has one.
        ip: Option<String>,
        /// The longest time between expiry and destruction.
        grace_seconds: i64,
    },
    /// A ticket for a console is good until then.
    KeepTicket {
        /// SHA-256 of the ticket.
        hash: String,
        /// What it is good for.
        ticket: ConsoleTicket,
        /// Unix seconds.
        expires_at: i64,
    },
}

impl Change {
    /// A row of the audit trail.
    pub fn event(subject: &str, kind: &'static str, data: Value) -> Self {
        Self::Event {
            subject: subject.to_owned(),
            kind,
            data,
        }
    }

    /// Says an event in the log, once it is stored.
    pub fn log(&self) {
        if let Self::Event {
            subject,
            kind,
            data,
        } = self
        {
            tracing::info!(subject, event = kind, %data, "noted");
        }
    }

    pub(super) fn apply(
        &self,
        db: Db<'_>,
        payment_id: &PaymentId,
        now: i64,
    ) -> Result<(), StoreError> {
        match self {
            Self::Event {
                subject,
                kind,
                data,
            } => events::append(db, now, subject, kind, &data.to_string()).map(drop),
            Self::Begin => {
                let sql = "UPDATE payments SET performed_at = ?2 WHERE payment_id = ?1 AND performed_at IS NULL";
                fits(db.execute(sql, values![payment_id, now])? == 1)
            }
            Self::Debt { reason, amount } => {
                debts::owe(db, payment_id, reason, *amount, now).map(drop)
            }
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
