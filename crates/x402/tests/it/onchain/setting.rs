//! The facilitator's dependencies: its node, its key, its chain.

use std::sync::Arc;

use alloy::signers::local::PrivateKeySigner;
use x402::{
    facilitator::{
        Facilitator as _, Settlement,
        onchain::{MemorySentStore, OnchainFacilitator, SetupError},
    },
    network::Network,
};

use super::{QUICK, buyer, facilitator, request};
use crate::{
    anvil::Chain,
    client::{PUBLIC_KEY_0, http, offer},
};

#[tokio::test]
async fn a_node_or_a_key_that_does_not_fit_is_named() {
    let chain = Chain::start().await;
    let with = |network: &str, gas_key: PrivateKeySigner| {
        OnchainFacilitator::new(
            Network::by_name(network).unwrap(),
            chain.url.parse().unwrap(),
            http(),
            gas_key,
            Arc::new(MemorySentStore::default()),
            QUICK,
        )
    };
    let other = with("base", PUBLIC_KEY_0.parse().unwrap()).check().await;
    assert!(matches!(
        other,
        Err(SetupError::OtherChain {
            found: 84532,
            wanted: 8453
        })
    ));
    let empty = with("base-sepolia", buyer(9)).check().await;
    assert!(matches!(empty, Err(SetupError::NoGas(_))));
    chain.set_code(offer().network.usdc.address, &[]).await;
    let bare = with("base-sepolia", PUBLIC_KEY_0.parse().unwrap())
        .check()
        .await;
    assert!(matches!(bare, Err(SetupError::NoToken(_))));
}

#[tokio::test]
async fn a_node_that_is_away_is_no_decision_and_nothing_is_shown_of_its_key() {
    let store = Arc::new(MemorySentStore::default());
    let away = facilitator(
        "http://user:pass@127.0.0.1:1/v3/secret?key=secret",
        &store,
        QUICK,
    );
    let request = request(&buyer(1));
    assert!(away.verify(&request).await.is_err());
    assert!(matches!(
        away.settle(&request).await,
        Settlement::Unsent { .. }
    ));
    assert_eq!(away.describe().url.as_deref(), Some("http://127.0.0.1:1"));
}
