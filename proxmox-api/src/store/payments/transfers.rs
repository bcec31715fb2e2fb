//! The transfers on a chain that payments name.
//!
//! No index leads from a transaction to its payment: hashes are random, so that on a long history
//! each paid call would read and write one more page, for questions that only operators ask. The
//! payer of a transfer is known, and leads to the few payments that it can belong to.

use std::collections::HashSet;

use super::super::{Store, StoreError, values};
use crate::ids::{PaymentId, Wallet};

impl Store {
    /// Those of these transactions, each with who paid, that payments made since name. In lower
    /// case.
    ///
    /// # Errors
    /// The database failed.
    pub async fn known_transactions(
        &self,
        network: &str,
        transfers: Vec<(Wallet, String)>,
        since: i64,
    ) -> Result<HashSet<String>, StoreError> {
        let network = network.to_owned();
        // Recent transfers are asked for, so that the newest payments come first.
        let sql = "SELECT 1 AS here FROM payments
             WHERE payer = ?1 AND created_at >= ?2 AND network = ?3 AND lower(transaction_hash) = ?4
             ORDER BY created_at DESC LIMIT 1";
        self.read(move |db| {
            let mut known = HashSet::new();
            for (payer, transaction) in transfers {
                let name = transaction.to_ascii_lowercase();
                if db.exists(sql, values![payer, since, network, name])? {
                    known.insert(name);
                }
            }
            Ok(known)
        })
        .await
    }

    /// A payment that was settled by this transaction, or another one that was paid back by it.
    /// Reads all payments: it is asked once for each decision of an operator.
    ///
    /// # Errors
    /// The database failed.
    pub async fn paid_by_transaction(
        &self,
        network: &str,
        transaction: &str,
        paid_back: &PaymentId,
    ) -> Result<Option<PaymentId>, StoreError> {
        let network = network.to_owned();
        let hash = transaction.to_ascii_lowercase();
        let paid_back = paid_back.clone();
        self.read(move |db| {
            db.optional(
                "SELECT payment_id FROM payments WHERE network = ?1
                   AND lower(transaction_hash) = ?2 AND state IN ('settled', 'answered')
                 UNION ALL SELECT payment_id FROM debts
                 WHERE lower(transaction_hash) = ?2 AND transaction_hash IS NOT NULL AND payment_id <> ?3",
                values![network, hash, paid_back],
                |row| row.get("payment_id"),
            )
        })
        .await
    }
}
