//! The facilitator with its own gas key, on a real EVM with Circle's token.

mod evidence;
mod gas;
mod order;
mod setting;
mod sight;
mod token;

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256, U256, address},
    signers::local::PrivateKeySigner,
};
use x402::{
    eip3009,
    facilitator::{
        Facilitator as _, FacilitatorRequest, Settlement, Verification,
        onchain::{
            ChainSettings, GasPolicy, MemorySentStore, OnchainFacilitator, PaymentKey, SentStore,
        },
    },
    offer::Offer,
    payment::Payment,
    purchase::{Challenge, SpendingLimits},
};

use crate::{
    anvil::Chain,
    client::{PUBLIC_KEY_0, http, offer},
    node::{Line, Node},
};

/// Public development account 5, which has gas and no other part in the tests.
const STRANGER: Address = address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc");

/// A separate buyer's key for each number; it holds only the tokens that the test mints.
fn buyer(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number)).unwrap()
}

const QUICK: ChainSettings = ChainSettings {
    node_timeout: Duration::from_secs(5),
    settle_timeout: Duration::from_secs(8),
    look_every: Duration::from_millis(15),
    outbid_after: Duration::from_millis(250),
    confirmations: 1,
    gas: GasPolicy {
        limit_ordinary: 150_000,
        limit_contract: 300_000,
        min_deploy_price: 5_000,
        max_fee_per_gas: 200_000_000_000,
        coin_price: 0,
    },
};

fn facilitator(
    url: &str,
    store: &Arc<MemorySentStore>,
    settings: ChainSettings,
) -> OnchainFacilitator {
    OnchainFacilitator::new(
        offer().network,
        url.parse().unwrap(),
        http(),
        PUBLIC_KEY_0.parse().unwrap(),
        Arc::clone(store) as Arc<dyn SentStore>,
        settings,
    )
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn request_in(
    challenge: &Challenge,
    offer: &Offer,
    signer: &PrivateKeySigner,
) -> FacilitatorRequest {
    let limits = SpendingLimits {
        max_amount: u64::MAX,
        networks: &["base-sepolia"],
    };
    let chosen = challenge.choose(&limits).unwrap();
    let message = chosen.authorization(signer.address(), now(), eip3009::random_nonce());
    let signature = eip3009::sign(signer, chosen.network, &chosen.network.usdc, &message).unwrap();
    let payment = chosen.payment(message, signature, None);
    offer.facilitator_request(&payment).unwrap()
}

fn request(signer: &PrivateKeySigner) -> FacilitatorRequest {
    request_in(&Challenge::V2(offer().v2("pay")), &offer(), signer)
}

/// The transaction of a settlement that has to have succeeded.
fn transaction(settlement: Settlement) -> String {
    match settlement {
        Settlement::Settled { receipt, .. } => receipt.transaction,
        other => panic!("{other:?}"),
    }
}

fn key(request: &FacilitatorRequest) -> PaymentKey {
    let network = offer().network;
    PaymentKey {
        network: network.caip2,
        asset: network.usdc.address,
        from: request.payment_payload.payer(),
        nonce: request.payment_payload.authorization().nonce,
    }
}

#[tokio::test]
async fn both_versions_settle_once_and_a_repeated_settlement_names_the_same_transaction() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 20_000).await;
    let store = Arc::new(MemorySentStore::default());
    let first = facilitator(&chain.url, &store, QUICK);
    assert!(first.check().await.unwrap() > U256::ZERO);
    for challenge in [
        Challenge::V1(offer().v1_body("pay")),
        Challenge::V2(offer().v2("pay")),
    ] {
        let request = request_in(&challenge, &offer(), &buyer(1));
        let payer = Some(buyer(1).address());
        let valid = first.verify(&request).await.unwrap();
        assert_eq!(valid, Verification::Valid { payer });
        let Settlement::Settled { receipt, .. } = first.settle(&request).await else {
            panic!("not settled");
        };
        assert_eq!(receipt.network, request.payment_payload.network());
        assert_eq!(receipt.payer, Some(buyer(1).address().to_checksum(None)));
        let again = first.settle(&request).await;
        assert_eq!(transaction(again), receipt.transaction);
        let restarted = facilitator(&chain.url, &store, QUICK);
        assert_eq!(
            transaction(restarted.settle(&request).await),
            receipt.transaction
        );
        let Verification::Invalid { reason, .. } = first.verify(&request).await.unwrap() else {
            panic!("a spent authorization was found good");
        };
        assert_eq!(reason, "invalid_exact_evm_nonce_already_used");
    }
    assert_eq!(chain.balance(buyer(1).address()).await, 2_200);
    assert_eq!(chain.balance(offer().pay_to).await, 17_800);
    assert_eq!(chain.transactions_of(first.gas_key()).await, 2);
}

