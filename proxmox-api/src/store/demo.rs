//! The demo ledger: play money that obeys the rules of the real token, so that the whole flow runs
//! without a chain.

use std::sync::Arc;

use alloy::primitives::Address;
use async_trait::async_trait;
use service::clock::Clock;
use x402::{
    facilitator::ledger::{self, Ledger, LedgerError},
    network::Network,
};

use super::{
    Store, StoreError, cells,
    change_lock::ChangeLock,
    signed,
    sql::{Step, StepRefusal, StepTable, owned_values},
    values,
};
use crate::ids::Wallet;

/// A signed transfer of play money.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// CAIP-2 id of the network that is simulated.
    pub network: String,
    /// Token contract.
    pub asset: Address,
    /// The payer.
    pub sender: Wallet,
    /// Who is paid.
    pub recipient: Wallet,
    /// Nonce of the authorization, lower case.
    pub nonce: String,
    /// Atomic units.
    pub amount: u64,
    /// The name of the transaction, if this is the first time.
    pub transaction: String,
}

/// The outcome of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The money moved now.
    Moved {
        /// The transaction's name.
        transaction: String,
    },
    /// The same transfer was made before; nothing moved now.
    AlreadyMoved {
        /// The first transaction's name.
        transaction: String,
    },
    /// The nonce was used for another transfer.
    NonceUsed,
    /// The sender has less than the amount.
    Insufficient,
}

impl Store {
    /// Moves play money once per (network, asset, sender, nonce).
    ///
    /// # Errors
    /// The amount is out of range, or the database failed.
    pub async fn demo_transfer(
        &self,
        transfer: Transfer,
        now: i64,
    ) -> Result<TransferOutcome, StoreError> {
        let moved = TransferOutcome::Moved {
            transaction: transfer.transaction.clone(),
        };
        match self.make(steps(&transfer, now)?).await {
            Ok(()) => Ok(moved),
            Err(StoreError::Insufficient) => Ok(TransferOutcome::Insufficient),
            Err(StoreError::Overtaken) => self.made_before(transfer).await,
            Err(error) => Err(error),
        }
    }

    /// The outcome of an earlier transfer with this nonce.
    async fn made_before(&self, transfer: Transfer) -> Result<TransferOutcome, StoreError> {
        self.read(move |db| {
            let (asset, amount) = (text_of(transfer.asset), signed(transfer.amount)?);
            db.one(
                "SELECT transaction_hash, recipient, amount FROM demo_transfers
                 WHERE network = ?1 AND asset = ?2 AND sender = ?3 AND nonce = ?4",
                values![transfer.network, asset, transfer.sender, transfer.nonce],
                |row| {
                    let (to, moved): (Wallet, i64) = (row.get("recipient")?, row.get("amount")?);
                    let transaction = row.get("transaction_hash")?;
                    Ok(match to == transfer.recipient && moved == amount {
                        true => TransferOutcome::AlreadyMoved { transaction },
                        false => TransferOutcome::NonceUsed,
                    })
                },
            )
        })
        .await
    }

    /// Play money of `account`, in atomic units.
    ///
    /// # Errors
    /// The database failed.
    pub async fn demo_balance(
        &self,
        network: &str,
        asset: Address,
        account: &Wallet,
    ) -> Result<u64, StoreError> {
        let sql =
            "SELECT balance FROM demo_balances WHERE network = ?1 AND asset = ?2 AND account = ?3";
        let values = owned_values![network, text_of(asset), account];
        let found = self.query(sql, values, |row| row.get("balance")).await?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// Raises the balance of `account` to at least `level` and returns it. A second request adds
    /// nothing.
    ///
    /// # Errors
    /// The level is out of range, or the database failed.
    pub async fn demo_faucet(
        &self,
        network: &str,
        asset: Address,
        account: &Wallet,
        level: u64,
    ) -> Result<u64, StoreError> {
        let (network, asset) = (network.to_owned(), text_of(asset));
        let account = account.clone();
        self.write(ChangeLock::None, move |db| {
            db.one(
                "INSERT INTO demo_balances (network, asset, account, balance) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (network, asset, account) DO UPDATE SET balance =
                     CASE WHEN demo_balances.balance < excluded.balance THEN excluded.balance ELSE demo_balances.balance END
                 RETURNING balance",
                values![network, asset, account, signed(level)?],
                |row| row.get("balance"),
            )
        })
        .await
    }
}

/// The store as the demo facilitator's ledger, for one network's USDC.
pub struct DemoLedger {
    store: Store,
    network: &'static Network,
    clock: Arc<dyn Clock>,
}

impl DemoLedger {
    /// A ledger in this store.
    pub fn new(store: Store, network: &'static Network, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            network,
            clock,
        }
    }
}

