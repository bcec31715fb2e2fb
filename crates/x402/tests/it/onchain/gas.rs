//! The limits on a settlement's cost for the gas key, and the reactions to a settlement that costs
//! too much.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::{SolCall as _, SolValue as _},
};
use serde_json::{Value, json};
use x402::{
    facilitator::{
        Facilitator as _, FacilitatorError, FacilitatorRequest, Settlement, Verification,
        onchain::{ChainSettings, GasPolicy, MemorySentStore, SentStore as _},
    },
    payment::Payment,
};

use super::{QUICK, STRANGER, buyer, facilitator, key, request, token, transaction};
use crate::{
    anvil::{Chain, contract, usdc},
    client::offer,
    node::{Line, Node},
};

/// A payment of a contract, with an invented signature.
pub fn request_of(wallet: Address) -> FacilitatorRequest {
    let mut request = request(&buyer(1));
    let Payment::V2(payload) = &mut request.payment_payload else {
        unreachable!()
    };
    payload.payload.authorization.from = wallet;
    payload.payload.signature = format!("0x{}", "07".repeat(70));
    request
}

pub fn invalid(verified: Verification) -> (String, String) {
    match verified {
        Verification::Invalid { reason, message } => (reason, message.unwrap()),
        Verification::Valid { .. } => panic!("found valid"),
    }
}

fn with(gas: GasPolicy) -> ChainSettings {
    ChainSettings { gas, ..QUICK }
}

#[tokio::test]
async fn a_contract_that_burns_gas_is_refused_before_it_costs_any() {
    let chain = Chain::start().await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    // The second one burns gas only where gas has a price, and the third one is not a wallet.
    for (name, said) in [
        ("HeavyWallet", "needs more than 300000 units of gas"),
        ("SlyWallet", "needs more than 300000 units of gas"),
        ("Factory", "does not take the signature"),
    ] {
        let wallet = Address::repeat_byte(name.as_bytes()[0]);
        chain.set_code(wallet, &contract(name)).await;
        chain.mint(wallet, 10_000).await;
        let request = request_of(wallet);
        let (_, message) = invalid(facilitator.verify(&request).await.unwrap());
        assert!(message.contains(said), "{name}: {message}");
        let settled = facilitator.settle(&request).await;
        assert!(
            matches!(&settled, Settlement::Refused { .. }),
            "{name}: {settled:?}"
        );
        assert!(store.sent(&key(&request)).await.unwrap().is_empty());
    }
    assert_eq!(chain.transactions_of(facilitator.gas_key()).await, 0);
}

#[tokio::test]
async fn a_delegate_of_an_ordinary_account_runs_within_the_limit_of_contracts() {
    let chain = Chain::start().await;
    let delegate = Address::repeat_byte(0xde);
    chain.set_code(delegate, &contract("SlyWallet")).await;
    // EIP-7702: the account's code names the delegate.
    let designator = [&[0xef, 0x01, 0x00][..], delegate.as_slice()].concat();
    chain.set_code(buyer(1).address(), &designator).await;
    chain.mint(buyer(1).address(), 10_000).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let (_, message) = invalid(facilitator.verify(&request(&buyer(1))).await.unwrap());
    assert!(message.contains("needs more than 300000"), "{message}");
    chain.set_code(delegate, &contract("OpenWallet")).await;
    transaction(facilitator.settle(&request(&buyer(1))).await);
}

