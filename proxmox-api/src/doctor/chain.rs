//! Whether the node is on the right chain, whether the gas key can pay for settlements, and whether
//! money came to `ADDRESS` that this installation has no payment for.

use std::sync::Arc;

use alloy::primitives::{U256, utils::format_ether};
use url::Url;
use x402::facilitator::onchain::{MemorySentStore, OnchainFacilitator, SetupError, Witness};

use super::Finding;
use crate::{
    config::{Config, FacilitatorChoice, PaymentConfig},
    ids::Wallet,
    state,
    store::{DatabaseCondition, Store, database_condition},
};

const NODE: &str = "payments.chain";
const GAS: &str = "payments.gas";
/// Settlements that the gas key should at least be able to pay for.
const ENOUGH: u64 = 20;

const TRANSFERS: &str = "payments.transfers";
/// Blocks that are searched for transfers: five hours of a chain with a block every two seconds.
const LOOK_BACK: u64 = 9_000;
/// Payments that these transfers may be of: as old as the blocks are with 12 seconds for each, and
/// half a day more, which is longer than a payment is valid.
const LOOK_BACK_SECONDS: i64 = 9_000 * 12 + 12 * 3_600;

/// Searches for transfers to `ADDRESS` that the store does not have. They are money without a
/// delivery, or another installation uses the same address. Without a node or a store there is no
/// finding.
pub(super) async fn unknown_transfers(config: &Config, now: i64) -> Option<Finding> {
    let payments = &config.payments;
    let node = payments.rpc_url.clone()?;
    if matches!(payments.facilitator, FacilitatorChoice::Demo)
        || !matches!(
            database_condition(&config.database).await,
            Ok(DatabaseCondition::InOrder)
        )
    {
        return None;
    }
    let expected = "this store knows the transfers to ADDRESS";
    let http = state::facilitator_http().ok()?;
    let witness = Witness::new(payments.network, node, http);
    let seen = match witness.transfers_to(payments.pay_to, LOOK_BACK).await {
        Ok(seen) => seen,
        // A broken node has another finding; some public nodes refuse to search so far back.
        Err(error) => {
            return Some(Finding::ok(
                TRANSFERS,
                expected,
                format!("unknown: {error}"),
            ));
        }
    };
    let known = match Store::open_database(&config.database).await {
        Ok(store) => {
            let transfers = seen.iter().map(|transfer| {
                let payer = Wallet::from(transfer.from);
                (payer, transfer.evidence.transaction.clone())
            });
            let network = payments.network.caip2;
            let since = now - LOOK_BACK_SECONDS;
            store
                .known_transactions(network, transfers.collect(), since)
                .await
        }
        Err(error) => Err(error),
    };
    let known = known.ok()?;
    let strange: Vec<_> = seen
        .iter()
        .filter(|transfer| !known.contains(&transfer.evidence.transaction.to_lowercase()))
        .collect();
    let Some(latest) = strange.last() else {
        let found = format!("all {} of the last {LOOK_BACK} blocks", seen.len());
        return Some(Finding::ok(TRANSFERS, expected, found));
    };
    let found = format!(
        "{} of {} in the last {LOOK_BACK} blocks are unknown, the latest from {}: {}",
        strange.len(),
        seen.len(),
        latest.from,
        payments.network.explorer_tx(&latest.evidence.transaction),
    );
    Some(
        Finding::warning(TRANSFERS, expected, found)
            .mend(
                "ADDRESS=0x…  # one of its own for each installation: one payment could buy at two",
            )
            .mend("proxmox-api payments due  # whether something was paid for and not delivered"),
    )
}

/// Examines the node and the gas key, if a node is configured.
pub(super) async fn examine(payments: &PaymentConfig) -> Vec<Finding> {
    let http = match state::facilitator_http() {
        Ok(http) => http,
        Err(error) => {
            let expected = "a client for the chain's node can be made";
            return vec![Finding::error(NODE, expected, format!("{error:#}"))];
        }
    };
    if let FacilitatorChoice::Onchain { gas_key, node } = &payments.facilitator {
        let sent = Arc::new(MemorySentStore::default());
        let settler = OnchainFacilitator::new(
            payments.network,
            node.clone(),
            http,
            gas_key.clone(),
            sent,
            state::chain_settings(payments),
        );
        return settling(payments, node, &settler).await;
    }
    let Some(node) = &payments.rpc_url else {
        return Vec::new();
    };
    let witness = Witness::new(payments.network, node.clone(), http);
    vec![match witness.check().await {
        Ok(()) => fits(payments, node),
        Err(error) => unfit(payments, node, &error),
    }]
}

async fn settling(
    payments: &PaymentConfig,
    node: &Url,
    settler: &OnchainFacilitator,
) -> Vec<Finding> {
    let account = settler.gas_key();
    let expected = format!("the gas key's account {account} can pay for settlements");
    let fund = format!(
        "send {} coins for gas to {account}",
        payments.network.display_name
    );
    let balance = match settler.check().await {
        Ok(balance) => balance,
        Err(SetupError::NoGas(_)) => {
            let broke = Finding::error(GAS, &expected, "it has nothing").mend(fund);
            return vec![fits(payments, node), broke];
        }
        Err(error) => return vec![unfit(payments, node, &error)],
    };
    let gas = match settler.settlement_cost().await {
        Ok(cost) => {
            // A gas price of zero counts as one wei.
            let enough_for = balance / cost.max(U256::ONE);
            let found = format!(
                "{} coins, enough for about {enough_for} settlements",
                format_ether(balance)
            );
            if enough_for < U256::from(ENOUGH) {
                Finding::warning(GAS, &expected, found).mend(fund)
            } else {
                Finding::ok(GAS, &expected, found)
            }
        }
        Err(error) => Finding::warning(GAS, &expected, error.to_string()),
    };
    vec![fits(payments, node), gas]
}

fn expected(payments: &PaymentConfig, node: &Url) -> String {
    // Paths and queries of a node's URL often hold a key.
    let place = node.origin().ascii_serialization();
    format!(
        "the node of RPC_URL ({place}) is on {}, with its USDC",
        payments.network.display_name
    )
}

fn fits(payments: &PaymentConfig, node: &Url) -> Finding {
    Finding::ok(NODE, &expected(payments, node), "it is")
}

fn unfit(payments: &PaymentConfig, node: &Url, error: &SetupError) -> Finding {
    let network = payments.network;
    Finding::error(NODE, &expected(payments, node), error.to_string())
        .mend(format!(
            "RPC_URL=https://…  # a node of {} (chain {})",
            network.display_name, network.chain_id
        ))
        .mend("NETWORK=…  # the network that the node is on")
}
