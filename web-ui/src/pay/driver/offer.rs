//! The offer of a purchase: the lease API's challenge (402), requested by the page or passed on by
//! the agent. The amount is always the one that will be signed.

use api_types::{LeaseRequest, PaymentRequest, Price, Timestamp, Usdc};
use leptos::prelude::*;
use serde_json::json;
use x402::{
    network::NETWORKS,
    purchase::{Challenge, Chosen, SpendingLimits},
};

use super::{CardId, PaidOperation, Pay, PaymentPhase, PurchaseItem, PurchaseSource};
use crate::{
    browser::clock,
    http::{HttpRequest, RequestError, fetch},
    pay::{card::Offer, refusal_reason::PaymentRefusal},
};

/// Requests the offer of a direct purchase from the lease API.
pub(super) async fn request(pay: Pay, id: CardId) {
    let source = pay
        .pending
        .with_value(|all| all.get(&id).map(|pending| pending.source.clone()));
    let Some(PurchaseSource::Direct(item)) = source else {
        return;
    };
    match request_challenge(pay, &item).await {
        Ok((chosen, price)) => show(pay, id, chosen, price, None),
        Err(message) => pay.set_phase(id, PaymentPhase::Failed { message }),
    }
}

/// Reads the challenge that the agent has passed on.
pub(super) fn read(pay: Pay, id: CardId, request: PaymentRequest, fresh: bool) {
    let body = json!({"x402Version": 1, "error": request.error, "accepts": request.accepts});
    let header = request.payment_required.as_deref();
    match choose(header, body.to_string().as_bytes()) {
        Ok(chosen) => {
            pay.change(id, |card| {
                card.price_changed = request.price_changed;
                card.refused_before = PaymentRefusal::read(&request.error);
            });
            let until = (!fresh).then_some(request.valid_until);
            show(pay, id, chosen, request.price, until);
        }
        Err(message) => pay.set_phase(id, PaymentPhase::Failed { message }),
    }
}

fn show(
    pay: Pay,
    id: CardId,
    chosen: Chosen,
    price: Option<Price>,
    valid_until: Option<Timestamp>,
) {
    let amount = Usdc(chosen.amount);
    // The service's clock may be ahead, and then its end is too late.
    let latest = Timestamp(clock::now() + chosen.max_timeout_seconds);
    let offer = Offer {
        amount,
        network: chosen.network.display_name.to_owned(),
        chain_id: chosen.network.chain_id,
        testnet: chosen.network.testnet,
        asset: chosen.network.usdc.address.to_checksum(None),
        pay_to: chosen.pay_to.to_checksum(None),
        valid_until: valid_until.map_or(latest, |until| until.min(latest)),
    };
    pay.pending.update_value(|all| {
        if let Some(pending) = all.get_mut(&id) {
            pending.chosen = Some(chosen);
        }
    });
    let limit = pay.check_budget(amount);
    // Lines that do not add up to the amount belong to another price.
    let price = price.filter(|price| price.total == amount);
    pay.change(id, |card| card.set_offer(offer, price, limit));
    let spent = pay.spent.get_untracked();
    let automatic = pay.budget.get_untracked().allows_automatic(amount, spent);
    // The card starts the payment, once all of it was on the screen.
    pay.change(id, |card| {
        card.automatic = automatic && card.may_be_automatic()
    });
}

async fn request_challenge(
    pay: Pay,
    item: &PurchaseItem,
) -> Result<(Chosen, Option<Price>), String> {
    let operation = &item.operation;
    let message = |error: RequestError| error.to_string();
    let mut request =
        HttpRequest::new(operation.method(), pay.lease.url(&operation.path())).read_date();
    if let Some(body) = operation.body() {
        request = request.json(body);
    }
    let response = fetch::send(&request).await.map_err(message)?;
    let header = response.headers().get("payment-required").ok().flatten();
    let body = fetch::text(&response).await.map_err(message)?;
    if response.status() != 402 {
        return Err(describe(&RequestError::from_response(
            response.status(),
            &body,
        )));
    }
    let chosen = choose(header.as_deref(), body.as_bytes())?;
    let price = match operation {
        PaidOperation::Lease(request) => request_price(pay, request).await,
        _ => item.price.clone(),
    };
    Ok((chosen, price))
}

/// The lines of a lease's price. The request is sent without the password, on which the price does
/// not depend.
async fn request_price(pay: Pay, request: &LeaseRequest) -> Option<Price> {
    let request = LeaseRequest {
        password: None,
        ..request.clone()
    };
    pay.lease.quote(&request).await.ok()?.price
}

fn choose(header: Option<&str>, body: &[u8]) -> Result<Chosen, String> {
    let challenge = Challenge::from_response(header, body).map_err(|reason| reason.message)?;
    let networks: Vec<&str> = NETWORKS.iter().map(|network| network.caip2).collect();
    let limits = SpendingLimits {
        // The limit is the customer's budget, which the card checks and shows.
        max_amount: u64::MAX,
        networks: &networks,
    };
    challenge.choose(&limits).map_err(|error| error.to_string())
}

/// The message of an error, with the fields that the customer can correct.
fn describe(error: &RequestError) -> String {
    let mut message = error.to_string();
    if let RequestError::Refused { error, .. } = error
        && let Some(details) = &error.details
    {
        for field in &details.fields {
            message.push_str(&format!(" {}: {}.", field.field, field.message));
        }
    }
    message
}