#[tokio::test]
async fn no_transaction_has_more_gas_than_its_limit() {
    let chain = Chain::start().await;
    let wallet = Address::repeat_byte(0x5a);
    chain.set_code(wallet, &contract("OpenWallet")).await;
    for account in [wallet, buyer(1).address()] {
        chain.mint(account, 10_000).await;
    }
    let store = Arc::new(MemorySentStore::default());
    // A fourth more than the estimate would exceed this limit.
    let tight = with(GasPolicy {
        limit_ordinary: 100_000,
        limit_contract: 100_000,
        ..QUICK.gas
    });
    let facilitator = facilitator(&chain.url, &store, tight);
    for request in [request_of(wallet), request(&buyer(1))] {
        transaction(facilitator.settle(&request).await);
        let sent = store.sent(&key(&request)).await.unwrap();
        assert!(sent.iter().all(|one| one.gas <= 100_000), "{sent:?}");
    }
    let too_tight = with(GasPolicy {
        limit_ordinary: 60_000,
        ..QUICK.gas
    });
    let facilitator = super::facilitator(&chain.url, &store, too_tight);
    chain.mint(buyer(1).address(), 10_000).await;
    invalid(facilitator.verify(&request(&buyer(1))).await.unwrap());
}

#[tokio::test]
async fn a_contract_whose_gas_eats_up_what_it_pays_is_refused() {
    let chain = Chain::start().await;
    let wallet = Address::repeat_byte(0x5a);
    // Within the limit of contracts, and far above an ordinary transfer.
    chain.set_code(wallet, &contract("HeavyWallet")).await;
    chain.mint(wallet, 10_000).await;
    let store = Arc::new(MemorySentStore::default());
    let policy = GasPolicy {
        limit_contract: 900_000,
        ..QUICK.gas
    };
    let free = facilitator(&chain.url, &store, with(policy));
    free.verify(&request_of(wallet)).await.unwrap();
    let dear = with(GasPolicy {
        coin_price: 3_000_000_000,
        ..policy
    });
    let dear = facilitator(&chain.url, &store, dear);
    let (_, message) = invalid(dear.verify(&request_of(wallet)).await.unwrap());
    assert!(
        message.contains("costs too much for a payment this small"),
        "{message}"
    );
    chain.mint(buyer(2).address(), 10_000).await;
    let ordinary = dear.verify(&request(&buyer(2))).await.unwrap();
    assert!(
        matches!(ordinary, Verification::Valid { .. }),
        "{ordinary:?}"
    );
}

#[tokio::test]
async fn a_payer_whose_settlement_reverted_waits_before_the_next() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    let payer = buyer(1);
    chain.mint(payer.address(), 10_000).await;
    chain.impersonate(payer.address()).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&node.url, &store, QUICK);
    let first = request(&payer);
    // The balance is moved away before our transaction is mined.
    let away = token::transferCall {
        to: STRANGER,
        value: U256::from(10_000),
    };
    let line = Line::OvertakenBy(payer.address(), usdc(), away.abi_encode().into());
    node.set(line);
    let settled = facilitator.settle(&first).await;
    assert!(
        matches!(&settled, Settlement::Refused { reason, .. }
            if reason == "invalid_exact_evm_transaction_failed"),
        "{settled:?}"
    );
    chain.mint(payer.address(), 10_000).await;
    let (reason, message) = invalid(facilitator.verify(&request(&payer)).await.unwrap());
    assert_eq!(reason, "invalid_exact_evm_transaction_failed");
    assert!(message.contains("can pay again in"), "{message}");
    chain.mint(buyer(2).address(), 10_000).await;
    transaction(facilitator.settle(&request(&buyer(2))).await);
}