/// A token contract as it is stored.
fn text_of(asset: Address) -> String {
    format!("{asset:#x}")
}

fn ledger_failed(error: StoreError) -> LedgerError {
    LedgerError(error.to_string())
}

fn stored(transfer: &ledger::Transfer) -> Transfer {
    Transfer {
        network: transfer.network.to_owned(),
        asset: transfer.asset,
        sender: transfer.from.into(),
        recipient: transfer.to.into(),
        nonce: format!("{:#x}", transfer.nonce),
        amount: transfer.value,
        transaction: transfer.transaction(),
    }
}

#[async_trait]
impl Ledger for DemoLedger {
    async fn balance(&self, account: Address) -> Result<u64, LedgerError> {
        let asset = self.network.usdc.address;
        self.store
            .demo_balance(self.network.caip2, asset, &account.into())
            .await
            .map_err(ledger_failed)
    }

    async fn was_done(&self, transfer: &ledger::Transfer) -> Result<bool, LedgerError> {
        // The name is a digest of everything in the transfer.
        let name = transfer.transaction();
        self.store
            .read(move |db| {
                let sql = "SELECT 1 FROM demo_transfers WHERE transaction_hash = ?1";
                db.exists(sql, values![name])
            })
            .await
            .map_err(ledger_failed)
    }

    async fn transfer(
        &self,
        transfer: ledger::Transfer,
    ) -> Result<ledger::TransferOutcome, LedgerError> {
        let now = self.clock.unix_time();
        let outcome = self.store.demo_transfer(stored(&transfer), now).await;
        Ok(match outcome.map_err(ledger_failed)? {
            TransferOutcome::Moved { .. } | TransferOutcome::AlreadyMoved { .. } => {
                ledger::TransferOutcome::Done
            }
            TransferOutcome::NonceUsed => ledger::TransferOutcome::NonceUsed,
            TransferOutcome::Insufficient => ledger::TransferOutcome::Insufficient,
        })
    }
}

/// The transfer, once per nonce, with both balances.
fn steps(transfer: &Transfer, now: i64) -> Result<Vec<Step>, StoreError> {
    let amount = signed(transfer.amount)?;
    let (network, asset) = (&transfer.network, text_of(transfer.asset));
    let (sender, recipient) = (&transfer.sender, &transfer.recipient);
    let row = cells! {
        "transaction_hash": transfer.transaction,
        "network": network,
        "asset": asset,
        "sender": sender,
        "nonce": transfer.nonce,
        "recipient": recipient,
        "amount": amount,
        "at": now,
    };
    let place = (StepTable::DemoTransfers, transfer.transaction.as_str());
    let or = "ON CONFLICT DO NOTHING";
    let made = Step::insert(place, "demo_transfers", &row, or).or(StepRefusal::Overtaken);
    let taken = Step::new(
        StepTable::DemoBalances,
        sender.as_str(),
        "UPDATE demo_balances SET balance = balance - ?4
         WHERE network = ?1 AND asset = ?2 AND account = ?3 AND balance >= ?4",
        owned_values![network, asset, sender, amount],
    );
    let given = Step::new(
        StepTable::DemoBalances,
        recipient.as_str(),
        "INSERT INTO demo_balances (network, asset, account, balance) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (network, asset, account) DO UPDATE SET balance = demo_balances.balance + excluded.balance",
        owned_values![network, asset, recipient, amount],
    );
    Ok(vec![made, taken.or(StepRefusal::Insufficient), given])
}
