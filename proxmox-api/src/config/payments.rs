//! The payee, the network of payments, and the facilitator.

use std::time::Duration;

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use service::env::{Env, Secret, schema::Variable};
use url::Url;
use x402::{facilitator::onchain::GasPolicy, network::Network};

use super::variables;

/// The payee, the network and the facilitator.
#[derive(Clone, Debug)]
pub struct PaymentConfig {
    /// The payee's address: `ADDRESS`.
    pub pay_to: Address,
    /// The chain of the payments: `NETWORK`.
    pub network: &'static Network,
    /// The facilitator, which verifies and settles: `FACILITATOR`.
    pub facilitator: FacilitatorChoice,
    /// How long a settlement may take before its outcome is unknown: `FACILITATOR_TIMEOUT_SECONDS`.
    pub settle_timeout: Duration,
    /// A node of the chain, which shows what became of a payment: `RPC_URL`.
    pub rpc_url: Option<Url>,
    /// Blocks after which a transfer counts: `CONFIRMATIONS`.
    pub confirmations: u64,
    /// What a settlement by the gas key may cost: `GAS_MAX_FEE_GWEI`, `GAS_LIMIT_ORDINARY`,
    /// `GAS_LIMIT_CONTRACT`, `GAS_COIN_USD` and `MIN_DEPLOY_PRICE`.
    pub gas: GasPolicy,
    /// Whether the challenge says that calls are settled before they are performed:
    /// `ANNOUNCE_UPFRONT`.
    pub announce_upfront: bool,
    /// Sum of one wallet's payments that may wait for their settlement, in atomic USDC:
    /// `MAX_RESERVED_PER_WALLET`.
    pub max_reserved: u64,
}

/// The facilitator, which verifies and settles.
#[derive(Clone, Debug)]
pub enum FacilitatorChoice {
    /// The demo ledger, with play money in the service's store: `demo`.
    Demo,
    /// A facilitator at a URL.
    Remote(Url),
    /// Coinbase's: `cdp`, with `CDP_API_KEY_ID` and `CDP_API_KEY_SECRET`.
    Cdp {
        /// The key's id.
        key_id: String,
        /// The key's secret.
        key_secret: Secret,
    },
    /// The operator's own gas key: `onchain`, with `GAS_KEY` and `RPC_URL`.
    Onchain {
        /// The key that sends the transfers and pays for gas.
        gas_key: PrivateKeySigner,
        /// The node.
        node: Url,
    },
}

impl PaymentConfig {
    /// Which money is paid: the network, and whether it is play money of the demo ledger.
    pub fn money(&self) -> String {
        match self.facilitator {
            FacilitatorChoice::Demo => format!("demo {}", self.network.caip2),
            _ => self.network.caip2.to_owned(),
        }
    }

    /// The sentence with which documents begin where payments are play money; empty elsewhere.
    pub fn play_money_notice(&self) -> &'static str {
        match self.facilitator {
            FacilitatorChoice::Demo => {
                "This is a demonstration: payments are play money in a ledger of its own, and no transaction of them is on any chain. "
            }
            _ => "",
        }
    }

    /// Reads everything about payments; `None` only after a problem was recorded.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        let pay_to: Option<Address> = env.need(&variables::ADDRESS);
        if pay_to == Some(Address::ZERO) {
            env.reject(
                &variables::ADDRESS,
                "is the zero address, which nobody owns",
            );
        }
        // Only a spelling in both cases carries a checksum.
        let text = env.find_text(&variables::ADDRESS).unwrap_or_default();
        let digits = text.trim_start_matches("0x");
        let mixed = digits.to_ascii_lowercase() != digits && digits.to_ascii_uppercase() != digits;
        if pay_to.is_some() && mixed && Address::parse_checksummed(&text, None).is_err() {
            env.reject(
                &variables::ADDRESS,
                "has a character that is wrong: its checksum does not fit",
            );
        }
        let network = Network::by_name(&env.read_text(&variables::NETWORK));
        if network.is_none() {
            env.reject(&variables::NETWORK, "names no network that is known");
        }
        let rpc_url = url(env, &variables::RPC_URL);
        let facilitator = choose(env, network, rpc_url.as_ref());
        let seconds = env.read_in(&variables::FACILITATOR_TIMEOUT_SECONDS, 1..=240);
        let announce_upfront = env.read_flag(&variables::ANNOUNCE_UPFRONT);
        let max_reserved = env.read_in(&variables::MAX_RESERVED_PER_WALLET, 1..=u64::MAX / 4);
        let confirmations = confirmations(env, network);
        let gas = gas(env, network);
        Some(Self {
            pay_to: pay_to?,
            network: network?,
            facilitator: facilitator?,
            confirmations: confirmations?,
            gas: gas?,
            settle_timeout: Duration::from_secs(seconds),
            rpc_url,
            announce_upfront,
            max_reserved,
        })
    }
}

