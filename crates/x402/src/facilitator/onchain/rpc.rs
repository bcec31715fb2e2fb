//! A JSON-RPC client of a chain's node.

use std::{ops::RangeInclusive, time::Duration};

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use super::fees::Fees;

/// The maximum size of a response, in bytes. A receipt with a few logs is a few KiB.
const MAX_RESPONSE: usize = 1024 * 1024;
/// The maximum length of a node's error text that is kept.
const MAX_TEXT: usize = 200;

/// A failed request to the node.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No response in time; the node may have acted.
    #[error("the node did not answer: {0}")]
    Unreachable(String),
    /// The response cannot be read; the node may have acted.
    #[error("the node's answer cannot be read: {0}")]
    Nonsense(String),
    /// The node refused the request.
    #[error("the node refused ({code}): {message}")]
    Refused {
        /// JSON-RPC's code; 3 is a reverted call.
        code: i64,
        /// The node's message, shortened.
        message: String,
    },
}

/// A client of one node.
pub(super) struct Rpc {
    url: Url,
    client: reqwest::Client,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Envelope<T> {
    // A null result is valid, and `default` would treat an absent result as null.
    result: Option<T>,
    error: Option<RpcRefusal>,
}

#[derive(Deserialize)]
struct RpcRefusal {
    code: i64,
    message: String,
}

/// The members of a block that fees and windows depend on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    pub(super) number: U64,
    pub(super) timestamp: U64,
    #[serde(default)]
    pub(super) base_fee_per_gas: U128,
}

impl Block {
    pub(super) fn number(&self) -> u64 {
        self.number.to()
    }
}

/// A call that the node simulates.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimulatedCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Address>,
    /// Absent if a contract is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Address>,
    pub(super) input: Bytes,
    /// The gas limit in units; the node's own limit is far higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gas: Option<U64>,
    /// The offered fees; without them a contract sees a gas price of zero.
    #[serde(flatten)]
    pub(super) fees: Option<Fees>,
    /// The block whose state is used; the latest if absent.
    #[serde(skip)]
    pub(super) block: Option<u64>,
}

impl SimulatedCall {
    pub(super) fn to(to: Address, input: Bytes) -> Self {
        Self {
            to: Some(to),
            input,
            ..Self::default()
        }
    }

    /// A simulation of creation code. Its result is the code that the contract would have.
    pub(super) fn create(input: Bytes) -> Self {
        Self {
            input,
            ..Self::default()
        }
    }

    fn params(&self) -> Value {
        match self.block {
            Some(number) => json!([self, hex_number(number)]),
            None => json!([self, "latest"]),
        }
    }
}

fn hex_number(number: u64) -> String {
    format!("{number:#x}")
}

/// The receipt of a transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionReceipt {
    pub(super) transaction_hash: B256,
    pub(super) block_number: U64,
    pub(super) block_hash: B256,
    /// 1 unless it reverted.
    pub(super) status: U64,
    pub(super) logs: Vec<Log>,
}

/// One log of the token or another contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
    pub(super) transaction_hash: B256,
    pub(super) block_number: U64,
    pub(super) block_hash: B256,
    /// The log's index in the block.
    pub(super) log_index: U64,
    /// Whether a reorganisation removed the log.
    #[serde(default)]
    pub(super) removed: bool,
}

impl Rpc {
    pub(super) fn new(url: Url, client: reqwest::Client, timeout: Duration) -> Self {
        Self {
            url,
            client,
            timeout,
        }
    }

