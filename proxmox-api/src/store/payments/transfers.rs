//! The transfers on a chain that payments name.

use std::collections::HashSet;

use super::super::{Store, StoreError, values};

impl Store {
    /// Those of these transactions that payments name, in lower case.
    ///
    /// # Errors
    /// The database failed.
    pub async fn known_transactions(
        &self,
        network: &str,
        transactions: Vec<String>,
    ) -> Result<HashSet<String>, StoreError> {
        let network = network.to_owned();
        let sql = "SELECT 1 FROM payments WHERE lower(transaction_hash) = ?1 AND transaction_hash IS NOT NULL
             AND network = ?2 LIMIT 1";
        self.read(move |db| {
            let mut known = HashSet::new();
            for transaction in transactions {
                let name = transaction.to_ascii_lowercase();
                if db.exists(sql, values![name, network])? {
                    known.insert(name);
                }
            }
            Ok(known)
        })
        .await
    }
}
