//! Named values of this installation, such as its id and key, made once and stored.

use super::{Store, StoreError, change_lock::ChangeLock, values};

/// The name of the value that [`Store::prove_writable`] stores.
const WRITABLE: &str = "writable_at";

impl Store {
    /// The value called `name`; `fresh` is stored and returned if there was none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn installation_value_or(
        &self,
        name: &str,
        fresh: String,
    ) -> Result<String, StoreError> {
        let name = name.to_owned();
        self.write(ChangeLock::None, move |db| {
            db.one(
                "INSERT INTO installation (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = installation.value RETURNING value",
                values![name, fresh],
                |row| row.get("value"),
            )
        })
        .await
    }

    /// The value called `name`, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn installation_value(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |db| {
            let sql = "SELECT value FROM installation WHERE name = ?1";
            db.optional(sql, values![name], |row| row.get("value"))
        })
        .await
    }

    /// Stores a value and returns the one before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_installation_value(
        &self,
        name: &str,
        value: String,
    ) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.write(ChangeLock::Named("installation"), move |db| {
            let sql = "SELECT value FROM installation WHERE name = ?1";
            let before = db.optional(sql, values![name], |row| row.get("value"))?;
            db.execute(
                "INSERT INTO installation (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values![name, value],
            )?;
            Ok(before)
        })
        .await
    }

    /// Proves that changes are stored, by storing the current time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prove_writable(&self, now: i64) -> Result<(), StoreError> {
        self.set_installation_value(WRITABLE, now.to_string())
            .await
            .map(drop)
    }
}
