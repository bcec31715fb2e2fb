//! The state machine of a payment, without input or output: [`step`] takes the stored state and an
//! event and returns the effects to perform. Nothing here reads a clock, a database or a network,
//! so tests try every order of events, with a crash after any effect. [`PaymentState`] lists the
//! states and the transitions between them, [`Transition`] is one of them with the data that is
//! stored with it, [`Checkpoint`] lets tests stop the work before an effect.

mod chain_finding;
mod checkpoint;
mod effect;
mod event;
mod state;
#[cfg(test)]
mod tests;
mod transition;

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use state::PaymentState::*;

pub use chain_finding::ChainFinding;
pub use checkpoint::Checkpoint;
pub use effect::{DebtReason, PaymentEffect};
pub use event::{
    Funding, OperatorDecision, PaymentContext, PaymentEvent, PaymentWindow, Requester, RetryPolicy,
    SettlementResult,
};
pub use state::PaymentState;
pub use transition::{NewState, StoredAnswer, Transition, TransitionRight};

/// The effects of an event in a state, in the order in which they are performed.
pub fn step(terms: PaymentContext, state: PaymentState, event: PaymentEvent) -> Vec<PaymentEffect> {
    match event {
        PaymentEvent::Reserved { .. }
        | PaymentEvent::Verified
        | PaymentEvent::Admitted
        | PaymentEvent::Prepared => forward(terms, state, &event),
        PaymentEvent::NotVerified(reason) | PaymentEvent::NotAdmitted(reason) => {
            vec![release(reason)]
        }
        // The row first: what is about to be undone must not be settled any more.
        PaymentEvent::NotPrepared(reason) => vec![release(reason), PaymentEffect::Undo],
        PaymentEvent::FirstSettlement(word) => first_settlement(terms, word),
        PaymentEvent::ChainAfterRefusal { reason, evidence } => after_refusal(reason, evidence),
        PaymentEvent::Resume { requester, begun } => on_resume(terms, state, requester, begun),
        PaymentEvent::LaterSettlement(word, window) => later_settlement(terms, word, window),
        PaymentEvent::ChainAnswered(evidence, window) => chain(terms, state, evidence, window),
        // The operator decides which of the two purchases it paid for.
        PaymentEvent::EvidenceTaken => unresolved(state, "transfer_pays_for_another"),
        PaymentEvent::Performed(answer) => vec![PaymentEffect::Store(NewState::Answered(answer))],
        PaymentEvent::NotDelivered {
            for_good,
            begun,
            late,
        } => not_delivered(terms, state, for_good, begun, late),
        PaymentEvent::Decided(OperatorDecision::Moved(transfer)) if state == Unresolved => {
            vec![PaymentEffect::Store(NewState::Settled(transfer))]
        }
        PaymentEvent::Decided(OperatorDecision::NotMoved(reason)) if state == Unresolved => {
            vec![PaymentEffect::Store(NewState::Refused(reason))]
        }
        PaymentEvent::Decided(_) => vec![],
        PaymentEvent::Overtaken { by, moved } => overtaken(terms, by, moved),
        PaymentEvent::Unreadable => unresolved(state, "unreadable"),
        PaymentEvent::NotStored { to, perhaps } => not_stored(state, to, perhaps),
    }
}

fn release(reason: String) -> PaymentEffect {
    PaymentEffect::Store(NewState::Released(reason))
}

/// The steps of a request up to its settlement, while all succeed.
fn forward(terms: PaymentContext, state: PaymentState, event: &PaymentEvent) -> Vec<PaymentEffect> {
    match (event, terms.funding) {
        (PaymentEvent::Reserved { verified: false }, Funding::X402) => vec![PaymentEffect::Verify],
        (PaymentEvent::Reserved { .. } | PaymentEvent::Verified, _) => vec![PaymentEffect::Admit],
        (PaymentEvent::Admitted, _) => vec![PaymentEffect::Prepare],
        (PaymentEvent::Prepared, Funding::X402) if matches!(state, Reserved | Verified) => {
            vec![
                PaymentEffect::Store(NewState::Settling),
                PaymentEffect::SettleFirst,
            ]
        }
        // The credit is held already; the commit that stores the answer captures it.
        (PaymentEvent::Prepared, Funding::Credit) => vec![PaymentEffect::Deliver],
        _ => vec![],
    }
}

