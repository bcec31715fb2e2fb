//! The life of a payment as a pure function: what happened leads from the state that is stored to what is done next. Nothing
//! here reads a clock, a database or a network, so that every order of events can be tried, with a crash after any effect.

mod checkpoint;
mod effect;
mod event;
mod fate;
mod state;
#[cfg(test)]
mod tests;
mod transition;

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use state::PaymentState::*;

pub use checkpoint::Checkpoint;
pub use effect::{DebtReason, Effect};
pub use event::{Asker, Event, Funding, Repeat, Terms, Verdict, Window, Word};
pub use fate::Fate;
pub use state::PaymentState;
pub use transition::{Answer, Move, Target, TransitionRight};

/// What is done next.
pub fn step(terms: Terms, state: PaymentState, event: Event) -> Vec<Effect> {
    match event {
        Event::Reserved { .. } | Event::Verified | Event::Admitted | Event::Prepared => {
            forward(terms, state, &event)
        }
        Event::NotVerified(reason) | Event::NotAdmitted(reason) => vec![release(reason)],
        // The row goes first, so that nobody settles any more for what is undone.
        Event::NotPrepared(reason) => vec![release(reason), Effect::Undo],
        Event::FirstSettlement(word) => first_settlement(terms, word),
        Event::ChainAfterRefusal { reason, evidence } => after_refusal(reason, evidence),
        Event::Look { asker, begun } => look(terms, state, asker, begun),
        Event::LaterSettlement(word, window) => later_settlement(terms, word, window),
        Event::Chain(evidence, window) => chain(terms, state, evidence, window),
        // Which of the two it paid for is for a person to say.
        Event::EvidenceTaken => unresolved(state, "transfer_pays_for_another"),
        Event::Delivered(answer) => vec![Effect::Store(Target::Answered(answer))],
        Event::NotDelivered {
            for_good,
            begun,
            late,
        } => not_delivered(terms, state, for_good, begun, late),
        Event::Decided(Verdict::Moved(transfer)) if state == Unresolved => {
            vec![Effect::Store(Target::Settled(transfer))]
        }
        Event::Decided(Verdict::NotMoved(reason)) if state == Unresolved => {
            vec![Effect::Store(Target::Refused(reason))]
        }
        Event::Decided(_) => vec![],
        Event::Overtaken { by, moved } => overtaken(terms, by, moved),
        Event::Unreadable => unresolved(state, "unreadable"),
        Event::NotStored { to, perhaps } => not_stored(state, to, perhaps),
    }
}

fn release(reason: String) -> Effect {
    Effect::Store(Target::Released(reason))
}

/// The way of a request whose steps all succeed, up to the settlement.
fn forward(terms: Terms, state: PaymentState, event: &Event) -> Vec<Effect> {
    match (event, terms.funding) {
        (Event::Reserved { verified: false }, Funding::X402) => vec![Effect::Verify],
        (Event::Reserved { .. } | Event::Verified, _) => vec![Effect::Admit],
        (Event::Admitted, _) => vec![Effect::Prepare],
        (Event::Prepared, Funding::X402) if matches!(state, Reserved | Verified) => {
            vec![Effect::Store(Target::Settling), Effect::SettleFirst]
        }
        // The hold is the money: it is captured by the commit that stores the answer.
        (Event::Prepared, Funding::Credit) => vec![Effect::Deliver],
        _ => vec![],
    }
}

fn first_settlement(terms: Terms, word: Word) -> Vec<Effect> {
    match word {
        Word::Settled(transfer) => moved(transfer),
        // Anybody who has seen the authorization can have sent it since it was verified.
        Word::Refused(reason) if terms.has_chain => vec![Effect::AskChainAfterRefusal(reason)],
        Word::Refused(reason) => never_moves(reason),
        Word::Unsent(reason) => vec![release(reason), Effect::Undo],
        Word::Unknown(transaction) => unknown(transaction),
    }
}

fn after_refusal(reason: String, evidence: Option<Evidence>) -> Vec<Effect> {
    match evidence {
        Some(Evidence::Moved(transfer)) => moved(transfer),
        None | Some(Evidence::NotFound) => unknown(None),
        // Should somebody send it still, the look after its window finds it.
        Some(
            Evidence::Unspent
            | Evidence::Expired
            | Evidence::Canceled
            | Evidence::SpentElsewhere { .. },
        ) => never_moves(reason),
    }
}

fn moved(transfer: TransferEvidence) -> Vec<Effect> {
    vec![Effect::Store(Target::Settled(transfer)), Effect::Deliver]
}

/// The same, found out without the customer: what needs them waits until they ask.
fn found_moved(terms: Terms, transfer: TransferEvidence) -> Vec<Effect> {
    let mut effects = vec![Effect::Store(Target::Settled(transfer))];
    if terms.repeat == Repeat::Resumed {
        effects.push(Effect::Deliver);
    }
    effects
}

fn never_moves(reason: String) -> Vec<Effect> {
    vec![Effect::Store(Target::Refused(reason)), Effect::Undo]
}

fn unknown(transaction: Option<String>) -> Vec<Effect> {
    let store = Effect::Store(Target::Unknown(transaction));
    vec![store, Effect::Hold, Effect::Follow]
}

