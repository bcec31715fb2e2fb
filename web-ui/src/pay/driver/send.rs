//! Sends a signed request until its outcome is known. It is the same request each time: nothing here can sign.

use leptos::prelude::*;

use super::{
    CardId, Pay, PayCard, Phase, Record, TurnNews,
    agent::{self, shows_outcome},
    direct::{self, Answer},
    kept, lock,
};
use crate::{
    engine::clock,
    pay::{
        outcome::{self, Outcome},
        record::Signed,
        retry,
    },
    text::money::answer,
};

/// The cards of what an earlier page has left under way, with the records behind them.
pub(super) fn left_over(pay: Pay) -> Vec<(CardId, String, Record)> {
    let records = kept::all().0.into_iter();
    let left: Vec<_> = records
        .map(|(nonce, record)| {
            // The page that is gone may have sent it.
            let record = Record {
                was_open: true,
                ..record
            };
            (pay.new_id(), nonce, record)
        })
        .collect();
    pay.cards
        .update(|all| all.extend(left.iter().map(|(id, _, record)| record.card(*id))));
    left
}

/// Goes on with what an earlier page has left under way, unless another tab does.
pub(super) async fn take_up(pay: Pay, left: Vec<(CardId, String, Record)>) {
    if left.is_empty() {
        return;
    }
    let Some(_lock) = lock::acquire().await else {
        pay.cards
            .update(|all| all.retain(|card| left.iter().all(|(id, ..)| *id != card.id)));
        return;
    };
    for (id, nonce, record) in left {
        until_known(pay, id, &nonce, record).await;
    }
}

/// Sends again what was paid and not delivered, or may have been paid.
pub(super) async fn redeem(pay: Pay, id: CardId) {
    let Some(_lock) = lock::acquire().await else {
        return;
    };
    let Some(nonce) = pay.nonces.with_value(|all| all.get(&id).cloned()) else {
        return;
    };
    if let Some(record) = kept::all().0.remove(&nonce) {
        until_known(pay, id, &nonce, record).await;
    }
}

/// Sends the request until somebody says surely what became of it, or nobody does.
pub(super) async fn until_known(pay: Pay, id: CardId, nonce: &str, mut record: Record) {
    pay.nonces
        .update_value(|all| drop(all.insert(id, nonce.to_owned())));
    let mut attempt = 0;
    loop {
        attempt += 1;
        pay.become_phase(
            id,
            Phase::Sent {
                progress: None,
                attempt,
            },
        );
        let (outcome, wait) = match once(pay, id, nonce, &mut record).await {
            Ok((outcome, wait)) => (outcome.weighed(record.was_open), wait),
            Err(_) => {
                let message = answer::NO_ANSWER.to_owned();
                (Outcome::Open { message }, None)
            }
        };
        if !pay
            .with(id, |card| shows_outcome(&card.phase))
            .unwrap_or(true)
        {
            note(pay, id, nonce, &mut record, &outcome, attempt);
        }
        match outcome {
            Outcome::Open { .. } => {}
            Outcome::Doubtful { message } => {
                return doubt(pay, id, nonce, record, message).await;
            }
            _ => return,
        }
        rest(pay, id, retry::pause(attempt, wait)).await;
        if !retry::worth_sending(record.valid_before, clock::now()) {
            let message = answer::RAN_OUT.to_owned();
            return doubt(pay, id, nonce, record, message).await;
        }
    }
}

/// Nobody says what became of the payment. Where the wallet is signed in, the list of its payments does; else the signed request is
/// kept until the customer looks again.
async fn doubt(pay: Pay, id: CardId, nonce: &str, mut record: Record, message: String) {
    if let Some(outcome) = listed(pay, nonce).await {
        return note(pay, id, nonce, &mut record, &outcome, 1);
    }
    if let Signed::Agent { conversation, .. } = &record.signed
        && let Some(news) = pay.news.get_value()
    {
        news.run((conversation.clone(), TurnNews::Hold));
    }
    let expired = !retry::worth_sending(record.valid_before, clock::now());
    pay.become_phase(id, Phase::Doubtful { message, expired });
}

async fn listed(pay: Pay, nonce: &str) -> Option<Outcome> {
    pay.session.current()?;
    let payments = pay.lease.payments().await.ok()?;
    let one = payments
        .into_iter()
        .find(|payment| payment.nonce.eq_ignore_ascii_case(nonce))?;
    outcome::of_listed(&one.state, one.transaction, one.amount)
}

async fn once(pay: Pay, id: CardId, nonce: &str, record: &mut Record) -> Answer {
    match record.signed.clone() {
        Signed::Direct {
            call,
            header: (name, value),
            idempotency_key,
        } => {
            let header = (name.as_str(), value.expose());
            direct::attempt(pay, &call, header, idempotency_key.as_deref(), |step| {
                pay.change(id, |card| card.progressed(step));
            })
            .await
        }
        Signed::Agent {
            conversation,
            tool,
            request,
        } => {
            let was_open = record.was_open;
            agent::attempt(pay, &conversation, &tool, &request, was_open, |outcome| {
                note(pay, id, nonce, record, outcome, 1);
            })
            .await
        }
    }
}

/// Shows an outcome on its card, and forgets the request unless it has to be sent again.
fn note(pay: Pay, id: CardId, nonce: &str, record: &mut Record, outcome: &Outcome, attempt: u32) {
    if outcome.is_paid() {
        pay.count(record);
    }
    if outcome.leaves_open() {
        record.was_open = true;
        kept::put(nonce, record);
    } else {
        kept::forget(nonce);
    }
    let mut phase = outcome.clone().into_phase(attempt);
    if let Phase::Settled(receipt) = &mut phase
        && pay.wallet.simulated().get_untracked()
    {
        // The demo's transactions look like a chain's and are on none.
        receipt.explorer_url = None;
    }
    pay.become_phase(id, phase);
    if matches!(outcome, Outcome::Settled(_))
        && let Some(callback) = pay.settled.get_value()
        && let Some(card) = pay.with(id, PayCard::clone)
    {
        callback.run(card);
    }
}

/// Waits, unless the customer wants to know at once.
async fn rest(pay: Pay, id: CardId, seconds: u32) {
    for _ in 0..seconds {
        let mut hurries = false;
        pay.hurry.update_value(|hurry| hurries = hurry.remove(&id));
        if hurries {
            return;
        }
        clock::pause(1).await;
    }
}
