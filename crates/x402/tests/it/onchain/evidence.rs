//! The evidence of a payment on the chain: one transfer with exactly the agreed terms and the
//! payment's nonce counts, for one payment only.

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall as _,
};
use x402::{
    facilitator::{
        Facilitator as _, FacilitatorRequest, Settlement, TransferEvidence,
        onchain::{Evidence, MemorySentStore, Witness},
    },
    payment::Payment,
};

use super::{
    QUICK, STRANGER, buyer, facilitator, now, request,
    token::{self, authorization, cancel, receive, transfer_elsewhere, transfer_of_contract},
    transaction,
};
use crate::{
    anvil::{Chain, contract, usdc},
    client::{http, offer},
    node::{Line, Node},
};

pub fn witness(chain: &Chain) -> Witness {
    Witness::new(offer().network, chain.url.parse().unwrap(), http())
}

/// A payment of the wallet, with an invented signature.
fn request_of(wallet: Address) -> FacilitatorRequest {
    let mut request = request(&buyer(1));
    let Payment::V2(payload) = &mut request.payment_payload else {
        unreachable!()
    };
    payload.payload.authorization.from = wallet;
    payload.payload.signature = format!("0x{}", "07".repeat(70));
    request
}

fn moved(evidence: Evidence) -> TransferEvidence {
    match evidence {
        Evidence::Moved(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_nonce_spent_on_anything_else_is_no_payment() {
    let chain = Chain::start().await;
    let (payer, payee) = (buyer(1), offer().pay_to);
    chain.mint(payer.address(), 100_000).await;
    chain.impersonate(payee).await;
    let to_himself = request(&payer);
    let to_another = request(&payer);
    let too_little = request(&payer);
    let received_elsewhere = request(&payer);
    let received = request(&payer);
    let canceled = request(&payer);
    let untouched = request(&payer);
    let calls = [
        (
            STRANGER,
            transfer_elsewhere(&payer, &to_himself, payer.address(), 0),
        ),
        (
            STRANGER,
            transfer_elsewhere(&payer, &to_another, STRANGER, 8_900),
        ),
        (
            STRANGER,
            transfer_elsewhere(&payer, &too_little, payee, 8_899),
        ),
        (
            STRANGER,
            receive(&payer, &received_elsewhere, STRANGER, 8_900),
        ),
        (payee, receive(&payer, &received, payee, 8_900)),
        (STRANGER, cancel(&payer, &canceled)),
    ];
    for (from, call) in calls {
        chain.send(from, call).await;
    }
    let witness = witness(&chain);
    for request in [&to_himself, &to_another, &too_little, &received_elsewhere] {
        let evidence = witness.find_evidence(request, now()).await.unwrap();
        assert!(
            matches!(&evidence, Evidence::SpentElsewhere { transaction }
            if transaction.len() == 66),
            "{evidence:?}"
        );
    }
    let look = async |request| witness.find_evidence(request, now()).await.unwrap();
    assert_eq!(look(&canceled).await, Evidence::Canceled);
    assert_eq!(look(&untouched).await, Evidence::Unspent);
    // The payee may execute a payment, too.
    let transfer = moved(look(&received).await);
    assert!(transfer.log_index.is_some() && transfer.block.is_some());
    // Seen for the first time two minutes after the transfer, so the transfer paid for something
    // else.
    let late = witness.find_evidence(&received, now() + 120).await.unwrap();
    assert!(matches!(late, Evidence::SpentElsewhere { .. }), "{late:?}");
}

#[tokio::test]
async fn a_payer_who_spends_the_nonce_on_himself_in_our_transactions_block_has_not_paid() {
    let chain = Chain::start().await;
    let node = Node::before(&chain.url).await;
    let payer = buyer(1);
    chain.mint(payer.address(), 10_000).await;
    for takes_back in [false, true] {
        let store = Arc::new(MemorySentStore::default());
        let facilitator = facilitator(&node.url, &store, QUICK);
        let request = request(&payer);
        facilitator.verify(&request).await.unwrap();
        let call = if takes_back {
            cancel(&payer, &request)
        } else {
            transfer_elsewhere(&payer, &request, payer.address(), 0)
        };
        node.set(Line::OvertakenBy(STRANGER, usdc(), call.into()));
        let settled = facilitator.settle(&request).await;
        assert!(
            matches!(&settled, Settlement::Refused { reason, .. }
                if reason == "invalid_exact_evm_nonce_already_used"),
            "{settled:?}"
        );
    }
    assert_eq!(chain.balance(offer().pay_to).await, 0);
}

#[tokio::test]
async fn one_transfer_in_a_transaction_pays_for_one_of_its_nonces() {
    let chain = Chain::start().await;
    let wallet = Address::repeat_byte(0x5a);
    chain.set_code(wallet, &contract("OpenWallet")).await;
    chain.mint(wallet, 100_000).await;
    let node = Node::before(&chain.url).await;
    let store = Arc::new(MemorySentStore::default());
    let facilitator = facilitator(&node.url, &store, QUICK);
    let requests: Vec<_> = (0..5).map(|_| request_of(wallet)).collect();
    let calls: Vec<Bytes> = requests
        .iter()
        .enumerate()
        .map(|(number, request)| {
            let nonce = authorization(request).nonce;
            let call = if number == 2 {
                transfer_of_contract(wallet, offer().pay_to, 8_900, nonce)
            } else {
                transfer_of_contract(wallet, wallet, 0, nonce)
            };
            call.into()
        })
        .collect();
    let batch = token::batchCall { to: usdc(), calls }.abi_encode();
    node.set(Line::OvertakenBy(STRANGER, wallet, batch.into()));
    let witness = witness(&chain);
    for (number, request) in requests.iter().enumerate() {
        let settled = facilitator.settle(request).await;
        let evidence = witness.find_evidence(request, now()).await.unwrap();
        if number == 2 {
            assert_eq!(moved(evidence).log_index, Some(5));
        } else {
            assert!(
                matches!(evidence, Evidence::SpentElsewhere { .. }),
                "{evidence:?}"
            );
            assert!(
                matches!(&settled, Settlement::Refused { .. }),
                "{settled:?}"
            );
        }
    }
    assert_eq!(chain.balance(offer().pay_to).await, 8_900);
}

#[tokio::test]
async fn after_a_reorganisation_evidence_is_withdrawn_or_replaced() {
    let chain = Chain::start().await;
    chain.mint(buyer(1).address(), 10_000).await;
    chain.mint(buyer(2).address(), 10_000).await;
    let witness = witness(&chain);
    let request = request(&buyer(1));
    let before = chain.snapshot().await;
    let settle = async || {
        let store = Arc::new(MemorySentStore::default());
        facilitator(&chain.url, &store, QUICK)
            .settle(&request)
            .await
    };
    let Settlement::Settled {
        receipt,
        evidence: Some(first),
    } = settle().await
    else {
        panic!("not settled, or without evidence");
    };
    assert_eq!(receipt.transaction, first.transaction);
    assert_eq!(
        moved(witness.find_evidence(&request, now()).await.unwrap()),
        first
    );
    assert!(witness.still_there(&first).await.unwrap());

    chain.revert(before).await;
    assert!(!witness.still_there(&first).await.unwrap());
    assert_eq!(
        witness.find_evidence(&request, now()).await.unwrap(),
        Evidence::Unspent
    );

    let store = Arc::new(MemorySentStore::default());
    let other = facilitator(&chain.url, &store, QUICK);
    transaction(other.settle(&super::request(&buyer(2))).await);
    let Settlement::Settled {
        evidence: Some(second),
        ..
    } = settle().await
    else {
        panic!("not settled again");
    };
    assert_ne!(second, first);
    assert!(witness.still_there(&second).await.unwrap());
    assert!(!witness.still_there(&first).await.unwrap());
    assert_eq!(
        moved(witness.find_evidence(&request, now()).await.unwrap()),
        second
    );
    let seen = witness.transfers_to(offer().pay_to, 100).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|t| (t.from, t.value)).collect();
    assert_eq!(
        seen,
        [(buyer(2).address(), 8_900), (buyer(1).address(), 8_900)]
    );
}