#[tokio::test]
async fn an_empty_gas_key_and_gas_that_is_too_dear_are_said_before_anything_is_made() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    let store = Arc::new(MemorySentStore::default());
    let cheap = with(GasPolicy {
        max_fee_per_gas: 1,
        ..QUICK.gas
    });
    let too_dear = facilitator(&chain.url, &store, cheap);
    let empty = facilitator(&chain.url, &store, QUICK);
    empty.ready().await.unwrap();
    let set_balance = async |balance: &str| {
        let params = json!([empty.gas_key(), balance]);
        chain.ask::<Value>("anvil_setBalance", params).await;
    };
    set_balance("0x1").await;
    // The answer of `ready` is cached for a while, because strangers can request it.
    empty.ready().await.unwrap();
    let unready = facilitator(&chain.url, &store, QUICK);
    for (facilitator, expected) in [
        (&too_dear, "more for gas than is allowed"),
        (&unready, "too little"),
    ] {
        let request = request(&buyer(1));
        let not_ready = |answer: Result<(), FacilitatorError>| {
            assert!(
                matches!(&answer, Err(FacilitatorError::NotReady(why)) if why.contains(expected)),
                "{answer:?}"
            );
        };
        not_ready(facilitator.verify(&request).await.map(drop));
        not_ready(facilitator.ready().await);
        let settled = facilitator.settle(&request).await;
        assert!(
            matches!(&settled, Settlement::Unsent { reason, retry_after: Some(60) }
                if reason.contains(expected)),
            "{settled:?}"
        );
        assert!(store.sent(&key(&request)).await.unwrap().is_empty());
    }
    set_balance("0xde0b6b3a7640000").await;
    transaction(unready.settle(&request(&buyer(1))).await);
}

#[tokio::test]
async fn what_the_tokens_issuer_forbids_is_told_from_what_the_customer_did() {
    let chain = Chain::start().await;
    let payee = offer().pay_to;
    for number in 1..=2 {
        chain.mint(buyer(number).address(), 10_000).await;
    }
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let issue = async |call: Vec<u8>| chain.send(crate::anvil::TREASURY, call).await;
    let blacklist = |account| token::blacklistCall { account }.abi_encode();
    issue(blacklist(buyer(2).address())).await;
    let (_, message) = invalid(facilitator.verify(&request(&buyer(2))).await.unwrap());
    assert!(message.contains("blocked the payer"), "{message}");

    let snapshot = chain.snapshot().await;
    for (call, expected) in [
        (blacklist(payee), "blocked the account that is to be paid"),
        (token::pauseCall {}.abi_encode(), "paused by its issuer"),
    ] {
        issue(call).await;
        let verified = facilitator.verify(&request(&buyer(1))).await;
        assert!(
            matches!(&verified, Err(FacilitatorError::NotReady(why)) if why.contains(expected)),
            "{verified:?}"
        );
    }
    chain.revert(snapshot).await;
    transaction(facilitator.settle(&request(&buyer(1))).await);
}

/// A signature wrapped by ERC-6492.
fn wrap(factory: Address, deployment: Vec<u8>, signature: Vec<u8>) -> String {
    let parts = (
        factory,
        alloy::primitives::Bytes::from(deployment),
        alloy::primitives::Bytes::from(signature),
    );
    let magic = "6492".repeat(16);
    format!(
        "0x{}{magic}",
        alloy::primitives::hex::encode(parts.abi_encode_params())
    )
}

