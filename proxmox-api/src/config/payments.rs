//! Who is paid, on which network, and who moves the money.

use std::time::Duration;

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use service::env::{Env, Secret};
use url::Url;
use x402::network::Network;

/// Where the reference facilitator for test networks answers.
const DEFAULT_FACILITATOR: &str = "https://x402.org/facilitator";

/// Who is paid, where and through whom.
#[derive(Clone, Debug)]
pub struct PaymentConfig {
    /// Who is paid: `ADDRESS`.
    pub pay_to: Address,
    /// Where it is paid: `NETWORK`.
    pub network: &'static Network,
    /// Who verifies and settles: `FACILITATOR`.
    pub facilitator: FacilitatorChoice,
    /// How long a settlement may take before its outcome is unknown: `FACILITATOR_TIMEOUT_SECONDS`.
    pub settle_timeout: Duration,
    /// A node that can be asked what became of a payment: `RPC_URL`.
    pub rpc_url: Option<Url>,
    /// Whether the challenge says that calls are settled before they are performed: `ANNOUNCE_UPFRONT`.
    pub announce_upfront: bool,
    /// What payments of one wallet may wait to be settled, in atomic USDC: `MAX_RESERVED_PER_WALLET`.
    pub max_reserved: u64,
}

/// Who verifies and settles.
#[derive(Clone, Debug)]
pub enum FacilitatorChoice {
    /// Play money in our own store: `demo`.
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
    /// A gas key of our own: `onchain`, with `GAS_KEY` and `RPC_URL`.
    Onchain {
        /// The key that sends the transfers and pays for gas.
        gas_key: PrivateKeySigner,
        /// The node.
        node: Url,
    },
}

impl PaymentConfig {
    /// Reads everything about payments; `None` only after noting a problem.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        let example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let pay_to: Option<Address> = env.required("ADDRESS", example);
        if pay_to == Some(Address::ZERO) {
            env.problem("ADDRESS", "nobody owns the zero address", example);
        }
        let network = Network::by_name(&env.text("NETWORK", "base-sepolia"));
        if network.is_none() {
            env.problem("NETWORK", "no such network is known", "base-sepolia");
        }
        let rpc_url = url(env, "RPC_URL", "https://sepolia.base.org");
        let facilitator = choose(env, network, rpc_url.as_ref());
        let seconds = env.number_in("FACILITATOR_TIMEOUT_SECONDS", 60, 1..=240);
        let announce_upfront = env.flag("ANNOUNCE_UPFRONT", true);
        let max_reserved = env.number_in("MAX_RESERVED_PER_WALLET", 50_000_000, 1..=u64::MAX / 4);
        Some(Self {
            pay_to: pay_to?,
            network: network?,
            facilitator: facilitator?,
            settle_timeout: Duration::from_secs(seconds),
            rpc_url,
            announce_upfront,
            max_reserved,
        })
    }
}

fn url(env: &mut Env, name: &str, example: &str) -> Option<Url> {
    let url: Url = env.optional(name, example)?;
    if !matches!(url.scheme(), "http" | "https") {
        let what = "has to begin with http:// or https://";
        env.problem(name, what, example);
        return None;
    }
    Some(url)
}

fn choose(
    env: &mut Env,
    network: Option<&'static Network>,
    rpc_url: Option<&Url>,
) -> Option<FacilitatorChoice> {
    let text = env.text("FACILITATOR", DEFAULT_FACILITATOR);
    match text.to_ascii_lowercase().as_str() {
        "demo" => {
            if network.is_some_and(|network| !network.testnet) {
                let what = "is demo, but NETWORK has real money";
                env.problem("FACILITATOR", what, "cdp, onchain or a URL");
            }
            Some(FacilitatorChoice::Demo)
        }
        "cdp" => {
            let key_id = env.required_text("CDP_API_KEY_ID", "the id of a Coinbase API key");
            let key_secret =
                env.required_secret("CDP_API_KEY_SECRET", "the secret of a Coinbase API key");
            Some(FacilitatorChoice::Cdp {
                key_id: key_id?,
                key_secret: key_secret?,
            })
        }
        "onchain" => {
            let example = "0x and 64 hexadecimal digits, in GAS_KEY or in the file GAS_KEY_FILE";
            let gas_key = env.required_secret("GAS_KEY", example).and_then(|key| {
                // The parser's own text could repeat the key.
                let parsed = key.expose().parse::<PrivateKeySigner>().ok();
                if parsed.is_none() {
                    env.problem("GAS_KEY", "is no private key", example);
                }
                parsed
            });
            if rpc_url.is_none() {
                let what = "is needed where FACILITATOR is onchain";
                env.problem("RPC_URL", what, "https://sepolia.base.org");
            }
            Some(FacilitatorChoice::Onchain {
                gas_key: gas_key?,
                node: rpc_url?.clone(),
            })
        }
        _ => {
            let url = url(env, "FACILITATOR", DEFAULT_FACILITATOR);
            let real = network.is_some_and(|network| !network.testnet);
            if real && text.trim_end_matches('/') == DEFAULT_FACILITATOR {
                let what = "serves test networks only, and NETWORK has real money";
                env.problem("FACILITATOR", what, "cdp, onchain or a URL");
            }
            match url {
                Some(url) => Some(FacilitatorChoice::Remote(url)),
                // Unset means the default; what was set and is no URL has been noted.
                None if text == DEFAULT_FACILITATOR => Url::parse(DEFAULT_FACILITATOR)
                    .ok()
                    .map(FacilitatorChoice::Remote),
                None => None,
            }
        }
    }
}
