//! Whether payments can be settled, and whether they reach somebody.

use std::time::Duration;

use alloy::primitives::{Address, address};
use tokio::time::timeout;
use x402::{facilitator::Facilitator, network::Network};

use super::Finding;
use crate::config::Config;

/// How long a facilitator may take to say what it settles.
const PATIENCE: Duration = Duration::from_secs(15);
/// Accounts whose keys are in every manual: the first of the development mnemonic.
const EVERYBODYS: [Address; 3] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
];

/// Asks the facilitator what it settles, and looks at the payee.
pub(super) async fn examine(config: &Config, facilitator: &dyn Facilitator) -> Vec<Finding> {
    vec![
        payee(config, facilitator),
        settles(config, facilitator).await,
    ]
}

fn payee(config: &Config, facilitator: &dyn Facilitator) -> Finding {
    const CHECK: &str = "payments.payee";
    const EXPECTED: &str = "ADDRESS is an account of the operator's";
    let payments = &config.payments;
    let known = EVERYBODYS.contains(&payments.pay_to);
    if !known {
        return Finding::ok(CHECK, EXPECTED, payments.pay_to.to_checksum(None));
    }
    let found = "it is a development account whose key everybody knows";
    if facilitator.describe().simulated {
        return Finding::ok(
            CHECK,
            EXPECTED,
            format!("{found}, and payments are simulated"),
        );
    }
    let finding = if payments.network.testnet {
        Finding::warning(CHECK, EXPECTED, found)
    } else {
        Finding::error(CHECK, EXPECTED, found)
    };
    finding.mend("ADDRESS=0x…  # an account of your own")
}

async fn settles(config: &Config, facilitator: &dyn Facilitator) -> Finding {
    const CHECK: &str = "payments.facilitator";
    let network = config.payments.network;
    let described = facilitator.describe();
    let who = described.url.as_deref().unwrap_or(described.kind);
    let expected = format!(
        "the facilitator ({who}) settles on {}",
        network.display_name
    );
    let mend = "FACILITATOR=onchain with RPC_URL and GAS_KEY, cdp, or another facilitator's URL";
    let supported = match timeout(PATIENCE, facilitator.supported()).await {
        Ok(Ok(supported)) => supported,
        Ok(Err(error)) => {
            return Finding::error(CHECK, &expected, error.to_string()).mend(mend);
        }
        Err(_) => {
            let found = format!("no answer within {} seconds", PATIENCE.as_secs());
            return Finding::error(CHECK, &expected, found).mend(mend);
        }
    };
    let exact = supported.kinds.iter().filter(|kind| kind.scheme == "exact");
    let names: Vec<&str> = exact.map(|kind| kind.network.as_str()).collect();
    if names
        .iter()
        .any(|name| Network::by_name(name) == Some(network))
    {
        let money = if described.simulated {
            "play money"
        } else {
            "it does"
        };
        return Finding::ok(CHECK, &expected, money);
    }
    let found = format!(
        "it settles on {}",
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    );
    Finding::error(CHECK, &expected, found).mend(mend)
}
