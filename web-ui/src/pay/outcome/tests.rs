use serde_json::json;

use super::*;

fn receipt(success: bool, transaction: &str) -> WireReceipt {
    serde_json::from_value(json!({
        "success": success, "transaction": transaction, "network": "eip155:84532",
    }))
    .unwrap()
}

fn refusing(reason: &str) -> WireReceipt {
    WireReceipt {
        error_reason: Some(reason.to_owned()),
        ..receipt(false, "")
    }
}

fn envelope(code: &str, details: Value) -> Value {
    json!({"error": {
        "code": code, "message": "Words.", "retryable": false, "details": details, "requestId": "r-1",
    }})
}

fn plain(code: ErrorCode) -> PaymentOutcome {
    let body = envelope(code.as_str(), json!({}));
    from_response(code.status(), body, None)
}

fn challenge(error: &str) -> Value {
    json!({"x402Version": 1, "error": error, "accepts": []})
}

fn is_refused(outcome: &PaymentOutcome) -> bool {
    matches!(outcome, PaymentOutcome::Refused { .. })
}

fn is_kept(outcome: &PaymentOutcome) -> bool {
    outcome.leaves_open() && !is_refused(outcome)
}

#[test]
fn a_good_answer_is_a_receipt_with_a_link() {
    let hash = format!("0x{}", "ab".repeat(32));
    let outcome = from_response(200, json!({"ctid": 101}), Some(receipt(true, &hash)));
    let PaymentOutcome::Settled(receipt) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        receipt.explorer_url,
        Some(format!("https://sepolia.basescan.org/tx/{hash}"))
    );
    assert_eq!(receipt.result["ctid"], 101);
}

#[test]
fn play_money_has_no_link() {
    let PaymentOutcome::Settled(receipt) =
        from_response(200, Value::Null, Some(receipt(true, "demo-42")))
    else {
        unreachable!()
    };
    assert_eq!(
        (receipt.transaction.as_deref(), receipt.explorer_url),
        (Some("demo-42"), None)
    );
}

#[test]
fn only_a_sure_no_ends_a_payment() {
    use ErrorCode as E;
    let open = |outcome: &PaymentOutcome| matches!(outcome, PaymentOutcome::Open { .. });
    for code in [
        E::PaymentInProgress,
        E::PaymentUnresolved,
        E::Internal,
        E::Timeout,
    ] {
        assert!(open(&plain(code)), "{code}");
    }
    for code in [
        E::ProvisioningFailed,
        E::CapacityExhausted,
        E::Forbidden,
        E::InvalidRequest,
    ] {
        assert!(is_refused(&plain(code)), "{code}");
    }
    let reconciling = json!({"status": "reconciling"});
    assert!(open(&from_response(202, reconciling, None)));
    assert!(open(&from_response(502, json!("<html>"), None)));
}

