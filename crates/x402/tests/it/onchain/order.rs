//! The order of the gas key's transactions: a transaction that is lost does not block later ones.

use std::{sync::Arc, time::Duration};

use alloy::{primitives::U256, signers::local::PrivateKeySigner};
use x402::{
    eip3009,
    facilitator::{
        Facilitator as _, FacilitatorRequest, Settlement,
        onchain::{ChainSettings, MemorySentStore, SentStore as _},
    },
    payment::Payment,
};

use super::{QUICK, buyer, facilitator, key, now, request, transaction};
use crate::{
    anvil::Chain,
    client::offer,
    node::{Line, Node},
};

/// A settlement does not wait, and leaves its transaction to the task that sends.
const BRIEF: ChainSettings = ChainSettings {
    settle_timeout: Duration::ZERO,
    ..QUICK
};

/// A payment that is valid for this many seconds.
fn brief_request(signer: &PrivateKeySigner, seconds: u64) -> FacilitatorRequest {
    let mut request = request(signer);
    let Payment::V2(payload) = &mut request.payment_payload else {
        unreachable!()
    };
    let payload = &mut payload.payload;
    payload.authorization.valid_before = U256::from(now() + seconds);
    let network = offer().network;
    payload.signature =
        eip3009::sign(signer, network, &network.usdc, &payload.authorization).unwrap();
    request
}

async fn over(chain: &Chain, request: &FacilitatorRequest) {
    let end = request.payment_payload.authorization().valid_before;
    chain
        .until("the end of the window", async || U256::from(now()) >= end)
        .await;
}

#[tokio::test]
async fn behind_a_lost_transaction_nothing_is_sent_and_when_the_node_is_back_both_are() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    for number in 1..=2 {
        chain.mint(buyer(number).address(), 8_900).await;
    }
    let store = Arc::new(MemorySentStore::default());
    // The late outbid time makes sure that the order of transactions reveals the gap.
    let settings = ChainSettings {
        outbid_after: Duration::from_secs(3600),
        ..BRIEF
    };
    let facilitator = facilitator(&node.url, &store, settings);
    node.set(Line::LosesTransactions);
    let (lost, second) = (request(&buyer(1)), request(&buyer(2)));
    let settled = facilitator.settle(&lost).await;
    assert!(matches!(settled, Settlement::Unknown { .. }), "{settled:?}");
    let settled = facilitator.settle(&second).await;
    assert!(
        matches!(&settled, Settlement::Unsent { reason, .. }
        if reason.contains("cannot be broadcast")),
        "{settled:?}"
    );
    assert!(store.sent(&key(&second)).await.unwrap().is_empty());

    node.set(Line::Good);
    facilitator.settle(&second).await;
    chain
        .until("both transfers", async || {
            chain.balance(offer().pay_to).await == 2 * 8_900
        })
        .await;
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 2);
}

#[tokio::test]
async fn a_lost_transaction_is_broadcast_again_without_another_order() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    chain.mint(buyer(1).address(), 8_900).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&node.url, &store, BRIEF);
    node.set(Line::LosesTransactions);
    let lost = request(&buyer(1));
    facilitator.settle(&lost).await;
    node.has_lost(4).await;
    node.set(Line::Good);
    chain
        .until("the transfer", async || {
            chain.balance(offer().pay_to).await == 8_900
        })
        .await;
    transaction(facilitator.settle(&lost).await);
}

#[tokio::test]
async fn a_transaction_that_the_node_forgot_stops_no_later_one_after_a_restart() {
    let chain = Chain::start().await;
    for number in 1..=2 {
        chain.mint(buyer(number).address(), 8_900).await;
    }
    chain.mine_by_hand().await;
    let store = Arc::new(MemorySentStore::default());
    let [first, second] = [request(&buyer(1)), request(&buyer(2))];
    {
        // The late outbid time makes sure that no periodic check finds the gap.
        let settings = ChainSettings {
            outbid_after: Duration::from_secs(3600),
            ..BRIEF
        };
        let dying = facilitator(&chain.url, &store, settings);
        for request in [&first, &second] {
            dying.settle(request).await;
        }
    }
    let forgotten = store.sent(&key(&first)).await.unwrap().remove(0).hash;
    let params = serde_json::json!([forgotten]);
    chain
        .ask::<serde_json::Value>("anvil_dropTransaction", params)
        .await;
    let params = serde_json::json!([true]);
    chain
        .ask::<serde_json::Value>("evm_setAutomine", params)
        .await;
    let restarted = facilitator(&chain.url, &store, QUICK);
    transaction(restarted.settle(&second).await);
    transaction(restarted.settle(&first).await);
    assert_eq!(chain.balance(offer().pay_to).await, 2 * 8_900);
}

#[tokio::test]
async fn the_place_of_a_payment_that_ran_out_unsent_is_filled_with_nothing() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    for number in 1..=2 {
        chain.mint(buyer(number).address(), 8_900).await;
    }
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&node.url, &store, BRIEF);
    node.set(Line::LosesTransactions);
    let lost = brief_request(&buyer(1), 3);
    facilitator.settle(&lost).await;
    over(&chain, &lost).await;
    node.set(Line::Good);
    let second = request(&buyer(2));
    facilitator.settle(&second).await;
    chain
        .until("the transfer", async || {
            chain.balance(offer().pay_to).await == 8_900
        })
        .await;
    transaction(facilitator.settle(&second).await);
    assert_eq!(chain.balance(buyer(1).address()).await, 8_900);
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 2);
}

#[tokio::test]
async fn a_transaction_that_waits_for_ever_and_is_worth_nothing_is_outbid_by_an_empty_one() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 8_900).await;
    chain.mine_by_hand().await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, BRIEF);
    let slow = brief_request(&buyer(1), 3);
    let settled = facilitator.settle(&slow).await;
    assert!(matches!(settled, Settlement::Unknown { .. }), "{settled:?}");
    let first = store.sent(&key(&slow)).await.unwrap().remove(0);
    let in_pool = async || {
        let hash = serde_json::json!([first.hash]);
        let known: serde_json::Value = chain.ask("eth_getTransactionByHash", hash).await;
        !known.is_null()
    };
    // Before its window is over; after that it can be outbid at any time.
    assert!(in_pool().await);
    over(&chain, &slow).await;
    chain
        .until("the outbidding", async || !in_pool().await)
        .await;
    chain.mine().await;
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 1);
    assert_eq!(chain.balance(buyer(1).address()).await, 8_900);
}
