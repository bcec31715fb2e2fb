//! What a purchase costs: the lease API's own 402, asked for by the page or passed on by the agent. The amount is always the
//! one that will be signed.

use api_types::{LeaseRequest, PaymentRequest, Price, Timestamp, Usdc};
use leptos::prelude::*;
use serde_json::json;
use x402::{
    network::NETWORKS,
    purchase::{Challenge, Chosen, Limits},
};

use super::{Call, CardId, Item, Pay, Phase, Source};
use crate::{
    api::{
        ApiError,
        fetch::{self, Call as Request},
    },
    engine::clock,
    pay::{card::Offer, refusal::Refusal},
};

/// Asks the lease API for a direct purchase's price.
pub(super) async fn ask(pay: Pay, id: CardId) {
    let source = pay
        .work
        .with_value(|all| all.get(&id).map(|work| work.source.clone()));
    let Some(Source::Direct(item)) = source else {
        return;
    };
    match challenged(pay, &item).await {
        Ok((chosen, price)) => offered(pay, id, chosen, price, None),
        Err(message) => pay.become_phase(id, Phase::Failed { message }),
    }
}

/// Takes the price that the agent has passed on.
pub(super) fn take(pay: Pay, id: CardId, request: PaymentRequest, fresh: bool) {
    let body = json!({"x402Version": 1, "error": request.error, "accepts": request.accepts});
    let header = request.payment_required.as_deref();
    match choose(header, body.to_string().as_bytes()) {
        Ok(chosen) => {
            pay.change(id, |card| {
                card.price_changed = request.price_changed;
                card.refused_before = Refusal::read(&request.error);
            });
            let until = (!fresh).then_some(request.valid_until);
            offered(pay, id, chosen, request.price, until);
        }
        Err(message) => pay.become_phase(id, Phase::Failed { message }),
    }
}

fn offered(
    pay: Pay,
    id: CardId,
    chosen: Chosen,
    price: Option<Price>,
    valid_until: Option<Timestamp>,
) {
    let amount = Usdc(chosen.amount);
    // A service whose clock is ahead would have it last longer than it does.
    let longest = Timestamp(clock::now() + chosen.max_timeout_seconds);
    let offer = Offer {
        amount,
        network: chosen.network.display_name.to_owned(),
        chain_id: chosen.network.chain_id,
        testnet: chosen.network.testnet,
        asset: chosen.network.usdc.address.to_checksum(None),
        pay_to: chosen.pay_to.to_checksum(None),
        valid_until: valid_until.map_or(longest, |until| until.min(longest)),
    };
    pay.work.update_value(|all| {
        if let Some(work) = all.get_mut(&id) {
            work.chosen = Some(chosen);
        }
    });
    let limit = pay.limit(amount);
    // Lines that do not add up to what is asked are of another price.
    let price = price.filter(|price| price.total == amount);
    pay.change(id, |card| card.offered(offer, price, limit));
    let spent = pay.spent.get_untracked();
    let within = pay.budget.get_untracked().pays_by_itself(amount, spent);
    // The card begins it, once all of it is on the screen.
    pay.change(id, |card| {
        card.by_itself = within && card.may_pay_by_itself()
    });
}

async fn challenged(pay: Pay, item: &Item) -> Result<(Chosen, Option<Price>), String> {
    let call = &item.call;
    let words = |error: ApiError| error.to_string();
    let mut request = Request::new(call.method(), pay.lease.url(&call.path())).timed();
    if let Some(body) = call.body() {
        request = request.json(body);
    }
    let response = fetch::send(&request).await.map_err(words)?;
    let header = response.headers().get("payment-required").ok().flatten();
    let body = fetch::text(&response).await.map_err(words)?;
    if response.status() != 402 {
        return Err(described(&ApiError::from_answer(response.status(), &body)));
    }
    let chosen = choose(header.as_deref(), body.as_bytes())?;
    let price = match call {
        Call::Lease(request) => quoted(pay, request).await,
        _ => item.price.clone(),
    };
    Ok((chosen, price))
}

/// The lines of a lease's price, without the credential, which they do not depend on.
async fn quoted(pay: Pay, request: &LeaseRequest) -> Option<Price> {
    let request = LeaseRequest {
        password: None,
        ..request.clone()
    };
    pay.lease.quote(&request).await.ok()?.price
}

fn choose(header: Option<&str>, body: &[u8]) -> Result<Chosen, String> {
    let challenge = Challenge::from_response(header, body).map_err(|reason| reason.message)?;
    let networks: Vec<&str> = NETWORKS.iter().map(|network| network.caip2).collect();
    let limits = Limits {
        // What may be spent is the customer's budget, which the card shows.
        max_amount: u64::MAX,
        networks: &networks,
    };
    challenge.choose(&limits).map_err(|error| error.to_string())
}

/// A refusal with its fields, each of which the customer can mend.
fn described(error: &ApiError) -> String {
    let mut words = error.to_string();
    if let ApiError::Refused { error, .. } = error
        && let Some(details) = &error.details
    {
        for field in &details.fields {
            words.push_str(&format!(" {}: {}.", field.field, field.message));
        }
    }
    words
}
