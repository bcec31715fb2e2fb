//! Fixtures of this crate's tests. The keys are the publicly known development keys of
//! hardhat and anvil (`test test … junk`), and hold nothing anywhere.

use alloy::{
    primitives::{B256, U256, address},
    signers::local::PrivateKeySigner,
};

use crate::{
    eip3009,
    network::Network,
    offer::Offer,
    payment::Payment,
    wire::{
        Rest,
        exact::{Authorization, ExactPayload},
        v1, v2,
    },
};

/// The time at which the tests run.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Public development key 0.
pub(crate) fn payer() -> PrivateKeySigner {
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
        .parse()
        .unwrap()
}

/// A lease at 8900 atomic units, paid to public development account 1.
pub(crate) fn offer() -> Offer {
    Offer {
        network: Network::by_name("base-sepolia").unwrap(),
        amount: 8900,
        pay_to: address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        max_timeout_seconds: 300,
        resource: "https://host.example/lease/container".into(),
        description: "LXC lease".into(),
        mime_type: "application/json".into(),
        method: "POST".into(),
        upfront: false,
        extensions: Rest::new(),
    }
}

pub(crate) fn authorization(value: u64) -> Authorization {
    Authorization {
        from: payer().address(),
        to: offer().pay_to,
        value: U256::from(value),
        valid_after: U256::from(NOW - 600),
        valid_before: U256::from(NOW + 300),
        nonce: B256::repeat_byte(7),
    }
}

fn signed(offer: &Offer) -> ExactPayload {
    let authorization = authorization(offer.amount);
    let signature =
        eip3009::sign(&payer(), offer.network, &offer.network.usdc, &authorization).unwrap();
    ExactPayload {
        signature,
        authorization,
        rest: Rest::new(),
    }
}

pub(crate) fn paid_v1(offer: &Offer) -> Payment {
    Payment::V1(Box::new(v1::PaymentPayload {
        x402_version: 1,
        scheme: "exact".into(),
        network: offer.network.v1_name.unwrap().into(),
        payload: signed(offer),
        rest: Rest::new(),
    }))
}

pub(crate) fn paid_v2(offer: &Offer) -> Payment {
    let required = offer.v2("Payment required");
    Payment::V2(Box::new(v2::PaymentPayload {
        x402_version: 2,
        resource: Some(required.resource),
        accepted: required.accepts[0].clone(),
        payload: signed(offer),
        extensions: None,
        rest: Rest::new(),
    }))
}

/// The payment with a new signature over its current message.
pub(crate) fn sign_again(payment: &Payment) -> Payment {
    let mut payment = payment.clone();
    let inner = match &mut payment {
        Payment::V1(p) => &mut p.payload,
        Payment::V2(p) => &mut p.payload,
    };
    let network = offer().network;
    inner.signature =
        eip3009::sign(&payer(), network, &network.usdc, &inner.authorization).unwrap();
    payment
}
