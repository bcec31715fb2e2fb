//! Tests of the machine: by rows, against its document, and in a simulated world where everything
//! fails.

mod document;
mod money;
mod properties;
mod rights;
mod world;

use super::*;

fn terms() -> PaymentContext {
    PaymentContext {
        funding: Funding::X402,
        retry: RetryPolicy::Resumed,
        has_chain: true,
        is_simulated: false,
    }
}

fn transfer() -> TransferEvidence {
    TransferEvidence {
        transaction: "0xfeed".into(),
        log_index: Some(1),
        block: Some(7),
    }
}

const OPEN: PaymentWindow = PaymentWindow {
    is_over: false,
    is_long_over: false,
};
const OVER: PaymentWindow = PaymentWindow {
    is_over: true,
    is_long_over: false,
};

fn store(target: NewState) -> PaymentEffect {
    PaymentEffect::Store(target)
}

#[test]
fn a_valid_purchase_passes_all_steps() {
    let next = |state, event| step(terms(), state, event);
    assert_eq!(
        next(Reserved, PaymentEvent::Reserved { verified: false }),
        [PaymentEffect::Verify]
    );
    assert_eq!(
        next(Reserved, PaymentEvent::Reserved { verified: true }),
        [PaymentEffect::Admit]
    );
    assert_eq!(
        next(Reserved, PaymentEvent::Verified),
        [PaymentEffect::Admit]
    );
    assert_eq!(
        next(Verified, PaymentEvent::Admitted),
        [PaymentEffect::Prepare]
    );
    for state in [Reserved, Verified] {
        assert_eq!(
            next(state, PaymentEvent::Prepared),
            [store(NewState::Settling), PaymentEffect::SettleFirst]
        );
    }
    let settled = PaymentEvent::FirstSettlement(SettlementResult::Settled(transfer()));
    assert_eq!(
        next(Settling, settled),
        [store(NewState::Settled(transfer())), PaymentEffect::Deliver]
    );
}

#[test]
fn a_refusal_after_an_unknown_outcome_proves_nothing() {
    for word in [
        SettlementResult::Refused("insufficient_funds".into()),
        SettlementResult::Unsent("the facilitator does not answer".into()),
        SettlementResult::Unknown(None),
    ] {
        for state in [Settling, Unknown] {
            let event = PaymentEvent::LaterSettlement(word.clone(), OVER);
            assert_eq!(step(terms(), state, event), [PaymentEffect::AskChain]);
        }
    }
    let expired = PaymentEvent::ChainAnswered(Some(Evidence::Expired), OVER);
    let refused = NewState::Refused("authorization_expired".into());
    assert_eq!(
        step(terms(), Unknown, expired),
        [store(refused), PaymentEffect::Undo]
    );
}

#[test]
fn without_a_chain_an_unknown_outcome_is_unresolved_after_the_window() {
    let without = PaymentContext {
        has_chain: false,
        ..terms()
    };
    let refused = SettlementResult::Refused("insufficient_funds".into());
    let at = |window| {
        step(
            without,
            Unknown,
            PaymentEvent::LaterSettlement(refused.clone(), window),
        )
    };
    assert_eq!(at(OPEN), []);
    let unresolved = NewState::Unresolved("no_chain_to_ask".into());
    assert_eq!(at(OVER), [store(unresolved)]);
}

#[test]
fn credit_is_captured_by_the_answer_and_released_with_the_payment() {
    let credit = PaymentContext {
        funding: Funding::Credit,
        retry: RetryPolicy::Once,
        ..terms()
    };
    let next = |state, event| step(credit, state, event);
    assert_eq!(
        next(Reserved, PaymentEvent::Reserved { verified: false }),
        [PaymentEffect::Admit]
    );
    assert_eq!(
        next(Reserved, PaymentEvent::Prepared),
        [PaymentEffect::Deliver]
    );
    let failed = PaymentEvent::NotDelivered {
        for_good: false,
        begun: true,
        late: false,
    };
    let released = NewState::Released("not_delivered".into());
    assert_eq!(
        next(Reserved, failed),
        [store(released), PaymentEffect::Undo]
    );
    assert!(Reserved.may_become(Answered));
}

#[test]
fn a_known_transfer_is_kept_when_another_process_stored_first() {
    let next = |terms, by, moved| step(terms, by, PaymentEvent::Overtaken { by, moved });
    let once = PaymentContext {
        retry: RetryPolicy::Once,
        ..terms()
    };
    let settled = || store(NewState::Settled(transfer()));
    for by in [Settling, Unknown, Unresolved] {
        assert_eq!(
            next(terms(), by, Some(transfer())),
            [settled(), PaymentEffect::Deliver]
        );
        // What needs the customer waits until they ask.
        assert_eq!(next(once, by, Some(transfer())), [settled()]);
    }
    let owed = PaymentEffect::Owe(DebtReason::MovedAfterRefusal);
    assert_eq!(next(terms(), Refused, Some(transfer())), [settled(), owed]);
    for by in [Settled, Answered] {
        assert_eq!(next(terms(), by, Some(transfer())), []);
    }
    for by in [Refused, Released] {
        assert_eq!(next(terms(), by, None), [PaymentEffect::Undo]);
    }
}

#[test]
fn a_payment_is_unknown_before_it_is_settled_again() {
    let look = PaymentEvent::Resume {
        requester: Requester::Service { late: false },
        begun: false,
    };
    // From here on the first answer, should it still come, ends nothing: neither as refused nor
    // as never sent.
    let unknown = store(NewState::Unknown(None));
    assert_eq!(
        step(terms(), Settling, look.clone()),
        [unknown, PaymentEffect::Hold, PaymentEffect::SettleAgain]
    );
    assert_eq!(step(terms(), Unknown, look), [PaymentEffect::SettleAgain]);
    assert!(!Unknown.may_become(Released));
}

#[test]
fn an_unreadable_payment_is_unresolved() {
    for is_simulated in [true, false] {
        let without = PaymentContext {
            has_chain: false,
            is_simulated,
            ..terms()
        };
        let unresolved = store(NewState::Unresolved("unreadable".into()));
        assert_eq!(
            step(without, Unknown, PaymentEvent::Unreadable),
            [unresolved]
        );
        assert_eq!(step(without, Unresolved, PaymentEvent::Unreadable), []);
    }
}
