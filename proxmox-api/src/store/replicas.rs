//! Where replicas reach each other, as each of them announces it. The rows are named values of the
//! installation: `replica:ID` is the time of the last announcement and the address.

use super::{Store, StoreError, change_lock::ChangeLock, values};

/// How the names begin, and the first text behind all of them.
const NAMES: (&str, &str) = ("replica:", "replica;");
/// Seconds after which an announcement is removed.
const KEPT: i64 = 3600;

impl Store {
    /// Stores where others reach a replica, and removes old announcements.
    ///
    /// # Errors
    /// The database failed.
    pub async fn announce_replica(
        &self,
        id: &str,
        address: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let (name, value) = (name(id), format!("{now} {address}"));
        self.write(ChangeLock::None, move |db| {
            db.execute(
                "INSERT INTO installation (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values![name, value],
            )?;
            let sql = "SELECT name, value FROM installation WHERE name > ?1 AND name < ?2";
            let all: Vec<(String, String)> = db.all(sql, values![NAMES.0, NAMES.1], |row| {
                Ok((row.get("name")?, row.get("value")?))
            })?;
            for (name, value) in all {
                if read(&value).is_none_or(|(at, _)| at < now - KEPT) {
                    let sql = "DELETE FROM installation WHERE name = ?1";
                    db.execute(sql, values![name])?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Where a replica is reached that has announced itself at `since` or later.
    ///
    /// # Errors
    /// The database failed.
    pub async fn replica_address(
        &self,
        id: &str,
        since: i64,
    ) -> Result<Option<String>, StoreError> {
        let value = self.installation_value(&name(id)).await?;
        let found = value.as_deref().and_then(read);
        Ok(found
            .filter(|(at, _)| *at >= since)
            .map(|(_, address)| address.to_owned()))
    }

    /// Removes a replica that stops.
    ///
    /// # Errors
    /// The database failed.
    pub async fn withdraw_replica(&self, id: &str) -> Result<(), StoreError> {
        let name = name(id);
        self.write(ChangeLock::None, move |db| {
            let sql = "DELETE FROM installation WHERE name = ?1";
            db.execute(sql, values![name])?;
            Ok(())
        })
        .await
    }
}

fn name(id: &str) -> String {
    format!("{}{id}", NAMES.0)
}

/// The time and the address.
fn read(value: &str) -> Option<(i64, &str)> {
    let (at, address) = value.split_once(' ')?;
    Some((at.parse().ok()?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replica_is_found_for_as_long_as_it_announces_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let found = async |id, since| store.replica_address(id, since).await.unwrap();
        for (id, at) in [("one", 1000), ("two", 1010), ("one", 1020)] {
            let address = format!("http://{id}");
            store.announce_replica(id, &address, at).await.unwrap();
        }
        assert_eq!(found("one", 1020).await.as_deref(), Some("http://one"));
        assert_eq!(found("one", 1021).await, None);
        assert_eq!(found("three", 0).await, None);
        store.withdraw_replica("one").await.unwrap();
        assert_eq!(found("one", 0).await, None);
        assert_eq!(found("two", 0).await.as_deref(), Some("http://two"));
        let later = 1010 + KEPT + 1;
        store
            .announce_replica("three", "http://three", later)
            .await
            .unwrap();
        assert_eq!(found("two", 0).await, None, "it is long gone");
    }
}
