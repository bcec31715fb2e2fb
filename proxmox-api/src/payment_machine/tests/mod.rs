//! The machine by rows, by its document, and in a world where everything fails.

mod document;
mod money;
mod properties;
mod world;

use super::*;

fn terms() -> Terms {
    Terms {
        funding: Funding::X402,
        repeat: Repeat::Resumed,
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

const OPEN: Window = Window {
    is_over: false,
    is_long_over: false,
};
const OVER: Window = Window {
    is_over: true,
    is_long_over: false,
};

fn store(target: Target) -> Effect {
    Effect::Store(target)
}

#[test]
fn a_good_purchase_goes_straight_through() {
    let next = |state, event| step(terms(), state, event);
    assert_eq!(
        next(Reserved, Event::Reserved { verified: false }),
        [Effect::Verify]
    );
    assert_eq!(
        next(Reserved, Event::Reserved { verified: true }),
        [Effect::Admit]
    );
    assert_eq!(next(Reserved, Event::Verified), [Effect::Admit]);
    assert_eq!(next(Verified, Event::Admitted), [Effect::Prepare]);
    for state in [Reserved, Verified] {
        assert_eq!(
            next(state, Event::Prepared),
            [store(Target::Settling), Effect::SettleFirst]
        );
    }
    let settled = Event::FirstSettlement(Word::Settled(transfer()));
    assert_eq!(
        next(Settling, settled),
        [store(Target::Settled(transfer())), Effect::Deliver]
    );
}

#[test]
fn a_refusal_after_an_unknown_outcome_proves_nothing() {
    for word in [
        Word::Refused("insufficient_funds".into()),
        Word::Unsent("the facilitator does not answer".into()),
        Word::Unknown(None),
    ] {
        for state in [Settling, Unknown] {
            let event = Event::LaterSettlement(word.clone(), OVER);
            assert_eq!(step(terms(), state, event), [Effect::AskChain]);
        }
    }
    let expired = Event::Chain(Some(Evidence::Expired), OVER);
    let refused = Target::Refused("authorization_expired".into());
    assert_eq!(
        step(terms(), Unknown, expired),
        [store(refused), Effect::Undo]
    );
}

#[test]
fn without_a_chain_an_unknown_outcome_is_for_a_person_once_the_window_is_over() {
    let without = Terms {
        has_chain: false,
        ..terms()
    };
    let refused = Word::Refused("insufficient_funds".into());
    let at = |window| {
        step(
            without,
            Unknown,
            Event::LaterSettlement(refused.clone(), window),
        )
    };
    assert_eq!(at(OPEN), []);
    let unresolved = Target::Unresolved("no_chain_to_ask".into());
    assert_eq!(at(OVER), [store(unresolved)]);
}

#[test]
fn credit_is_captured_by_the_answer_and_released_with_the_payment() {
    let credit = Terms {
        funding: Funding::Credit,
        repeat: Repeat::Once,
        ..terms()
    };
    let next = |state, event| step(credit, state, event);
    assert_eq!(
        next(Reserved, Event::Reserved { verified: false }),
        [Effect::Admit]
    );
    assert_eq!(next(Reserved, Event::Prepared), [Effect::Deliver]);
    let failed = Event::NotDelivered {
        for_good: false,
        begun: true,
        late: false,
    };
    let released = Target::Released("not_delivered".into());
    assert_eq!(next(Reserved, failed), [store(released), Effect::Undo]);
    assert!(Reserved.may_become(Answered));
}

#[test]
fn a_transfer_that_is_known_is_never_dropped_for_what_another_one_wrote() {
    let next = |terms, by, moved| step(terms, by, Event::Overtaken { by, moved });
    let once = Terms {
        repeat: Repeat::Once,
        ..terms()
    };
    let settled = || store(Target::Settled(transfer()));
    for by in [Settling, Unknown, Unresolved] {
        assert_eq!(
            next(terms(), by, Some(transfer())),
            [settled(), Effect::Deliver]
        );
        // What needs the customer waits until they ask.
        assert_eq!(next(once, by, Some(transfer())), [settled()]);
    }
    let owed = Effect::Owe(DebtReason::MovedAfterRefusal);
    assert_eq!(next(terms(), Refused, Some(transfer())), [settled(), owed]);
    for by in [Settled, Answered] {
        assert_eq!(next(terms(), by, Some(transfer())), []);
    }
    for by in [Refused, Released] {
        assert_eq!(next(terms(), by, None), [Effect::Undo]);
    }
}

#[test]
fn a_request_is_not_asked_for_again_while_its_first_answer_can_still_end_it() {
    let look = Event::Look {
        asker: Asker::Ourselves { late: false },
        begun: false,
    };
    // From here on the first answer, should it still come, ends nothing: neither as refused nor
    // as never sent.
    let unknown = store(Target::Unknown(None));
    assert_eq!(
        step(terms(), Settling, look.clone()),
        [unknown, Effect::Hold, Effect::SettleAgain]
    );
    assert_eq!(step(terms(), Unknown, look), [Effect::SettleAgain]);
    assert!(!Unknown.may_become(Released));
}

#[test]
fn a_payment_that_cannot_be_read_any_more_is_for_a_person() {
    for is_simulated in [true, false] {
        let without = Terms {
            has_chain: false,
            is_simulated,
            ..terms()
        };
        let unresolved = store(Target::Unresolved("unreadable".into()));
        assert_eq!(step(without, Unknown, Event::Unreadable), [unresolved]);
        assert_eq!(step(without, Unresolved, Event::Unreadable), []);
    }
}