#[tokio::test]
async fn a_wallet_that_is_not_deployed_yet_pays_through_an_allowed_factory_and_is_deployed() {
    let chain = Chain::start().await;
    // Coinbase's address, with a factory of the test at it.
    let allowed: Address = "0xBA5ED110eFDBa3D005bfC882d75358ACBbB85842"
        .parse()
        .unwrap();
    let strange = Address::repeat_byte(0xfa);
    let owner = buyer(1);
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&chain.url, &store, QUICK);
    let key_of = owner.address();
    let witness = super::evidence::witness(&chain);
    for factory in [strange, allowed] {
        chain.set_code(factory, &contract("Factory")).await;
        let at = token::atCall { key: key_of }.abi_encode();
        let at = json!([{"to": factory, "input": alloy::primitives::Bytes::from(at)}, "latest"]);
        let answer: B256 = chain.ask("eth_call", at).await;
        let wallet = Address::from_word(answer);
        chain.mint(wallet, 30_000).await;
        let deployment = token::deployCall { key: key_of }.abi_encode();
        let wrapped = |request: &mut FacilitatorRequest| {
            let Payment::V2(payload) = &mut request.payment_payload else {
                unreachable!()
            };
            let payload = &mut payload.payload;
            payload.authorization.from = wallet;
            let network = offer().network;
            let usdc = &network.usdc;
            let message = &payload.authorization;
            let inner = x402::eip3009::sign(&owner, network, usdc, message).unwrap();
            let hash = x402::eip3009::signing_hash(network, usdc, message);
            let inner = alloy::primitives::hex::decode(inner).unwrap();
            payload.signature = wrap(factory, deployment.clone(), inner);
            hash
        };
        let mut request = request(&owner);
        let hash = wrapped(&mut request);
        let Payment::V2(payload) = &request.payment_payload else {
            unreachable!()
        };
        let signature = alloy::primitives::hex::decode(&payload.payload.signature).unwrap();
        let proven = witness.proves(wallet, hash, &signature).await.unwrap();
        assert_eq!(proven, factory == allowed);
        if factory == strange {
            let (reason, message) = invalid(facilitator.verify(&request).await.unwrap());
            assert_eq!(reason, "eip6492_factory_not_allowed");
            assert!(message.contains("deploy it first"));
            continue;
        }
        let other = witness
            .proves(wallet, B256::repeat_byte(9), &signature)
            .await;
        assert!(!other.unwrap());
        assert!(!witness.has_code(wallet).await.unwrap());
        let stingy = with(GasPolicy {
            min_deploy_price: 8_901,
            ..QUICK.gas
        });
        let stingy = super::facilitator(&chain.url, &store, stingy);
        let (reason, message) = invalid(stingy.verify(&request).await.unwrap());
        assert_eq!(reason, "invalid_exact_evm_payload_undeployed_smart_wallet");
        assert!(message.contains("8901"), "{message}");

        transaction(facilitator.settle(&request).await);
        assert!(witness.has_code(wallet).await.unwrap());
        assert_eq!(chain.balance(wallet).await, 30_000 - 8_900);
        // The wallet is deployed now, and may go on wrapping its signatures.
        let mut again = super::request(&owner);
        let hash = wrapped(&mut again);
        transaction(stingy.settle(&again).await);
        let Payment::V2(payload) = &again.payment_payload else {
            unreachable!()
        };
        let signature = alloy::primitives::hex::decode(&payload.payload.signature).unwrap();
        assert!(witness.proves(wallet, hash, &signature).await.unwrap());
    }
    assert_eq!(chain.balance(offer().pay_to).await, 2 * 8_900);
}

#[tokio::test]
async fn signatures_are_judged_with_a_limited_amount_of_gas() {
    use alloy::signers::SignerSync as _;
    let chain = Chain::start().await;
    let witness = super::evidence::witness(&chain);
    let (wallet, hash) = (Address::repeat_byte(0x5a), B256::repeat_byte(3));
    let signed = buyer(1).sign_hash_sync(&hash).unwrap().as_bytes();
    assert!(
        witness
            .proves(buyer(1).address(), hash, &signed)
            .await
            .unwrap()
    );
    assert!(
        !witness
            .proves(buyer(2).address(), hash, &signed)
            .await
            .unwrap()
    );
    assert!(!witness.proves(wallet, hash, &signed).await.unwrap());
    for (name, expected) in [
        ("OpenWallet", true),
        ("HeavyWallet", true),
        ("Factory", false),
    ] {
        chain.set_code(wallet, &contract(name)).await;
        let proven = witness.proves(wallet, hash, &signed).await.unwrap();
        assert_eq!(proven, expected, "{name}");
    }
    // JUMPDEST, PUSH1 0, JUMP: an endless loop.
    chain.set_code(wallet, &[0x5b, 0x60, 0x00, 0x56]).await;
    assert!(!witness.proves(wallet, hash, &signed).await.unwrap());
    // GAS, PUSH1 0, MSTORE and so on: says yes only to a call with more than two million units of
    // gas.
    let greedy = alloy::primitives::hex!(
        "621e84805a1160195763ffffffff60e01b60005260206000f35b631626ba7e60e01b60005260206000f3"
    );
    chain.set_code(wallet, &greedy).await;
    assert!(!witness.proves(wallet, hash, &signed).await.unwrap());
}
