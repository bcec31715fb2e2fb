//! Which transfers on a chain this store knows.

use std::collections::HashSet;

use super::super::{Store, StoreError, values};

impl Store {
    /// The transactions that payments name which were begun or changed at `since` or later, in lower case.
    ///
    /// # Errors
    /// The database failed.
    pub async fn transactions_since(
        &self,
        network: &str,
        since: i64,
    ) -> Result<HashSet<String>, StoreError> {
        let network = network.to_owned();
        let names: Vec<String> = self
            .read(move |db| {
                db.all(
                    "SELECT lower(transaction_hash) AS name FROM payments
                     WHERE transaction_hash IS NOT NULL AND network = ?1 AND updated_at >= ?2",
                    values![network, since],
                    |row| row.get("name"),
                )
            })
            .await?;
        Ok(names.into_iter().collect())
    }
}
