//! Counts of unpaid containers, by wallet and by address, and until when no further one is made for
//! them.

use super::{Db, Store, StoreError, cells, change_lock::ChangeLock, sql::taken_over, values};
use crate::{
    brake::{FORGET_AFTER, Subject},
    ids::Wallet,
};

impl Store {
    /// Counts an unpaid container of this wallet and address.
    ///
    /// # Errors
    /// The database failed.
    pub async fn record_unpaid(
        &self,
        payer: &Wallet,
        client: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        let (payer, client) = (payer.clone(), client.map(str::to_owned));
        self.write(ChangeLock::Named("brakes"), move |db| {
            let sql = "DELETE FROM brakes WHERE updated_at <= ?1";
            db.execute(sql, values![now - FORGET_AFTER])?;
            record(db, Subject::Payer, payer.as_str(), now)?;
            match &client {
                Some(client) => record(db, Subject::Client, client, now),
                None => Ok(()),
            }
        })
        .await
    }
}

fn record(db: Db<'_>, subject: Subject, name: &str, now: i64) -> Result<(), StoreError> {
    let kind = subject.as_str();
    let sql = "SELECT unpaid FROM brakes WHERE subject = ?1 AND name = ?2";
    let before: Option<u32> = db.optional(sql, values![kind, name], |row| row.get("unpaid"))?;
    let unpaid = before.unwrap_or(0).saturating_add(1);
    let row = cells! {
        "subject": kind,
        "name": name,
        "unpaid": unpaid,
        "blocked_until": now + subject.pause(unpaid),
        "updated_at": now,
    };
    let taken = taken_over(&row, &["subject", "name"]);
    let or = format!("ON CONFLICT (subject, name) DO UPDATE SET {taken}");
    db.insert("brakes", &row, &or).map(drop)
}

/// Until when no container is made for this wallet and address; `None` if one may be made now.
pub(super) fn blocked_until(
    db: Db<'_>,
    payer: &Wallet,
    client: Option<&str>,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    db.one(
        "SELECT max(blocked_until) AS blocked_until FROM brakes WHERE blocked_until > ?3 AND
             ((subject = 'payer' AND name = ?1) OR (subject = 'client' AND name = ?2))",
        values![payer, client, now],
        |row| row.get("blocked_until"),
    )
}

/// Forgets the count of a wallet that has paid for a container.
pub(super) fn release(db: Db<'_>, payer: &Wallet) -> Result<(), StoreError> {
    let sql = "DELETE FROM brakes WHERE subject = 'payer' AND name = ?1";
    db.execute(sql, values![payer])?;
    Ok(())
}