fn confirmations(env: &mut Env, network: Option<&'static Network>) -> Option<u64> {
    let variable = &variables::CONFIRMATIONS;
    if env.find_text(variable).is_none() {
        return network.map(|network| network.confirmations);
    }
    let number = env.find(variable)?;
    if !(1..=64).contains(&number) {
        env.reject(variable, "has to be from 1 to 64");
        return None;
    }
    Some(number)
}

fn gas(env: &mut Env, network: Option<&'static Network>) -> Option<GasPolicy> {
    let max_fee = env.read_in(&variables::GAS_MAX_FEE_GWEI, 1..=1_000_000_u64);
    let limit_ordinary = env.read_in(&variables::GAS_LIMIT_ORDINARY, 60_000..=5_000_000);
    let limit_contract = env.read_in(&variables::GAS_LIMIT_CONTRACT, 60_000..=5_000_000);
    let min_deploy_price = env.read_in(&variables::MIN_DEPLOY_PRICE, 0..=u64::MAX / 4);
    let coin_usd = match env.find_text(&variables::GAS_COIN_USD) {
        Some(_) => env.find(&variables::GAS_COIN_USD),
        None => network.map(|network| network.coin_usd),
    };
    Some(GasPolicy {
        limit_ordinary,
        limit_contract,
        min_deploy_price,
        max_fee_per_gas: u128::from(max_fee) * 1_000_000_000,
        coin_price: coin_usd?.saturating_mul(1_000_000),
    })
}

fn url(env: &mut Env, variable: &Variable) -> Option<Url> {
    let url: Url = env.find(variable)?;
    if !matches!(url.scheme(), "http" | "https") {
        env.reject(variable, "has to begin with http:// or https://");
        return None;
    }
    Some(url)
}

fn choose(
    env: &mut Env,
    network: Option<&'static Network>,
    rpc_url: Option<&Url>,
) -> Option<FacilitatorChoice> {
    let (variable, default) = (
        &variables::FACILITATOR,
        variables::FACILITATOR.default_text(),
    );
    let text = env.read_text(variable);
    match text.to_ascii_lowercase().as_str() {
        "demo" => {
            if network.is_some_and(|network| !network.testnet) {
                let what = "is demo, but NETWORK has real money";
                env.reject(variable, what);
            }
            Some(FacilitatorChoice::Demo)
        }
        "cdp" => {
            let key_id = env.need_text(&variables::CDP_API_KEY_ID);
            let key_secret = env.need_secret(&variables::CDP_API_KEY_SECRET);
            Some(FacilitatorChoice::Cdp {
                key_id: key_id?,
                key_secret: key_secret?,
            })
        }
        "onchain" => {
            let gas_key = env.need_secret(&variables::GAS_KEY).and_then(|key| {
                // The parser's error text could repeat the key.
                let parsed = key.expose().parse::<PrivateKeySigner>().ok();
                if parsed.is_none() {
                    env.reject(&variables::GAS_KEY, "is no private key");
                }
                parsed
            });
            if rpc_url.is_none() {
                env.reject(
                    &variables::RPC_URL,
                    "is needed where FACILITATOR is onchain",
                );
            }
            Some(FacilitatorChoice::Onchain {
                gas_key: gas_key?,
                node: rpc_url?.clone(),
            })
        }
        _ => {
            let url = url(env, variable);
            let real = network.is_some_and(|network| !network.testnet);
            if real && text.trim_end_matches('/') == default {
                let what = "serves test networks only, and NETWORK has real money";
                env.reject(variable, what);
            }
            match url {
                Some(url) => Some(FacilitatorChoice::Remote(url)),
                // Unset means the default; a text that is no URL was recorded as a problem.
                None if text == default => Url::parse(default).ok().map(FacilitatorChoice::Remote),
                None => None,
            }
        }
    }
}
