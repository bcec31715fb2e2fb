//! A node of the ledger's chain, over JSON-RPC: as much of it as is asked for, and sometimes
//! silent, behind or wrong.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256, hex, keccak256},
    sol_types::SolValue as _,
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use x402::network::Network;

use crate::world::ledger::{Ledger, Transfer, TransferKind};

/// What is the matter with the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCondition {
    /// Nothing.
    Good,
    /// It answers 503.
    Down,
    /// It takes the question and does not answer.
    Silent,
    /// It does not know of so many of the newest blocks.
    Behind(u64),
    /// It answers nonsense.
    Nonsense,
}

/// The node.
pub struct ChainNode {
    ledger: Arc<Ledger>,
    network: &'static Network,
    condition: Mutex<NodeCondition>,
}

impl ChainNode {
    /// A good one.
    pub fn new(ledger: Arc<Ledger>, network: &'static Network) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            network,
            condition: Mutex::new(NodeCondition::Good),
        })
    }

    /// Changes what is the matter with it.
    pub fn set(&self, condition: NodeCondition) {
        *self
            .condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = condition;
    }

    fn condition(&self) -> NodeCondition {
        *self
            .condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Its routes.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", post(answer))
            .with_state(Arc::clone(self))
    }

    fn head(&self) -> u64 {
        match self.condition() {
            NodeCondition::Behind(blocks) => self.ledger.head().saturating_sub(blocks),
            _ => self.ledger.head(),
        }
    }

    fn ask(&self, method: &str, params: &Value) -> Result<Value, String> {
        match method {
            "eth_chainId" => Ok(json!(format!("{:#x}", self.network.chain_id))),
            "eth_blockNumber" => Ok(quantity(self.head())),
            "eth_getCode" => {
                let token = self.network.usdc.address;
                let asked: Option<Address> = params[0].as_str().and_then(|t| t.parse().ok());
                Ok(json!(if asked == Some(token) { "0x60" } else { "0x" }))
            }
            "eth_getBlockByNumber" => {
                let block = self.block_of(&params[0])?;
                Ok(json!({
                    "number": quantity(block), "timestamp": quantity(self.ledger.time(block)),
                    "hash": self.ledger.hash(block), "baseFeePerGas": "0x1",
                }))
            }
            "eth_call" => self.call(params),
            "eth_getLogs" => self.logs(&params[0]),
            "eth_getTransactionReceipt" => Ok(self.receipt(&params[0])),
            _ => Err(format!("the method {method} does not exist")),
        }
    }

    /// The number that a parameter names, if the node has that block.
    fn block_of(&self, named: &Value) -> Result<u64, String> {
        let head = self.head();
        let number = match named.as_str() {
            Some("latest" | "pending") | None => head,
            Some(text) => {
                u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|e| e.to_string())?
            }
        };
        if number > head {
            return Err("header not found".into());
        }
        Ok(number)
    }

    fn call(&self, params: &Value) -> Result<Value, String> {
        let block = self.block_of(&params[1])?;
        let input = params[0]["input"].as_str().or(params[0]["data"].as_str());
        let input = hex::decode(input.unwrap_or_default()).map_err(|e| e.to_string())?;
        let (selector, rest) = input.split_at_checked(4).ok_or("no call")?;
        let is = |signature: &str| keccak256(signature)[..4] == *selector;
        let answer = if is("authorizationState(address,bytes32)") {
            let (from, nonce) = <(Address, B256)>::abi_decode_params(rest).map_err(text)?;
            let used = self.ledger.find_by_nonce(from, nonce);
            let used = used.and_then(|used| used.place);
            used.is_some_and(|place| place.block <= block).abi_encode()
        } else if is("balanceOf(address)") {
            let account = Address::abi_decode(rest).map_err(text)?;
            U256::from(self.ledger.balance(account)).abi_encode()
        } else if is("paused()") || is("isBlacklisted(address)") {
            false.abi_encode()
        } else {
            return Err("execution reverted".into());
        };
        Ok(json!(hex::encode_prefixed(answer)))
    }

    fn logs(&self, filter: &Value) -> Result<Value, String> {
        let first = self.block_of(&filter["fromBlock"])?;
        // A search may go beyond the newest block.
        let last = self.block_of(&filter["toBlock"]).unwrap_or(self.head());
        let mut found: Vec<(u64, u64, Value)> = Vec::new();
        for one in self.ledger.transfers() {
            let Some(place) = one.place else { continue };
            for (index, log) in (place.log_index..).zip(self.logs_of(&one)) {
                if (first..=last).contains(&place.block) && matches_topics(&log, &filter["topics"])
                {
                    found.push((place.block, index, log));
                }
            }
        }
        found.sort_by_key(|(block, index, _)| (*block, *index));
        Ok(found.into_iter().map(|(_, _, log)| log).collect())
    }

    fn receipt(&self, transaction: &Value) -> Value {
        let asked: Option<B256> = transaction.as_str().and_then(|text| text.parse().ok());
        let all = self.ledger.transfers();
        let Some(one) = all.iter().find(|one| Some(one.transaction) == asked) else {
            return Value::Null;
        };
        let Some(place) = one.place.filter(|place| place.block <= self.head()) else {
            return Value::Null;
        };
        json!({
            "transactionHash": one.transaction, "blockNumber": quantity(place.block),
            "blockHash": self.ledger.hash(place.block), "status": "0x1", "logs": self.logs_of(one),
        })
    }

    fn logs_of(&self, one: &Transfer) -> Vec<Value> {
        let Some(place) = one.place.filter(|place| place.block <= self.head()) else {
            return Vec::new();
        };
        let log = |index: u64, signature: &str, topics: [B256; 2], data: Vec<u8>| {
            json!({
                "address": self.network.usdc.address,
                "topics": [keccak256(signature), topics[0], topics[1]],
                "data": hex::encode_prefixed(data), "transactionHash": one.transaction,
                "blockNumber": quantity(place.block), "blockHash": self.ledger.hash(place.block),
                "logIndex": quantity(index), "removed": false,
            })
        };
        let from = one.from.into_word();
        let moved = |index: u64| {
            let topics = [from, one.to.into_word()];
            let data = U256::from(one.value).abi_encode();
            log(index, "Transfer(address,address,uint256)", topics, data)
        };
        let about = |event: &str| log(place.log_index, event, [from, one.nonce], Vec::new());
        match one.kind {
            TransferKind::Plain => vec![moved(place.log_index)],
            TransferKind::Canceled => vec![about("AuthorizationCanceled(address,bytes32)")],
            TransferKind::Authorized => vec![
                about("AuthorizationUsed(address,bytes32)"),
                moved(place.log_index + 1),
            ],
        }
    }
}

fn text(error: alloy::sol_types::Error) -> String {
    error.to_string()
}

fn quantity(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

/// Whether a log has the topics of a filter; null fits anything, a list fits any of it.
fn matches_topics(log: &Value, topics: &Value) -> bool {
    let wanted = topics.as_array().map(Vec::as_slice).unwrap_or_default();
    wanted.iter().enumerate().all(|(at, wanted)| match wanted {
        Value::Null => true,
        Value::Array(any) => any.contains(&log["topics"][at]),
        one => log["topics"][at] == *one,
    })
}

async fn answer(State(node): State<Arc<ChainNode>>, Json(request): Json<Value>) -> Response {
    match node.condition() {
        NodeCondition::Down => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        NodeCondition::Silent => tokio::time::sleep(Duration::from_secs(12)).await,
        NodeCondition::Nonsense => return "<html>not a node</html>".into_response(),
        NodeCondition::Good | NodeCondition::Behind(_) => {}
    }
    let method = request["method"].as_str().unwrap_or_default();
    let id = &request["id"];
    let answer = match node.ask(method, &request["params"]) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(message) => {
            let error = json!({"code": -32000, "message": message});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        }
    };
    Json(answer).into_response()
}
