//! The transactions that the on-chain facilitator sends: each is a row before it is sent.

use alloy::primitives::{B256, Bytes};
use async_trait::async_trait;
use serde_json::{Value, json};
use x402::facilitator::onchain::{PaymentKey, Sent, SentStore, SentStoreError};

use super::{Store, StoreError, cells, change_lock::ChangeLock, values};

fn failed(error: &StoreError) -> SentStoreError {
    SentStoreError(error.to_string())
}

fn key(payment: &PaymentKey) -> [String; 4] {
    [
        payment.network.to_owned(),
        format!("{:#x}", payment.asset),
        format!("{:#x}", payment.from),
        format!("{:#x}", payment.nonce),
    ]
}

fn to_text(sent: &Sent) -> String {
    json!({
        "raw": sent.raw, "senderNonce": sent.sender_nonce, "gas": sent.gas,
        "maxFeePerGas": sent.max_fee_per_gas.to_string(),
        "maxPriorityFeePerGas": sent.max_priority_fee_per_gas.to_string(),
        "afterBlock": sent.after_block,
    })
    .to_string()
}

fn from_text(hash: &str, text: &str) -> Option<Sent> {
    let value: Value = serde_json::from_str(text).ok()?;
    let wei = |name: &str| value.get(name)?.as_str()?.parse().ok();
    let number = |name: &str| value.get(name)?.as_u64();
    Some(Sent {
        hash: hash.parse::<B256>().ok()?,
        raw: value.get("raw")?.as_str()?.parse::<Bytes>().ok()?,
        sender_nonce: number("senderNonce")?,
        gas: number("gas")?,
        max_fee_per_gas: wei("maxFeePerGas")?,
        max_priority_fee_per_gas: wei("maxPriorityFeePerGas")?,
        after_block: number("afterBlock")?,
    })
}

#[async_trait]
impl SentStore for Store {
    async fn record(&self, payment: &PaymentKey, sent: &Sent) -> Result<(), SentStoreError> {
        let [network, asset, payer, nonce] = key(payment);
        let (hash, text) = (sent.hash.to_string(), to_text(sent));
        self.write(ChangeLock::None, move |db| {
            let row = cells! {
                "network": network,
                "asset": asset,
                "payer": payer,
                "nonce": nonce,
                "transaction_hash": hash,
                "sent": text,
            };
            let or = "ON CONFLICT DO NOTHING";
            db.insert("sent_transactions", &row, or).map(drop)
        })
        .await
        .map_err(|error| failed(&error))
    }

    async fn sent(&self, payment: &PaymentKey) -> Result<Vec<Sent>, SentStoreError> {
        let [network, asset, payer, nonce] = key(payment);
        let rows: Vec<(String, String)> = self
            .read(move |db| {
                db.all(
                    "SELECT transaction_hash, sent FROM sent_transactions
                     WHERE network = ?1 AND asset = ?2 AND payer = ?3 AND nonce = ?4 ORDER BY rowid",
                    values![network, asset, payer, nonce],
                    |row| Ok((row.get("transaction_hash")?, row.get("sent")?)),
                )
            })
            .await
            .map_err(|error| failed(&error))?;
        rows.iter()
            .map(|(hash, text)| from_text(hash, text))
            .collect::<Option<_>>()
            .ok_or_else(|| SentStoreError("a stored transaction cannot be read".into()))
    }
}
