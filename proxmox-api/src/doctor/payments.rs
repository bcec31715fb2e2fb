//! Whether payments can be settled, and whether the payee can receive them.

use std::time::Duration;

use alloy::primitives::{Address, address};
use tokio::time::timeout;
use x402::{
    facilitator::{Description, Facilitator},
    network::Network,
};

use super::{Finding, listed};
use crate::config::{Config, FacilitatorChoice};

const FACILITATOR: &str = "payments.facilitator";
/// How long a facilitator may take to list what it settles.
const SUPPORTED_TIMEOUT: Duration = Duration::from_secs(15);
/// Accounts whose keys are in every manual: the first of the development mnemonic.
const EVERYBODYS: [Address; 5] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
];

/// Asks the facilitator what it settles, and examines the payee.
pub(super) async fn examine(config: &Config, facilitator: &dyn Facilitator) -> Vec<Finding> {
    let described = facilitator.describe();
    let mut findings = vec![payee(config, &described)];
    findings.push(settles(config, facilitator, &described).await);
    findings.extend(seriousness(config, &described));
    findings
}

fn payee(config: &Config, facilitator: &Description) -> Finding {
    const CHECK: &str = "payments.payee";
    const EXPECTED: &str = "ADDRESS is an account of the operator's";
    let payments = &config.payments;
    if !EVERYBODYS.contains(&payments.pay_to) {
        return Finding::ok(CHECK, EXPECTED, payments.pay_to.to_checksum(None));
    }
    let found = "it is a development account whose key everybody knows";
    if facilitator.simulated {
        let found = format!("{found}, and payments are simulated");
        return Finding::ok(CHECK, EXPECTED, found);
    }
    let finding = if payments.network.testnet {
        Finding::warning(CHECK, EXPECTED, found)
    } else {
        Finding::error(CHECK, EXPECTED, found)
    };
    finding.mend("ADDRESS=0x…  # an account of your own")
}

async fn settles(
    config: &Config,
    facilitator: &dyn Facilitator,
    described: &Description,
) -> Finding {
    let network = config.payments.network;
    let who = described.url.as_deref().unwrap_or(described.kind);
    let expected = format!(
        "the facilitator ({who}) settles on {}",
        network.display_name
    );
    let mend = |finding: Finding| {
        finding.mend(
            "FACILITATOR=onchain  # with RPC_URL and GAS_KEY; or cdp, or the URL of another facilitator",
        )
    };
    let supported = match timeout(SUPPORTED_TIMEOUT, facilitator.supported()).await {
        Ok(Ok(supported)) => supported,
        Ok(Err(error)) => {
            return mend(Finding::error(FACILITATOR, &expected, error.to_string()));
        }
        Err(_) => {
            let found = format!("no answer within {} seconds", SUPPORTED_TIMEOUT.as_secs());
            return mend(Finding::error(FACILITATOR, &expected, found));
        }
    };
    let exact = supported.kinds.iter().filter(|kind| kind.scheme == "exact");
    let names: Vec<&str> = exact.map(|kind| kind.network.as_str()).collect();
    if names
        .iter()
        .any(|name| Network::by_name(name) == Some(network))
    {
        let found = if described.simulated {
            "it does, with play money"
        } else {
            "it does"
        };
        return Finding::ok(FACILITATOR, &expected, found);
    }
    let found = format!("it settles on {}", listed(names.iter().copied()));
    let finding = mend(Finding::error(FACILITATOR, &expected, found));
    match names.iter().find(|name| Network::by_name(name).is_some()) {
        Some(other) => finding.mend(format!("NETWORK={other}")),
        None => finding,
    }
}

/// Real machines for play money, and a facilitator without a second source.
fn seriousness(config: &Config, facilitator: &Description) -> Option<Finding> {
    let payments = &config.payments;
    if facilitator.simulated && !config.simulated_proxmox {
        let found = "play money, which is free for everyone: everyone can lease containers";
        return Some(
            Finding::warning(FACILITATOR, "containers are paid for", found)
                .mend("FACILITATOR=https://x402.org/facilitator  # test USDC; see docs/PAYMENTS.md for real money")
                .mend("PVE_SIMULATED=true  # where Proxmox is the simulator"),
        );
    }
    let remote = matches!(
        payments.facilitator,
        FacilitatorChoice::Remote(_) | FacilitatorChoice::Cdp { .. }
    );
    (remote && payments.rpc_url.is_none()).then(|| {
        let expected = "the chain can be asked what became of a payment";
        let found = "there is no RPC_URL: a payment whose settlement's answer is lost stays unresolved until a person decides, \
                     and wallets that are contracts are proven by the facilitator alone";
        let network = payments.network;
        Finding::warning("payments.chain", expected, found).mend(format!(
            "RPC_URL={}  # a public node of {}; any node will do, and it needs no key that can pay",
            network.public_rpc, network.display_name
        ))
    })
}
