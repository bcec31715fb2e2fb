//! Sign-in by wallet: challenges that are used once, and sessions, stored by the hash of their
//! token only.

use super::{Store, StoreError, change_lock::ChangeLock, sql::owned_values, values};
use crate::ids::Wallet;

impl Store {
    /// Stores the digest of a sign-in text until `expires_at`.
    ///
    /// # Errors
    /// The text was given out before, or the database failed.
    pub async fn create_challenge(
        &self,
        digest: &str,
        expires_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let digest = digest.to_owned();
        self.write(ChangeLock::None, move |db| {
            db.execute(
                "DELETE FROM challenges WHERE expires_at <= ?1",
                values![now],
            )?;
            db.execute(
                "INSERT INTO challenges (digest, expires_at) VALUES (?1, ?2)",
                values![digest, expires_at],
            )?;
            Ok(())
        })
        .await
    }

    /// Uses a text up. True for exactly one caller, and only before the text expires.
    ///
    /// # Errors
    /// The database failed.
    pub async fn consume_challenge(&self, digest: &str, now: i64) -> Result<bool, StoreError> {
        let digest = digest.to_owned();
        self.write(ChangeLock::None, move |db| {
            let used = db.execute(
                "UPDATE challenges SET consumed_at = ?2 WHERE digest = ?1 AND consumed_at IS NULL AND expires_at > ?2",
                values![digest, now],
            )?;
            Ok(used == 1)
        })
        .await
    }

    /// Opens a session of `wallet`. Only the token's hash is stored, so that a stolen database
    /// opens no session.
    ///
    /// # Errors
    /// The hash exists already, or the database failed.
    pub async fn create_session(
        &self,
        token_hash: &str,
        wallet: &Wallet,
        expires_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let (token_hash, wallet) = (token_hash.to_owned(), wallet.clone());
        self.write(ChangeLock::None, move |db| {
            db.execute("DELETE FROM sessions WHERE expires_at <= ?1", values![now])?;
            db.execute(
                "INSERT INTO sessions (token_hash, wallet, expires_at) VALUES (?1, ?2, ?3)",
                values![token_hash, wallet, expires_at],
            )?;
            Ok(())
        })
        .await
    }

    /// Ends a session, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_session(&self, token_hash: &str) -> Result<(), StoreError> {
        let token_hash = token_hash.to_owned();
        self.write(ChangeLock::None, move |db| {
            db.execute(
                "DELETE FROM sessions WHERE token_hash = ?1",
                values![token_hash],
            )?;
            Ok(())
        })
        .await
    }

    /// The wallet of a session that has not expired.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_wallet(
        &self,
        token_hash: &str,
        now: i64,
    ) -> Result<Option<Wallet>, StoreError> {
        let sql = "SELECT wallet FROM sessions WHERE token_hash = ?1 AND expires_at > ?2";
        let values = owned_values![token_hash, now];
        let found = self.query(sql, values, |row| row.get("wallet")).await?;
        Ok(found.into_iter().next())
    }
}