#[tokio::test]
async fn what_the_token_would_refuse_is_named_and_costs_no_gas() {
    let chain = Chain::start().await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let poor = request(&buyer(2));
    chain.mint(buyer(3).address(), 10_000).await;
    let mut forged = request(&buyer(3));
    let mut wrapped = request(&buyer(3));
    for (request, signature) in [
        (&mut forged, format!("0x{}1b", "11".repeat(64))),
        (&mut wrapped, format!("0x{}", "6492".repeat(40))),
    ] {
        let Payment::V2(payload) = &mut request.payment_payload else {
            unreachable!()
        };
        payload.payload.signature = signature;
    }
    let mut tampered = request(&buyer(3));
    tampered.payment_requirements["amount"] = "1".into();
    let cases = [
        (poor, "invalid_exact_evm_insufficient_balance"),
        (forged, "invalid_exact_evm_signature"),
        (wrapped, "invalid_exact_evm_signature"),
        (
            tampered,
            "invalid_exact_evm_payload_authorization_value_mismatch",
        ),
    ];
    for (request, expected) in cases {
        let verified = facilitator.verify(&request).await.unwrap();
        assert!(
            matches!(&verified, Verification::Invalid { reason, .. } if reason == expected),
            "{expected}: {verified:?}"
        );
        let settled = facilitator.settle(&request).await;
        assert!(
            matches!(&settled, Settlement::Refused { reason, .. } if reason == expected),
            "{expected}: {settled:?}"
        );
        assert!(store.sent(&key(&request)).await.unwrap().is_empty());
    }
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 0);
}

#[tokio::test]
async fn of_many_payments_at_once_none_is_refused_and_copies_cost_nothing() {
    let chain = Chain::start().await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = Arc::new(facilitator(&chain.url, &store, QUICK));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=24 {
        chain.mint(buyer(number).address(), 8_900).await;
        let request = request(&buyer(number));
        for _ in 0..2 {
            let (facilitator, request) = (Arc::clone(&facilitator), request.clone());
            tasks.spawn(async move { transaction(facilitator.settle(&request).await) });
        }
    }
    let mut transactions = tasks.join_all().await;
    transactions.sort();
    transactions.dedup();
    assert_eq!(transactions.len(), 24);
    assert_eq!(chain.balance(offer().pay_to).await, 24 * 8_900);
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 24);
}

#[tokio::test]
async fn a_transaction_that_is_not_mined_is_outbid_then_pending_and_found_later() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    chain.mine_by_hand().await;
    let store = Arc::new(MemorySentStore::default());
    let hurried = ChainSettings {
        settle_timeout: Duration::from_millis(900),
        ..QUICK
    };
    let facilitator = facilitator(&chain.url, &store, hurried);
    let request = request(&buyer(1));
    let Settlement::Unknown {
        reason,
        transaction: Some(named),
    } = facilitator.settle(&request).await
    else {
        panic!("a transaction in the pool was decided on");
    };
    assert_eq!(reason, "settlement_pending");
    let sent = store.sent(&key(&request)).await.unwrap();
    assert!(sent.len() > 1);
    assert_eq!(sent.last().unwrap().hash.to_string(), named);
    assert!(
        sent.iter()
            .all(|one| one.sender_nonce == sent[0].sender_nonce)
    );
    assert!(sent.is_sorted_by(|a, b| a.max_fee_per_gas < b.max_fee_per_gas));
    chain.mine().await;
    assert_eq!(transaction(facilitator.settle(&request).await), named);
    assert_eq!(chain.balance(offer().pay_to).await, 8_900);
}

#[tokio::test]
async fn a_node_that_loses_answers_or_transactions_delays_a_settlement_and_no_more() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = Arc::new(facilitator(&node.url, &store, QUICK));
    for (number, line, lost) in [(1, Line::LosesAnswers, 2), (2, Line::LosesTransactions, 3)] {
        chain.mint(buyer(number).address(), 8_900).await;
        node.set(line);
        let request = request(&buyer(number));
        let settling = tokio::spawn({
            let (facilitator, request) = (Arc::clone(&facilitator), request.clone());
            async move { facilitator.settle(&request).await }
        });
        // It was lost, and lost again when it was repeated at once.
        node.has_lost(lost).await;
        node.set(Line::Good);
        transaction(settling.await.unwrap());
        assert_eq!(chain.balance(buyer(number).address()).await, 0);
    }
    assert_eq!(chain.balance(offer().pay_to).await, 2 * 8_900);
}

