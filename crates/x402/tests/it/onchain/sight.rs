//! When a payment counts as seen: transfers that others sent, confirmations, and nodes that lag.

use std::{sync::Arc, time::Duration};

use alloy::primitives::U256;
use serde_json::{Value, json};
use x402::facilitator::{
    Facilitator as _, Settlement, TransferEvidence,
    onchain::{CLOCK_MARGIN, ChainSettings, Evidence, MemorySentStore, SentStore as _, Witness},
};

use super::{
    QUICK, STRANGER, buyer,
    evidence::witness,
    facilitator, key, now, request,
    token::{cancel, transfer_elsewhere},
};
use crate::{
    anvil::Chain,
    client::{http, offer},
    node::{Line, Node},
};

async fn pass(chain: &Chain, seconds: u64) {
    chain
        .ask::<Value>("evm_increaseTime", json!([seconds]))
        .await;
    chain.mine().await;
}

#[tokio::test]
async fn an_authorization_that_a_stranger_sends_between_verify_and_settle_counts_as_settled() {
    let chain = Chain::start().await;
    let payer = buyer(1);
    chain.mint(payer.address(), 30_000).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let [sent, canceled, elsewhere] = [(); 3].map(|()| request(&payer));
    for request in [&sent, &canceled, &elsewhere] {
        facilitator.verify(request).await.unwrap();
    }
    // The same authorization, sent through the token's public function.
    let same = transfer_elsewhere(&payer, &sent, offer().pay_to, 8_900);
    chain.send(STRANGER, same).await;
    chain.send(STRANGER, cancel(&payer, &canceled)).await;
    let himself = transfer_elsewhere(&payer, &elsewhere, payer.address(), 8_900);
    chain.send(STRANGER, himself).await;

    let settled = facilitator.settle(&sent).await;
    let Settlement::Settled {
        receipt,
        evidence: Some(evidence),
    } = settled
    else {
        panic!("{settled:?}");
    };
    assert_eq!(receipt.transaction, evidence.transaction);
    for request in [&canceled, &elsewhere] {
        let settled = facilitator.settle(request).await;
        assert!(
            matches!(&settled, Settlement::Refused { reason, .. }
            if reason == "invalid_exact_evm_nonce_already_used"),
            "{settled:?}"
        );
    }
    assert_eq!(chain.balance(offer().pay_to).await, 8_900);
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 0);
    for request in [&sent, &canceled, &elsewhere] {
        assert!(store.sent(&key(request)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_transfer_counts_when_it_has_its_confirmations() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    let careful = ChainSettings {
        confirmations: 3,
        settle_timeout: Duration::from_millis(100),
        ..QUICK
    };
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, careful);
    let witness = witness(&chain).with_confirmations(3);
    let request = request(&buyer(1));
    let look = async || witness.find_evidence(&request, now()).await.unwrap();
    for _ in 0..2 {
        let settled = facilitator.settle(&request).await;
        assert!(matches!(settled, Settlement::Unknown { .. }), "{settled:?}");
        assert_eq!(look().await, Evidence::NotFound);
        chain.mine().await;
    }
    let settled = facilitator.settle(&request).await;
    let Settlement::Settled {
        evidence: Some(evidence),
        ..
    } = settled
    else {
        panic!("{settled:?}");
    };
    assert_eq!(look().await, Evidence::Moved(evidence));
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 1);
}

#[tokio::test]
async fn an_authorization_has_run_out_when_a_confirmed_block_is_past_its_window_and_the_margin() {
    let chain = Chain::start().await;
    let request = request(&buyer(1));
    let (early, late) = (witness(&chain), witness(&chain).with_confirmations(2));
    let look = async |witness: &Witness| witness.find_evidence(&request, now()).await.unwrap();
    pass(&chain, 301).await;
    assert_eq!(look(&early).await, Evidence::Unspent);
    pass(&chain, CLOCK_MARGIN).await;
    assert_eq!(look(&early).await, Evidence::Expired);
    assert_eq!(look(&late).await, Evidence::Unspent);
    chain.mine().await;
    assert_eq!(look(&late).await, Evidence::Expired);
}

#[tokio::test]
async fn a_node_that_lags_behind_is_no_word_on_a_payment() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    let head: U256 = chain.ask("eth_blockNumber", json!([])).await;
    let request = request(&buyer(1));
    let store = Arc::new(MemorySentStore::default());
    let settled = facilitator(&chain.url, &store, QUICK)
        .settle(&request)
        .await;
    assert!(matches!(settled, Settlement::Settled { .. }));
    pass(&chain, 400).await;
    let node = Node::before(&chain.url).await;
    let witness = Witness::new(offer().network, node.url.parse().unwrap(), http());
    node.set(Line::Lags(head.to()));
    let evidence = witness.find_evidence(&request, now()).await;
    assert!(evidence.is_err(), "{evidence:?}");
    node.set(Line::Good);
    let evidence = witness.find_evidence(&request, now()).await.unwrap();
    assert!(matches!(evidence, Evidence::Moved(TransferEvidence { .. })));
}
