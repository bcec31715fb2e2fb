//! Console tickets: used once, and stored as a hash only, so that a stolen database opens no
//! console.

use super::{Db, Store, StoreError, change_lock::ChangeLock, values};
use crate::ids::{KeyId, LeaseId, Wallet};

/// What a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleTicket {
    /// The lease whose container it opens.
    pub lease_id: LeaseId,
    /// The wallet it was given to.
    pub wallet: Wallet,
    /// The API key that it was bought with.
    pub key_id: Option<KeyId>,
}

pub(super) fn keep(
    db: Db<'_>,
    hash: &str,
    ticket: &ConsoleTicket,
    expires_at: i64,
    now: i64,
) -> Result<(), StoreError> {
    db.execute(
        "DELETE FROM console_tickets WHERE expires_at <= ?1",
        values![now],
    )?;
    db.execute(
        "INSERT INTO console_tickets (ticket_hash, lease_id, wallet, expires_at, key_id) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (ticket_hash) DO UPDATE SET expires_at = excluded.expires_at WHERE console_tickets.used_at IS NULL",
        values![
            hash,
            ticket.lease_id,
            ticket.wallet,
            expires_at,
            ticket.key_id
        ],
    )?;
    Ok(())
}

impl Store {
    /// Stores a ticket until `expires_at`. A stored one gets the new end, unless it was used.
    ///
    /// # Errors
    /// The lease does not exist, or the database failed.
    pub async fn keep_console_ticket(
        &self,
        hash: &str,
        ticket: ConsoleTicket,
        expires_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(ChangeLock::None, move |db| {
            keep(db, &hash, &ticket, expires_at, now)
        })
        .await
    }

    /// Uses a ticket up. Exactly one caller gets it, and only before it expires.
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_console_ticket(
        &self,
        hash: &str,
        now: i64,
    ) -> Result<Option<ConsoleTicket>, StoreError> {
        let hash = hash.to_owned();
        self.write(ChangeLock::None, move |db| {
            db.optional(
                "UPDATE console_tickets SET used_at = ?2
                 WHERE ticket_hash = ?1 AND used_at IS NULL AND expires_at > ?2 RETURNING lease_id, wallet, key_id",
                values![hash, now],
                |row| {
                    Ok(ConsoleTicket {
                        lease_id: row.get("lease_id")?,
                        wallet: row.get("wallet")?,
                        key_id: row.get("key_id")?,
                    })
                },
            )
        })
        .await
    }

    /// The API key that a ticket was bought with, used or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn console_ticket_key(&self, hash: &str) -> Result<Option<KeyId>, StoreError> {
        let hash = hash.to_owned();
        self.read(move |db| {
            let sql = "SELECT key_id FROM console_tickets WHERE ticket_hash = ?1";
            let found = db.optional(sql, values![hash], |row| row.get("key_id"))?;
            Ok(found.flatten())
        })
        .await
    }

    /// Makes a used ticket valid again until `expires_at`, because its use was refused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn restore_console_ticket(
        &self,
        hash: &str,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE console_tickets SET used_at = NULL, expires_at = ?2
                       WHERE ticket_hash = ?1";
            db.execute(sql, values![hash, expires_at])?;
            Ok(())
        })
        .await
    }

    /// Ends an unused ticket at `expires_at`, which may be now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_console_ticket(&self, hash: &str, expires_at: i64) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE console_tickets SET expires_at = ?2 WHERE ticket_hash = ?1 AND used_at IS NULL";
            db.execute(sql, values![hash, expires_at])?;
            Ok(())
        })
        .await
    }
}