fn first_settlement(terms: PaymentContext, word: SettlementResult) -> Vec<PaymentEffect> {
    match word {
        SettlementResult::Settled(transfer) => moved(transfer),
        // Any party that saw the authorization may have sent it since it was verified.
        SettlementResult::Refused(reason) if terms.has_chain => {
            vec![PaymentEffect::AskChainAfterRefusal(reason)]
        }
        SettlementResult::Refused(reason) => never_moves(reason),
        SettlementResult::Unsent(reason) => vec![release(reason), PaymentEffect::Undo],
        SettlementResult::Unknown(transaction) => unknown(transaction),
    }
}

fn after_refusal(reason: String, evidence: Option<Evidence>) -> Vec<PaymentEffect> {
    match evidence {
        Some(Evidence::Moved(transfer)) => moved(transfer),
        None | Some(Evidence::NotFound) => unknown(None),
        // If another party still sends it, the check after its window finds the transfer.
        Some(
            Evidence::Unspent
            | Evidence::Expired
            | Evidence::Canceled
            | Evidence::SpentElsewhere { .. },
        ) => never_moves(reason),
    }
}

fn moved(transfer: TransferEvidence) -> Vec<PaymentEffect> {
    vec![
        PaymentEffect::Store(NewState::Settled(transfer)),
        PaymentEffect::Deliver,
    ]
}

/// The money moved, as the service found out by itself: an operation that needs the customer waits
/// for their request.
fn found_moved(terms: PaymentContext, transfer: TransferEvidence) -> Vec<PaymentEffect> {
    let mut effects = vec![PaymentEffect::Store(NewState::Settled(transfer))];
    if terms.retry == RetryPolicy::Resumed {
        effects.push(PaymentEffect::Deliver);
    }
    effects
}

fn never_moves(reason: String) -> Vec<PaymentEffect> {
    vec![
        PaymentEffect::Store(NewState::Refused(reason)),
        PaymentEffect::Undo,
    ]
}

fn unknown(transaction: Option<String>) -> Vec<PaymentEffect> {
    let store = PaymentEffect::Store(NewState::Unknown(transaction));
    vec![store, PaymentEffect::Hold, PaymentEffect::Follow]
}

fn unresolved(state: PaymentState, reason: &str) -> Vec<PaymentEffect> {
    match state {
        Settling | Unknown => vec![PaymentEffect::Store(NewState::Unresolved(
            reason.to_owned(),
        ))],
        _ => vec![],
    }
}

fn on_resume(
    terms: PaymentContext,
    state: PaymentState,
    requester: Requester,
    begun: bool,
) -> Vec<PaymentEffect> {
    let ourselves = matches!(requester, Requester::Service { .. });
    match state {
        Settled => on_resume_settled(terms, requester, begun),
        Reserved if ourselves => vec![release("restart".to_owned())],
        Verified if ourselves => vec![release("restart".to_owned()), PaymentEffect::Undo],
        // The request may still be settling if it lost its lock. From here on its answer can
        // neither refuse nor release the payment.
        Settling if ourselves => vec![
            PaymentEffect::Store(NewState::Unknown(None)),
            PaymentEffect::Hold,
            PaymentEffect::SettleAgain,
        ],
        Unknown if ourselves => vec![PaymentEffect::SettleAgain],
        // Another settlement long after the window would only repeat what is known.
        Unresolved if ourselves && terms.has_chain => vec![PaymentEffect::AskChain],
        _ => vec![],
    }
}

/// Paid, and not delivered.
fn on_resume_settled(
    terms: PaymentContext,
    requester: Requester,
    begun: bool,
) -> Vec<PaymentEffect> {
    let never_again = terms.retry == RetryPolicy::Once && begun;
    match requester {
        _ if terms.retry == RetryPolicy::Resumed => vec![PaymentEffect::Deliver],
        // The payer may still send the request again.
        Requester::Service { late: false } => vec![],
        _ if never_again => vec![PaymentEffect::Owe(DebtReason::MayHaveRun)],
        // It may have been done: the operation finds out.
        Requester::Service { late: true } if begun => vec![PaymentEffect::Deliver],
        Requester::Service { late: true } => vec![PaymentEffect::Owe(DebtReason::Undelivered)],
        Requester::Payer => vec![PaymentEffect::Deliver],
        Requester::Anyone => vec![],
    }
}

