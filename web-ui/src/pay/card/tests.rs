use super::*;

fn card(phase: PaymentPhase) -> PayCard {
    PayCard {
        phase,
        ..PayCard::new(1, PurchaseVia::Direct(PaidOperation::List))
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
    let mut card = card(PaymentPhase::Quoting);
    assert!(!card.start_payment(), "there is nothing to pay yet");
    card.set_offer(offer(), None, Ok(()));
    assert!(card.start_payment());
    assert!(!card.start_payment());
    assert!(!card.cancel(), "the wallet decides now");
    assert_eq!(card.phase, PaymentPhase::WalletOpen);
}

#[test]
fn a_declined_payment_can_be_paid_or_cancelled() {
    let mut declined = card(PaymentPhase::Declined);
    assert!(declined.clone().start_payment());
    assert!(declined.cancel());
    assert_eq!(declined.phase, PaymentPhase::Cancelled);
    assert!(
        !declined.start_payment(),
        "a cancelled payment stays cancelled"
    );
}

#[test]
fn a_payment_over_a_limit_starts_only_once_the_limit_is_raised() {
    let mut card = card(PaymentPhase::Quoting);
    card.set_offer(offer(), None, Err(OverBudget::Session(Usdc(5))));
    assert_eq!(
        card.phase,
        PaymentPhase::OverBudget {
            cap: Usdc(5),
            session: true
        }
    );
    assert!(!card.start_payment());
    card.apply_limit(Ok(()));
    assert!(card.start_payment());
    card.apply_limit(Err(OverBudget::Payment(Usdc(5))));
    assert_eq!(
        card.phase,
        PaymentPhase::WalletOpen,
        "a payment that has started goes on"
    );
}

#[test]
fn progress_counts_known_steps_and_shows_unknown_ones() {
    let mut card = card(PaymentPhase::Sent {
        progress: None,
        attempt: 1,
    });
    card.set_step("probing");
    let PaymentPhase::Sent { progress, .. } = &card.phase else {
        unreachable!()
    };
    assert_eq!(
        progress.clone(),
        Some(WorkProgress {
            step: "probing".into(),
            done: 2,
            of: 4
        })
    );
    assert_eq!(WorkProgress::at_step("polishing").done, 0);
}

#[test]
fn no_payment_is_automatic_with_a_credential_to_choose_or_a_refusal() {
    let plain = card(PaymentPhase::Offered);
    assert!(plain.may_be_automatic());
    let with_choice = PayCard {
        needs_credential: true,
        ..plain.clone()
    };
    let refused = PayCard {
        refused_before: PaymentRefusal::read("payment_refused"),
        ..plain
    };
    assert!(!with_choice.may_be_automatic() && !refused.may_be_automatic());
    assert!(!card(PaymentPhase::Declined).may_be_automatic());
}

#[test]
fn a_refused_failed_or_expired_offer_can_be_renewed() {
    let refused = PaymentPhase::Refused {
        message: "No.".into(),
        code: None,
        too_little: true,
    };
    let failed = PaymentPhase::Failed {
        message: "No.".into(),
    };
    for phase in [refused, failed, PaymentPhase::Offered] {
        let mut card = card(phase);
        assert!(card.renew_offer());
        assert_eq!(card.phase, PaymentPhase::Quoting);
        card.set_offer(offer(), None, Ok(()));
        assert!(card.start_payment());
        assert!(
            !card.renew_offer(),
            "an offer whose payment is under way is not renewed"
        );
    }
}

#[test]
fn the_lines_of_a_price_are_kept_for_the_same_price_only() {
    let price = |total| Price {
        lines: Vec::new(),
        total: Usdc(total),
    };
    let mut card = card(PaymentPhase::Quoting);
    card.set_offer(offer(), Some(price(1000)), Ok(()));
    assert!(card.renew_offer());
    card.set_offer(offer(), None, Ok(()));
    assert_eq!(card.price, Some(price(1000)));
    assert!(card.renew_offer());
    let dearer = Offer {
        amount: Usdc(2000),
        ..offer()
    };
    card.set_offer(dearer, None, Ok(()));
    assert_eq!(card.price, None);
}

#[test]
fn a_card_tells_whether_it_shows_a_password() {
    let receipt = |result| {
        PaymentPhase::Settled(PurchaseReceipt {
            transaction: None,
            explorer_url: None,
            network: None,
            result,
        })
    };
    let made = serde_json::json!({"ctid": 101, "password": "once"});
    assert!(card(receipt(made)).shows_password());
    assert!(!card(receipt(serde_json::json!({"ctid": 101}))).shows_password());
    assert!(!card(receipt(Value::Null)).shows_password());
    assert!(!card(PaymentPhase::Offered).shows_password());
}

#[test]
fn a_late_offer_changes_nothing() {
    let mut card = card(PaymentPhase::Cancelled);
    card.set_offer(offer(), None, Ok(()));
    assert_eq!((card.offer, card.phase), (None, PaymentPhase::Cancelled));
}

#[test]
fn an_unconfirmed_payment_is_not_over_and_blocks_no_other() {
    let unconfirmed = card(PaymentPhase::Unconfirmed {
        message: String::new(),
        expired: true,
    });
    assert!(!unconfirmed.under_way() && !unconfirmed.is_over() && unconfirmed.needs_attention());
    assert!(
        !unconfirmed.clone().cancel()
            && !unconfirmed.clone().renew_offer()
            && !unconfirmed.clone().start_payment()
    );
}

#[test]
fn an_unanswered_wallet_can_be_asked_again() {
    let mut card = card(PaymentPhase::Unanswered { timed_out: true });
    assert!(!card.under_way(), "other payments are not blocked");
    assert!(card.start_payment());
}

#[test]
fn an_automatic_payment_starts_once_and_only_when_it_was_viewed() {
    let mut automatic = PayCard {
        automatic: true,
        ..card(PaymentPhase::Offered)
    };
    assert!(automatic.waits_for_view());
    assert!(automatic.viewed());
    assert!(!automatic.viewed());
    assert!(
        !card(PaymentPhase::Offered).viewed(),
        "the customer has to press the button"
    );
    let mut declined = PayCard {
        automatic: true,
        ..card(PaymentPhase::Declined)
    };
    assert!(!declined.viewed());
}