#[tokio::test]
async fn a_transfer_that_a_stranger_sends_first_counts_as_ours() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    let node = Node::before(&chain.url).await;
    node.set(Line::Overtaken(STRANGER));
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&node.url, &store, QUICK);
    let request = request(&buyer(1));
    let settled = transaction(facilitator.settle(&request).await);
    let ours = store.sent(&key(&request)).await.unwrap();
    assert!(ours.iter().all(|one| one.hash.to_string() != settled));
    assert_eq!(chain.transactions_of(STRANGER).await, 1);
    assert_eq!(chain.balance(offer().pay_to).await, 8_900);
}

#[tokio::test]
async fn a_transfer_that_was_made_before_we_saw_it_is_not_taken_for_a_payment() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 20_000).await;
    let (theirs, ours) = (
        Arc::new(MemorySentStore::default()),
        Arc::new(MemorySentStore::default()),
    );
    let request = request(&buyer(1));
    transaction(
        facilitator(&chain.url, &theirs, QUICK)
            .settle(&request)
            .await,
    );
    let claimed = facilitator(&chain.url, &ours, QUICK).settle(&request).await;
    assert!(matches!(claimed, Settlement::Refused { reason, .. }
        if reason == "invalid_exact_evm_nonce_already_used"));
}

#[tokio::test]
async fn what_was_recorded_and_never_sent_is_sent_after_a_restart_even_if_its_place_is_taken() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    let store = Arc::new(MemorySentStore::default());
    chain.mint(buyer(1).address(), 8_900).await;
    chain.mint(buyer(2).address(), 8_900).await;
    let lost = request(&buyer(1));
    {
        node.set(Line::LosesTransactions);
        let brief = ChainSettings {
            settle_timeout: Duration::ZERO,
            ..QUICK
        };
        let dying = facilitator(&node.url, &store, brief);
        assert!(matches!(
            dying.settle(&lost).await,
            Settlement::Unknown { .. }
        ));
        node.set(Line::Good);
    }
    let restarted = facilitator(&node.url, &store, QUICK);
    transaction(restarted.settle(&request(&buyer(2))).await);
    assert_eq!(chain.balance(buyer(1).address()).await, 8_900);
    transaction(restarted.settle(&lost).await);
    assert_eq!(chain.balance(offer().pay_to).await, 2 * 8_900);
}

#[tokio::test]
async fn a_payment_that_ran_out_unsent_is_refused_for_good() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    node.set(Line::LosesTransactions);
    chain.mint(buyer(1).address(), 8_900).await;
    let store = Arc::new(MemorySentStore::default());
    let brief = ChainSettings {
        settle_timeout: Duration::ZERO,
        ..QUICK
    };
    let facilitator = facilitator(&node.url, &store, brief);
    let request = request(&buyer(1));
    assert!(matches!(
        facilitator.settle(&request).await,
        Settlement::Unknown { .. }
    ));
    chain
        .ask::<serde_json::Value>("evm_increaseTime", serde_json::json!([361]))
        .await;
    chain.mine().await;
    let settled = facilitator.settle(&request).await;
    assert!(
        matches!(&settled, Settlement::Refused { reason, .. }
        if reason == "invalid_exact_evm_payload_authorization_valid_before"),
        "{settled:?}"
    );
}

#[tokio::test]
async fn a_contract_wallet_pays_as_its_own_code_judges() {
    let chain = Chain::start().await;
    // Answers every isValidSignature with ERC-1271's yes.
    let yes = alloy::primitives::hex!("631626ba7e60e01b60005260206000f3");
    let wallet = Address::repeat_byte(0x5a);
    chain.set_code(wallet, &yes).await;
    chain.mint(wallet, 8_900).await;
    let mut request = request(&buyer(1));
    let Payment::V2(payload) = &mut request.payment_payload else {
        unreachable!()
    };
    payload.payload.authorization.from = wallet;
    payload.payload.signature = format!("0x{}", "ab".repeat(70));
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let valid = facilitator.verify(&request).await.unwrap();
    assert_eq!(
        valid,
        Verification::Valid {
            payer: Some(wallet)
        }
    );
    transaction(facilitator.settle(&request).await);
    assert_eq!(chain.balance(wallet).await, 0);
    assert_eq!(chain.balance(offer().pay_to).await, 8_900);
}