fn unresolved(state: PaymentState, reason: &str) -> Vec<Effect> {
    match state {
        Settling | Unknown => vec![Effect::Store(Target::Unresolved(reason.to_owned()))],
        _ => vec![],
    }
}

fn look(terms: Terms, state: PaymentState, asker: Asker, begun: bool) -> Vec<Effect> {
    let ourselves = matches!(asker, Asker::Ourselves { .. });
    match state {
        Settled => look_at_settled(terms, asker, begun),
        Reserved if ourselves => vec![release("restart".to_owned())],
        Verified if ourselves => vec![release("restart".to_owned()), Effect::Undo],
        // The request may still be at it, should its lock be lost: from here on, neither a refusal
        // nor that nothing was sent is its to say.
        Settling if ourselves => vec![
            Effect::Store(Target::Unknown(None)),
            Effect::Hold,
            Effect::SettleAgain,
        ],
        Unknown if ourselves => vec![Effect::SettleAgain],
        // A settlement that is asked for long after the window can only repeat what is known.
        Unresolved if ourselves && terms.has_chain => vec![Effect::AskChain],
        _ => vec![],
    }
}

/// Paid, and not delivered.
fn look_at_settled(terms: Terms, asker: Asker, begun: bool) -> Vec<Effect> {
    let never_again = terms.repeat == Repeat::Once && begun;
    match asker {
        _ if terms.repeat == Repeat::Resumed => vec![Effect::Deliver],
        // The payer may be about to ask.
        Asker::Ourselves { late: false } => vec![],
        _ if never_again => vec![Effect::Owe(DebtReason::MayHaveRun)],
        Asker::Ourselves { late: true } => vec![Effect::Owe(DebtReason::Undelivered)],
        Asker::Payer => vec![Effect::Deliver],
        Asker::Anybody => vec![],
    }
}

/// A refusal proves nothing here: an earlier copy may have moved the money, and emptied the payer, used the nonce, or outlived
/// the window.
fn later_settlement(terms: Terms, word: Word, window: Window) -> Vec<Effect> {
    match word {
        Word::Settled(transfer) => found_moved(terms, transfer),
        _ if terms.has_chain => vec![Effect::AskChain],
        _ if !window.is_over => vec![],
        // Our own ledger knows, as soon as it answers.
        Word::Refused(_) if terms.is_simulated => never_moves("authorization_expired".to_owned()),
        _ if terms.is_simulated => vec![],
        _ => vec![Effect::Store(Target::Unresolved(
            "no_chain_to_ask".to_owned(),
        ))],
    }
}

/// Only the chain's own word ends a payment of unknown outcome as refused.
fn chain(
    terms: Terms,
    state: PaymentState,
    evidence: Option<Evidence>,
    window: Window,
) -> Vec<Effect> {
    match (state, Fate::from_evidence(evidence, window)) {
        // Something was delivered, or nothing: it is owed, since the customer was told that nothing was charged.
        (Refused, Fate::Moved(transfer)) => moved_after_refusal(transfer),
        (Refused, _) => vec![],
        (_, Fate::Moved(transfer)) => found_moved(terms, transfer),
        (_, Fate::NeverMoves(reason)) => never_moves(reason.to_owned()),
        (state, Fate::Unknowable(reason)) => unresolved(state, reason),
        _ => vec![],
    }
}

fn moved_after_refusal(transfer: TransferEvidence) -> Vec<Effect> {
    vec![
        Effect::Store(Target::Settled(transfer)),
        Effect::Owe(DebtReason::MovedAfterRefusal),
    ]
}

/// Another one wrote first. A transfer that is known is never dropped for what they knew.
fn overtaken(terms: Terms, by: PaymentState, moved: Option<TransferEvidence>) -> Vec<Effect> {
    match (by, moved) {
        (Settling | Unknown | Unresolved, Some(transfer)) => found_moved(terms, transfer),
        (Refused, Some(transfer)) => moved_after_refusal(transfer),
        (Released | Refused, None) => vec![Effect::Undo],
        _ => vec![],
    }
}

fn not_delivered(
    terms: Terms,
    state: PaymentState,
    for_good: bool,
    begun: bool,
    late: bool,
) -> Vec<Effect> {
    // Nothing was captured: a call that fails costs nothing.
    if state != Settled {
        return match terms.funding {
            Funding::Credit => vec![release("not_delivered".to_owned()), Effect::Undo],
            Funding::X402 => vec![],
        };
    }
    if for_good {
        return vec![Effect::Owe(DebtReason::LeaseEnded)];
    }
    if terms.repeat == Repeat::Once && begun {
        return vec![Effect::Owe(DebtReason::MayHaveRun)];
    }
    if late {
        return vec![Effect::Owe(DebtReason::Undelivered)];
    }
    vec![]
}

fn not_stored(state: PaymentState, to: PaymentState, perhaps: bool) -> Vec<Effect> {
    match (state, to) {
        // The row may say `settling`, and its follower will then settle: nothing may be undone.
        (Reserved | Verified, Settling) if perhaps => vec![Effect::Follow],
        (Reserved | Verified, Settling | Released) => vec![Effect::Undo],
        // Nothing is undone or done while the row does not say why: the follower or the sweep decides.
        (Settling | Unknown | Unresolved, _) => vec![Effect::Follow],
        // The money moved: it is delivered again, or owed.
        _ => vec![],
    }
}