#[test]
fn a_container_that_cannot_be_used_is_told_in_the_services_words() {
    for code in [
        ErrorCode::LeaseConflict,
        ErrorCode::LeaseEnded,
        ErrorCode::HypervisorUnavailable,
    ] {
        match plain(code).into_phase(0) {
            PaymentPhase::Refused { message, .. } => assert_eq!(message, "Words.", "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn a_payment_that_was_open_survives_a_bare_402() {
    for error in [
        "Payment required",
        "invalid_exact_evm_payload_authorization_valid_before",
        "payment_refused",
        "insufficient_funds",
    ] {
        let asked_again = from_response(402, challenge(error), None);
        assert!(
            is_refused(&asked_again.clone().after_earlier_copies(false)),
            "{error}"
        );
        let weighed = asked_again.after_earlier_copies(true);
        assert!(is_kept(&weighed), "{error}: {weighed:?}");
    }
    // The agent passes a 402 on without its receipt.
    assert!(is_kept(
        &from_challenge("payment_expired").after_earlier_copies(true)
    ));
}

#[test]
fn a_payment_that_was_open_ends_only_with_an_answer_about_itself() {
    use ErrorCode as E;
    let ends = |outcome: PaymentOutcome| is_refused(&outcome.after_earlier_copies(true));
    for code in [
        E::InvalidRequest,
        E::Unauthorized,
        E::Forbidden,
        E::NotFound,
        E::LeaseEnded,
        E::InvalidPending,
        E::HypervisorError,
        E::BodyTooLarge,
        E::PaymentReplayed,
    ] {
        assert!(!ends(plain(code)), "{code}");
    }
    for code in [
        E::ProvisioningFailed,
        E::CapacityExhausted,
        E::LeaseLimitReached,
    ] {
        assert!(ends(plain(code)), "{code}");
    }
    for state in ["refused", "released"] {
        let body = envelope("payment_replayed", json!({"state": state}));
        assert!(ends(from_response(409, body, None)), "{state}");
    }
    let unresolved = envelope("payment_replayed", json!({"state": "unresolved"}));
    assert!(!ends(from_response(409, unresolved, None)));
    let said_no = |reason| from_response(402, challenge(reason), Some(refusing(reason)));
    assert!(ends(said_no("insufficient_funds")));
    // These are said as well where an earlier copy has moved the money.
    for reason in [
        "payment_expired",
        "invalid_exact_evm_payload_authorization_valid_before",
        "invalid_exact_evm_nonce_already_used",
        "invalid_exact_evm_transaction_simulation_failed",
    ] {
        assert!(!ends(said_no(reason)), "{reason}");
    }
}

#[test]
fn what_is_no_word_of_the_service_never_ends_a_payment() {
    let answers = [
        (403, json!("<html>")),
        (404, Value::Null),
        (429, json!({"error": "slow down"})),
        (409, envelope("a_later_versions_code", json!({}))),
        (418, envelope("a_later_versions_code", json!({}))),
    ];
    for (status, body) in answers {
        let outcome = from_response(status, body, None);
        assert!(
            matches!(outcome, PaymentOutcome::Unconfirmed { .. }),
            "{status}: {outcome:?}"
        );
    }
}

#[test]
fn what_is_owed_is_told_with_its_particulars_and_is_not_paid_again() {
    let details = json!({"paymentId": "p-7", "amount": "10000", "reason": "host_lost"});
    let owed = OwedPayment {
        message: "Words.".into(),
        payment_id: Some("p-7".into()),
        amount: Some(Usdc(10_000)),
        reason: Some("host_lost".into()),
    };
    let body = envelope("payment_owed", details.clone());
    for receipt in [None, Some(receipt(true, "demo-1"))] {
        let outcome = from_response(409, body.clone(), receipt);
        assert_eq!(outcome, PaymentOutcome::Owed(owed.clone()));
        assert!(outcome.is_paid() && !outcome.leaves_open());
    }
    assert_eq!(
        from_agent_error(&body, "Words.", None),
        Some(PaymentOutcome::Owed(owed))
    );
    let PaymentOutcome::Owed(bare) = from_response(409, envelope("payment_owed", json!({})), None)
    else {
        unreachable!()
    };
    assert_eq!((bare.payment_id, bare.amount), (None, None));
}

#[test]
fn the_list_of_payments_decides_what_a_response_leaves_unknown() {
    let listed = |state| from_listed_state(state, None, Usdc(1));
    assert!(matches!(
        listed("settled"),
        Some(PaymentOutcome::Settled(_))
    ));
    assert!(matches!(listed("owed"), Some(PaymentOutcome::Owed(_))));
    for state in ["refused", "released"] {
        assert!(
            is_refused(&listed(state).unwrap().after_earlier_copies(true)),
            "{state}"
        );
    }
    for state in ["settling", "reconciling", "unresolved", "a_later_state"] {
        assert_eq!(listed(state), None, "{state}");
    }
}

#[test]
fn what_is_paid_and_not_delivered_is_never_called_refused() {
    let outcome = from_response(
        502,
        envelope("hypervisor_error", json!({})),
        Some(receipt(true, "demo-1")),
    );
    assert_eq!(
        outcome,
        PaymentOutcome::Undelivered {
            message: "Words.".into(),
            transaction: Some("demo-1".into())
        }
    );
}

#[test]
fn a_refused_settlement_says_why_in_words() {
    let outcome = from_response(
        402,
        json!({"x402Version": 1}),
        Some(refusing("insufficient_funds")),
    );
    assert_eq!(
        outcome,
        PaymentOutcome::Refused {
            message: "Your balance is too low for this payment.".into(),
            code: Some(ErrorCode::PaymentRefused),
            too_little: true,
            proven: true,
        }
    );
}

#[test]
fn a_replay_that_was_performed_is_settled_without_its_secrets() {
    let details = json!({"state": "settled", "transaction": "demo-7"});
    let body = envelope("payment_replayed", details);
    let PaymentOutcome::Settled(receipt) = from_response(409, body, None) else {
        unreachable!()
    };
    assert_eq!(receipt.transaction.as_deref(), Some("demo-7"));
    assert!(is_refused(&plain(ErrorCode::PaymentReplayed)));
}
