use super::*;

fn card(phase: Phase) -> PayCard {
    PayCard {
        phase,
        ..PayCard::new(1, Via::Direct(Call::List))
    }
}

fn offer() -> Offer {
    Offer {
        amount: Usdc(1000),
        network: "Base Sepolia".into(),
        chain_id: 84532,
        testnet: true,
        asset: "0x036C".into(),
        pay_to: "0x7099".into(),
        valid_until: Timestamp(1),
    }
}

#[test]
fn two_presses_open_the_wallet_once() {
    let mut card = card(Phase::Quoting);
    assert!(!card.begin(), "there is nothing to pay yet");
    card.offered(offer(), None, Ok(()));
    assert!(card.begin());
    assert!(!card.begin());
    assert!(!card.cancel(), "the wallet decides now");
    assert_eq!(card.phase, Phase::WalletOpen);
}

#[test]
fn after_a_no_in_the_wallet_it_can_be_paid_or_given_up() {
    let mut declined = card(Phase::Declined);
    assert!(declined.clone().begin());
    assert!(declined.cancel());
    assert_eq!(declined.phase, Phase::Cancelled);
    assert!(!declined.begin(), "what was given up stays so");
}

#[test]
fn a_limit_bars_the_wallet_until_it_is_raised() {
    let mut card = card(Phase::Quoting);
    card.offered(offer(), None, Err(OverBudget::Session(Usdc(5))));
    assert_eq!(
        card.phase,
        Phase::OverBudget {
            cap: Usdc(5),
            session: true
        }
    );
    assert!(!card.begin());
    card.limited(Ok(()));
    assert!(card.begin());
    card.limited(Err(OverBudget::Payment(Usdc(5))));
    assert_eq!(card.phase, Phase::WalletOpen, "what is begun is not undone");
}

#[test]
fn progress_counts_the_known_steps_and_shows_the_unknown() {
    let mut card = card(Phase::Sent {
        progress: None,
        attempt: 1,
    });
    card.progressed("probing");
    let Phase::Sent { progress, .. } = &card.phase else {
        unreachable!()
    };
    assert_eq!(
        progress.clone(),
        Some(Progress {
            step: "probing".into(),
            done: 2,
            of: 4
        })
    );
    assert_eq!(Progress::begun("polishing").done, 0);
}

#[test]
fn nothing_is_paid_by_itself_over_a_choice_or_a_refusal() {
    let plain = card(Phase::Offered);
    assert!(plain.may_pay_by_itself());
    let with_choice = PayCard {
        needs_credential: true,
        ..plain.clone()
    };
    let refused = PayCard {
        refused_before: Refusal::read("payment_refused"),
        ..plain
    };
    assert!(!with_choice.may_pay_by_itself() && !refused.may_pay_by_itself());
    assert!(!card(Phase::Declined).may_pay_by_itself());
}

#[test]
fn what_was_refused_or_has_run_out_can_be_asked_for_again() {
    let refused = Phase::Refused {
        message: "No.".into(),
        code: None,
        too_little: true,
    };
    let failed = Phase::Failed {
        message: "No.".into(),
    };
    for phase in [refused, failed, Phase::Offered] {
        let mut card = card(phase);
        assert!(card.ask_again());
        assert_eq!(card.phase, Phase::Quoting);
        card.offered(offer(), None, Ok(()));
        assert!(card.begin());
        assert!(
            !card.ask_again(),
            "what is under way is not asked for again"
        );
    }
}

#[test]
fn the_lines_of_a_price_outlive_an_offer_of_the_same_price_only() {
    let price = |total| Price {
        lines: Vec::new(),
        total: Usdc(total),
    };
    let mut card = card(Phase::Quoting);
    card.offered(offer(), Some(price(1000)), Ok(()));
    assert!(card.ask_again());
    card.offered(offer(), None, Ok(()));
    assert_eq!(card.price, Some(price(1000)));
    assert!(card.ask_again());
    let dearer = Offer {
        amount: Usdc(2000),
        ..offer()
    };
    card.offered(dearer, None, Ok(()));
    assert_eq!(card.price, None);
}

#[test]
fn a_password_is_known_to_be_there_until_the_card_goes() {
    let receipt = |result| {
        Phase::Settled(Receipt {
            transaction: None,
            explorer_url: None,
            network: None,
            result,
        })
    };
    let made = serde_json::json!({"ctid": 101, "password": "once"});
    assert!(card(receipt(made)).holds_password());
    assert!(!card(receipt(serde_json::json!({"ctid": 101}))).holds_password());
    assert!(!card(receipt(Value::Null)).holds_password());
    assert!(!card(Phase::Offered).holds_password());
}

#[test]
fn a_late_offer_changes_nothing() {
    let mut card = card(Phase::Cancelled);
    card.offered(offer(), None, Ok(()));
    assert_eq!((card.offer, card.phase), (None, Phase::Cancelled));
}

#[test]
fn what_is_in_doubt_bars_no_other_payment_and_is_not_over() {
    let doubtful = card(Phase::Doubtful {
        message: String::new(),
        expired: true,
    });
    assert!(!doubtful.under_way() && !doubtful.is_over() && doubtful.needs_a_look());
    assert!(
        !doubtful.clone().cancel() && !doubtful.clone().ask_again() && !doubtful.clone().begin()
    );
}

#[test]
fn a_wallet_that_gave_no_answer_can_be_asked_again() {
    let mut card = card(Phase::Unanswered { timed_out: true });
    assert!(!card.under_way(), "other payments are not barred");
    assert!(card.begin());
}

#[test]
fn a_payment_without_a_question_is_begun_once_and_only_when_it_was_seen() {
    let mut by_itself = PayCard {
        by_itself: true,
        ..card(Phase::Offered)
    };
    assert!(by_itself.waits_to_be_seen());
    assert!(by_itself.seen());
    assert!(!by_itself.seen());
    assert!(!card(Phase::Offered).seen(), "the customer is to be asked");
    let mut declined = PayCard {
        by_itself: true,
        ..card(Phase::Declined)
    };
    assert!(!declined.seen());
}
