//! Sends a signed request until its outcome is known. It is the same request each time: this module
//! cannot sign.

use leptos::prelude::*;

use super::{
    CardId, Pay, PayCard, PaymentPhase, StoredPayment, TurnUpdate,
    agent::{self, shows_outcome},
    direct::{self, AttemptResult},
    lock, stored,
};
use crate::{
    browser::clock,
    pay::{
        outcome::{self, PaymentOutcome},
        retry,
        stored_payment::SignedRequest,
    },
    text::money::answer,
};

/// Shows the payments that an earlier page has left under way.
pub(super) fn show_stored(pay: Pay) -> Vec<(CardId, String, StoredPayment)> {
    let stored: Vec<_> = stored::all()
        .0
        .into_iter()
        .map(|(nonce, payment)| {
            // The earlier page may have sent it.
            let payment = StoredPayment {
                was_open: true,
                ..payment
            };
            (pay.new_id(), nonce, payment)
        })
        .collect();
    pay.cards
        .update(|all| all.extend(stored.iter().map(|(id, _, payment)| payment.card(*id))));
    stored
}

/// Resumes payments that an earlier page has left under way, unless another tab does.
pub(super) async fn resume(pay: Pay, stored: Vec<(CardId, String, StoredPayment)>) {
    if stored.is_empty() {
        return;
    }
    let Some(_lock) = lock::acquire().await else {
        pay.cards
            .update(|all| all.retain(|card| stored.iter().all(|(id, ..)| *id != card.id)));
        return;
    };
    for (id, nonce, payment) in stored {
        send_until_known(pay, id, &nonce, payment).await;
    }
}

/// Sends the stored request of a card again: it was paid and not delivered, or may have been paid.
pub(super) async fn retry_stored(pay: Pay, id: CardId) {
    let Some(_lock) = lock::acquire().await else {
        return;
    };
    let Some(nonce) = pay.nonces.with_value(|all| all.get(&id).cloned()) else {
        return;
    };
    if let Some(payment) = stored::all().0.remove(&nonce) {
        send_until_known(pay, id, &nonce, payment).await;
    }
}

/// Sends the request until its outcome is known for sure, or cannot become known any more.
pub(super) async fn send_until_known(
    pay: Pay,
    id: CardId,
    nonce: &str,
    mut payment: StoredPayment,
) {
    pay.nonces
        .update_value(|all| drop(all.insert(id, nonce.to_owned())));
    let mut attempt = 0;
    loop {
        attempt += 1;
        pay.set_phase(
            id,
            PaymentPhase::Sent {
                progress: None,
                attempt,
            },
        );
        let (outcome, retry_after) = match attempt_once(pay, id, nonce, &mut payment).await {
            Ok((outcome, retry_after)) => {
                (outcome.after_earlier_copies(payment.was_open), retry_after)
            }
            Err(_) => {
                let message = answer::NO_ANSWER.to_owned();
                (PaymentOutcome::Open { message }, None)
            }
        };
        if !pay
            .with(id, |card| shows_outcome(&card.phase))
            .unwrap_or(true)
        {
            apply_outcome(pay, id, nonce, &mut payment, &outcome, attempt);
        }
        match outcome {
            PaymentOutcome::Open { .. } => {}
            PaymentOutcome::Unconfirmed { message } => {
                return leave_unconfirmed(pay, id, nonce, payment, message).await;
            }
            _ => return,
        }
        pause_before_retry(pay, id, retry::backoff(attempt, retry_after)).await;
        if !retry::worth_sending(payment.valid_before, clock::now()) {
            let message = answer::RAN_OUT.to_owned();
            return leave_unconfirmed(pay, id, nonce, payment, message).await;
        }
    }
}

/// No response tells the outcome. If the wallet is signed in, the list of its payments does;
/// otherwise the signed request stays stored until the customer sends it again.
async fn leave_unconfirmed(
    pay: Pay,
    id: CardId,
    nonce: &str,
    mut payment: StoredPayment,
    message: String,
) {
    if let Some(outcome) = look_up_in_list(pay, nonce).await {
        return apply_outcome(pay, id, nonce, &mut payment, &outcome, 1);
    }
    if let SignedRequest::Agent { conversation, .. } = &payment.signed
        && let Some(on_turn) = pay.on_turn.get_value()
    {
        on_turn.run((conversation.clone(), TurnUpdate::OnHold));
    }
    let expired = !retry::worth_sending(payment.valid_before, clock::now());
    pay.set_phase(id, PaymentPhase::Unconfirmed { message, expired });
}

async fn look_up_in_list(pay: Pay, nonce: &str) -> Option<PaymentOutcome> {
    pay.session.token_untracked()?;
    let payments = pay.lease.payments().await.ok()?;
    let one = payments
        .into_iter()
        .find(|payment| payment.nonce.eq_ignore_ascii_case(nonce))?;
    outcome::from_listed_state(&one.state, one.transaction, one.amount)
}

async fn attempt_once(
    pay: Pay,
    id: CardId,
    nonce: &str,
    payment: &mut StoredPayment,
) -> AttemptResult {
    match payment.signed.clone() {
        SignedRequest::Direct {
            call,
            header: (name, value),
            idempotency_key,
        } => {
            let header = (name.as_str(), value.expose());
            direct::attempt(pay, &call, header, idempotency_key.as_deref(), |step| {
                pay.change(id, |card| card.set_step(step));
            })
            .await
        }
        SignedRequest::Agent {
            conversation,
            tool,
            request,
        } => {
            let was_open = payment.was_open;
            agent::attempt(pay, &conversation, &tool, &request, was_open, |outcome| {
                apply_outcome(pay, id, nonce, payment, outcome, 1);
            })
            .await
        }
    }
}

/// Shows an outcome on its card, and removes the stored request unless it has to be sent again.
fn apply_outcome(
    pay: Pay,
    id: CardId,
    nonce: &str,
    payment: &mut StoredPayment,
    outcome: &PaymentOutcome,
    attempt: u32,
) {
    if outcome.is_paid() {
        pay.count(payment);
    }
    if outcome.leaves_open() {
        payment.was_open = true;
        stored::insert(nonce, payment);
    } else {
        stored::remove(nonce);
    }
    let mut phase = outcome.clone().into_phase(attempt);
    if let PaymentPhase::Settled(receipt) = &mut phase
        && pay.wallet.simulated().get_untracked()
    {
        // The demo's transactions look like those of a chain and are on no chain.
        receipt.explorer_url = None;
    }
    pay.set_phase(id, phase);
    if matches!(outcome, PaymentOutcome::Settled(_))
        && let Some(callback) = pay.on_settled.get_value()
        && let Some(card) = pay.with(id, PayCard::clone)
    {
        callback.run(card);
    }
}

/// Waits, unless the customer wants the next attempt now.
async fn pause_before_retry(pay: Pay, id: CardId, seconds: u32) {
    for _ in 0..seconds {
        let mut now = false;
        pay.retry_now.update_value(|cards| now = cards.remove(&id));
        if now {
            return;
        }
        clock::pause(1).await;
    }
}