    /// Scheme, host and port. The path and the query of a node's URL often hold a key, so they are
    /// left out.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<Option<T>, RpcError> {
        let lost = |e: reqwest::Error| RpcError::Unreachable(e.without_url().to_string());
        let mut response = self
            .client
            .post(self.url.clone())
            .timeout(self.timeout)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .send()
            .await
            .map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                return Err(RpcError::Nonsense(format!("over {MAX_RESPONSE} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let envelope: Envelope<T> = serde_json::from_slice(&body)
            .map_err(|_| RpcError::Nonsense(format!("HTTP {}", response.status())))?;
        match envelope.error {
            None => Ok(envelope.result),
            Some(error) => Err(RpcError::Refused {
                code: error.code,
                message: error.message.chars().take(MAX_TEXT).collect(),
            }),
        }
    }

    async fn get<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        self.ask(method, params)
            .await?
            .ok_or_else(|| RpcError::Nonsense(format!("{method} without a result")))
    }

    pub(super) async fn chain_id(&self) -> Result<u64, RpcError> {
        let id: U64 = self.get("eth_chainId", json!([])).await?;
        Ok(id.to())
    }

    pub(super) async fn code(&self, address: Address) -> Result<Bytes, RpcError> {
        self.get("eth_getCode", json!([address, "latest"])).await
    }

    /// The code of an account after a block.
    pub(super) async fn code_at(&self, address: Address, block: u64) -> Result<Bytes, RpcError> {
        let params = json!([address, hex_number(block)]);
        self.get("eth_getCode", params).await
    }

    pub(super) async fn gas_balance(&self, address: Address) -> Result<U256, RpcError> {
        self.get("eth_getBalance", json!([address, "latest"])).await
    }

    /// The next nonce of an account: by mined transactions, and with those in the node's pool.
    pub(super) async fn nonces(&self, address: Address) -> Result<(u64, u64), RpcError> {
        let count =
            |at: &'static str| self.get::<U64>("eth_getTransactionCount", json!([address, at]));
        let (mined, pending) = tokio::try_join!(count("latest"), count("pending"))?;
        // The pending count is never lower. It can seem lower if two nodes answered and one lags
        // behind.
        Ok((mined.to(), pending.to::<u64>().max(mined.to())))
    }

    pub(super) async fn latest_block(&self) -> Result<Block, RpcError> {
        self.get("eth_getBlockByNumber", json!(["latest", false]))
            .await
    }

    pub(super) async fn block(&self, number: u64) -> Result<Block, RpcError> {
        let params = json!([hex_number(number), false]);
        self.get("eth_getBlockByNumber", params).await
    }

    /// The suggested priority fee in wei; zero for nodes that suggest none.
    pub(super) async fn priority_fee(&self) -> Result<u128, RpcError> {
        match self
            .get::<U128>("eth_maxPriorityFeePerGas", json!([]))
            .await
        {
            Ok(fee) => Ok(fee.to()),
            Err(RpcError::Refused { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The current fees of the chain, and its latest block.
    pub(super) async fn fees(&self) -> Result<(Fees, Block), RpcError> {
        let (block, priority_fee) = tokio::try_join!(self.latest_block(), self.priority_fee())?;
        let fees = Fees::over_base(block.base_fee_per_gas.to(), priority_fee);
        Ok((fees, block))
    }

    pub(super) async fn call(&self, call: &SimulatedCall) -> Result<Bytes, RpcError> {
        self.get("eth_call", call.params()).await
    }

    /// The gas that a call needs, found by a simulation on the node.
    pub(super) async fn estimate_gas(&self, call: &SimulatedCall) -> Result<u64, RpcError> {
        let gas: U64 = self.get("eth_estimateGas", call.params()).await?;
        Ok(gas.to())
    }

    pub(super) async fn broadcast(&self, raw: &Bytes) -> Result<B256, RpcError> {
        self.get("eth_sendRawTransaction", json!([raw])).await
    }

    pub(super) async fn receipt(
        &self,
        transaction: B256,
    ) -> Result<Option<TransactionReceipt>, RpcError> {
        self.ask("eth_getTransactionReceipt", json!([transaction]))
            .await
    }

    /// The logs of one contract with these topics in these blocks.
    pub(super) async fn logs(
        &self,
        address: Address,
        topics: &Value,
        blocks: RangeInclusive<u64>,
    ) -> Result<Vec<Log>, RpcError> {
        let filter = json!([{
            "address": address,
            "topics": topics,
            "fromBlock": hex_number(*blocks.start()),
            "toBlock": hex_number(*blocks.end()),
        }]);
        self.get("eth_getLogs", filter).await
    }
}

impl RpcError {
    /// Whether a simulated call reverted, by the messages that nodes use.
    pub(super) fn reverted(&self) -> bool {
        matches!(self, Self::Refused { code, message }
            if *code == 3 || message.to_ascii_lowercase().contains("revert"))
    }

    /// Whether a simulated call failed: it reverted, ran out of gas, or is not valid code.
    pub(super) fn failed_in_evm(&self) -> bool {
        self.reverted()
            || self.says(&[
                "out of gas",
                "outofgas",
                "gas required exceeds",
                "invalid opcode",
                "invalid jump",
                "stack underflow",
                "evm error",
            ])
    }

    /// Whether the node's message contains one of these phrases.
    pub(super) fn says(&self, phrases: &[&str]) -> bool {
        let Self::Refused { message, .. } = self else {
            return false;
        };
        let message = message.to_ascii_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
    }
}