/// A refusal proves nothing here: an earlier copy may have moved the money, and so emptied the
/// wallet or used the nonce, and the window may be over.
fn later_settlement(
    terms: PaymentContext,
    word: SettlementResult,
    window: PaymentWindow,
) -> Vec<PaymentEffect> {
    match word {
        SettlementResult::Settled(transfer) => found_moved(terms, transfer),
        _ if terms.has_chain => vec![PaymentEffect::AskChain],
        _ if !window.is_over => vec![],
        // The demo ledger is ours: its refusal is true, and without an answer it is asked again.
        SettlementResult::Refused(_) if terms.is_simulated => {
            never_moves("authorization_expired".to_owned())
        }
        _ if terms.is_simulated => vec![],
        _ => vec![PaymentEffect::Store(NewState::Unresolved(
            "no_chain_to_ask".to_owned(),
        ))],
    }
}

/// Only evidence on the chain ends a payment of unknown outcome as refused.
fn chain(
    terms: PaymentContext,
    state: PaymentState,
    evidence: Option<Evidence>,
    window: PaymentWindow,
) -> Vec<PaymentEffect> {
    match (state, ChainFinding::from_evidence(evidence, window)) {
        // The customer was told that nothing was charged, so the whole payment is owed.
        (Refused, ChainFinding::Moved(transfer)) => moved_after_refusal(transfer),
        (Refused, _) => vec![],
        (_, ChainFinding::Moved(transfer)) => found_moved(terms, transfer),
        (_, ChainFinding::NeverMoves(reason)) => never_moves(reason.to_owned()),
        (state, ChainFinding::Unknowable(reason)) => unresolved(state, reason),
        _ => vec![],
    }
}

fn moved_after_refusal(transfer: TransferEvidence) -> Vec<PaymentEffect> {
    vec![
        PaymentEffect::Store(NewState::Settled(transfer)),
        PaymentEffect::Owe(DebtReason::MovedAfterRefusal),
    ]
}

/// Another task or replica stored a transition first. A transfer that is known here is never dropped
/// because of it.
fn overtaken(
    terms: PaymentContext,
    by: PaymentState,
    moved: Option<TransferEvidence>,
) -> Vec<PaymentEffect> {
    match (by, moved) {
        (Settling | Unknown | Unresolved, Some(transfer)) => found_moved(terms, transfer),
        (Refused, Some(transfer)) => moved_after_refusal(transfer),
        (Released | Refused, None) => vec![PaymentEffect::Undo],
        _ => vec![],
    }
}

fn not_delivered(
    terms: PaymentContext,
    state: PaymentState,
    for_good: bool,
    begun: bool,
    late: bool,
) -> Vec<PaymentEffect> {
    // Nothing was captured: a failed request costs nothing.
    if state != Settled {
        return match terms.funding {
            Funding::Credit => vec![release("not_delivered".to_owned()), PaymentEffect::Undo],
            Funding::X402 => vec![],
        };
    }
    if for_good {
        return vec![PaymentEffect::Owe(DebtReason::LeaseEnded)];
    }
    if begun && (terms.retry == RetryPolicy::Once || late && terms.retry == RetryPolicy::ForPayer) {
        return vec![PaymentEffect::Owe(DebtReason::MayHaveRun)];
    }
    if late {
        return vec![PaymentEffect::Owe(DebtReason::Undelivered)];
    }
    vec![]
}

fn not_stored(state: PaymentState, to: PaymentState, perhaps: bool) -> Vec<PaymentEffect> {
    match (state, to) {
        // The row may be `settling`, which its follower will settle: nothing may be undone.
        (Reserved | Verified, Settling) if perhaps => vec![PaymentEffect::Follow],
        (Reserved | Verified, Settling | Released) => vec![PaymentEffect::Undo],
        // The row does not hold the outcome, so nothing is delivered or undone: the follower or the
        // sweep decides.
        (Settling | Unknown | Unresolved, _) => vec![PaymentEffect::Follow],
        // The money moved: a later attempt delivers it, or it becomes a debt.
        _ => vec![],
    }
}
