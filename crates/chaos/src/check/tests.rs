//! The checker finds each violation in evidence that differs in one thing from evidence without
//! any.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use x402::payment::Payment;

use super::*;
use crate::{
    clock::CampaignClock,
    customers::purchases::{ClientResponse, Purchase, PurchaseKind},
    journal::Journal,
    world::ledger::ChainPosition,
    world::proxmox::RemovedContainer,
};

const LEASE: &str = "lease-1";
const PAID: i64 = 6_000;
const BEGIN: i64 = 1_000;

fn row(value: Value) -> Row {
    serde_json::from_value(value).unwrap()
}

fn snapshot(tables: &[(&'static str, Value)]) -> Snapshot {
    let mut all: BTreeMap<_, Vec<Row>> = [
        "payments",
        "leases",
        "debts",
        "renewals",
        "events",
        "orphans",
        "chaos_history",
    ]
    .into_iter()
    .map(|table| (table, Vec::new()))
    .collect();
    for (table, value) in tables {
        all.entry(table).or_default().push(row(value.clone()));
    }
    Snapshot {
        tables: all,
        containers: Vec::new(),
        unfinished: Vec::new(),
    }
}

fn payment(payer: Address, nonce: B256, transaction: B256) -> Value {
    json!({
        "payment_id": "pay_1", "payer": store_address(payer), "nonce": nonce.to_string(), "state": "answered",
        "amount": PAID, "operation": "lease_container", "lease_id": LEASE, "answer_status": 200,
        "transaction_hash": transaction.to_string(), "log_index": 3,
    })
}

fn leased(state: &str) -> Value {
    json!({
        "lease_id": LEASE, "payment_id": "pay_1", "state": state, "vmid": 40_200, "minutes": 60,
        "expires_at": BEGIN + 3_600, "destroy_at": BEGIN + 4_200, "updated_at": BEGIN + 4_200,
    })
}

/// A lease that was bought, paid for, and is over.
fn good() -> (Evidence, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(CampaignClock::start(folder.path().join("clock"), 1).unwrap());
    let (payer, pay_to) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let (nonce, transaction) = (B256::repeat_byte(3), B256::repeat_byte(4));
    let value = u64::try_from(PAID).unwrap();
    let mut transfer =
        Transfer::unsent(TransferKind::Authorized, payer, pay_to, value, nonce, 9_000);
    transfer.transaction = transaction;
    transfer.place = Some(ChainPosition {
        block: 7,
        log_index: 2,
    });
    let paid = payment(payer, nonce, transaction);
    let event = json!({"event_id": 1, "subject": LEASE, "kind": "activated", "at": BEGIN + 1, "data": "{}"});
    let receipt = json!({"success": true, "transaction": transaction.to_string()});
    let signed = json!({
        "x402Version": 1, "scheme": "exact", "network": "base-sepolia",
        "payload": {"signature": "0xabcdef", "authorization": {
            "from": payer, "to": pay_to, "value": "6000", "validAfter": "0", "validBefore": "9000",
            "nonce": nonce,
        }},
    });

    let purchase = Purchase {
        kind: PurchaseKind::Lease,
        payer,
        nonce,
        valid_before: 9_000,
        method: Method::POST,
        path: "/lease/container".into(),
        body: None,
        payment: Payment::V1(serde_json::from_value(signed).unwrap()),
        idempotency_key: Some("0123456789abcdef".into()),
        client_address: "100.64.0.1".into(),
        mark: None,
        responses: vec![ClientResponse {
            status: 200,
            code: String::new(),
            body: json!({"leaseId": LEASE}),
            receipt: Some(receipt),
        }],
    };
    let over = [
        ("payments", paid.clone()),
        ("leases", leased("destroyed")),
        ("events", event),
    ];
    let evidence = Evidence {
        midway: snapshot(&over),
        end: snapshot(&over),
        purchases: vec![purchase],
        shown: [(store_address(payer), vec![nonce.to_string()])].into(),
        transfers: vec![transfer],
        pay_to,
        removed: Vec::new(),
        marks: BTreeMap::new(),
        logs: vec![("api-0".into(), "all is well".into())],
        memory: vec![("api-0".into(), 1_000)],
        secrets: vec![("a signature", "abcdef".into())],
        journal: Arc::new(Journal::new(clock)),
    };
    (evidence, folder)
}

/// The rules that are broken once this was changed.
fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let (mut evidence, _folder) = good();
    change(&mut evidence);
    let mut rules: Vec<_> = all(&evidence).iter().map(|found| found.rule).collect();
    rules.dedup();
    rules
}

fn set(evidence: &mut Evidence, table: &'static str, column: &str, value: Value) {
    let rows = evidence.end.tables.get_mut(table).unwrap();
    rows[0].insert(column.into(), value);
}

fn add(evidence: &mut Evidence, table: &'static str, value: Value) {
    evidence.end.tables.get_mut(table).unwrap().push(row(value));
}

#[test]
fn what_is_in_order_breaks_no_rule() {
    assert_eq!(broken(|_| {}), Vec::<&str>::new());
}

#[test]
fn money_and_the_store_have_to_agree() {
    let lost = broken(|evidence| evidence.transfers.clear());
    assert!(
        lost.contains(&"nothing counts as paid without a transfer"),
        "{lost:?}"
    );
    assert!(lost.contains(&"nothing is had without money"), "{lost:?}");
    assert!(lost.contains(&"a receipt has its transfer"), "{lost:?}");
    let refused = broken(|evidence| set(evidence, "payments", "state", json!("refused")));
    assert!(
        refused.contains(&"money that moved is delivered or owed"),
        "{refused:?}"
    );
    let unknown = broken(|evidence| evidence.end.tables.get_mut("payments").unwrap().clear());
    assert!(
        unknown.contains(&"each transfer has one payment"),
        "{unknown:?}"
    );
    let other = json!(B256::repeat_byte(9).to_string());
    let elsewhere = broken(|evidence| set(evidence, "payments", "transaction_hash", other));
    assert_eq!(elsewhere, ["a payment names its own transfer"]);
    let moved = broken(|evidence| set(evidence, "payments", "log_index", json!(5)));
    assert_eq!(moved, ["a payment knows its transfer's place"]);
    let twice = broken(|evidence| {
        let again = payment(
            Address::repeat_byte(1),
            B256::repeat_byte(8),
            B256::repeat_byte(4),
        );
        add(evidence, "payments", again);
        let rows = evidence.end.tables.get_mut("payments").unwrap();
        rows[1].insert("payment_id".into(), json!("pay_2"));
    });
    assert!(
        twice.contains(&"no transfer pays for two purchases"),
        "{twice:?}"
    );
}

#[test]
fn what_is_owed_is_what_was_not_delivered() {
    let debt = |amount: i64, reason: &str| json!({"payment_id": "pay_1", "amount": amount, "reason": reason, "state": "due"});
    let both = broken(|evidence| add(evidence, "debts", debt(PAID, "undelivered")));
    assert_eq!(both, ["what was delivered is not owed"]);
    let neither = broken(|evidence| {
        set(evidence, "payments", "answer_status", json!(409));
        set(evidence, "leases", "expires_at", Value::Null);
    });
    assert!(
        neither.contains(&"what was not delivered is owed"),
        "{neither:?}"
    );
    let twice = broken(|evidence| {
        add(evidence, "debts", debt(PAID, "container_lost"));
        add(evidence, "debts", debt(1, "container_lost"));
    });
    assert!(
        twice.contains(&"no more is owed than was paid"),
        "{twice:?}"
    );
    let lost = |evidence: &mut Evidence| {
        evidence.removed.push(RemovedContainer {
            lease: LEASE.into(),
            at: 1_600,
        });
    };
    assert_eq!(broken(lost), ["a lost container is owed"]);
    let with_debt = |amount| {
        broken(|evidence| {
            lost(evidence);
            let data = json!({"since": 1_600}).to_string();
            let event = json!({"event_id": 2, "subject": LEASE, "kind": "container_lost", "at": 2_300, "data": data});
            add(evidence, "events", event);
            add(evidence, "debts", debt(amount, "container_lost"));
        })
    };
    // 3,000 of 3,600 seconds are unused.
    assert_eq!(with_debt(5_000), Vec::<&str>::new());
    assert_eq!(
        with_debt(4_999),
        ["the unused part of a lost container is owed"]
    );
}

#[test]
fn a_lease_has_its_container_and_ends_in_time() {
    let alone = broken(|evidence| {
        let rows = evidence.midway.tables.get_mut("leases").unwrap();
        rows[0].insert("state".into(), json!("active"));
    });
    assert_eq!(alone, ["a live lease has one container"]);
    let long = broken(|evidence| set(evidence, "leases", "expires_at", json!(BEGIN + 7_200)));
    assert_eq!(long, ["a lease lasts as long as was paid"]);
    let left = broken(|evidence| set(evidence, "leases", "state", json!("undoing")));
    assert_eq!(left, ["what is over is removed"]);
}

#[test]
fn commands_run_once_and_for_money() {
    let exec = |evidence: &mut Evidence, runs: usize| {
        set(evidence, "payments", "operation", json!("exec"));
        evidence.purchases[0].mark = Some("mark".into());
        evidence.marks.insert("mark".into(), runs);
    };
    assert_eq!(broken(|evidence| exec(evidence, 1)), Vec::<&str>::new());
    assert_eq!(
        broken(|evidence| exec(evidence, 0)),
        ["a delivered command ran"]
    );
    let twice = broken(|evidence| exec(evidence, 2));
    assert!(twice.contains(&"a command runs once"), "{twice:?}");
    let free = broken(|evidence| {
        exec(evidence, 1);
        evidence.transfers.clear();
    });
    assert!(free.contains(&"a command runs for money"), "{free:?}");
}

#[test]
fn customers_are_told_the_truth_and_the_logs_say_nothing_secret() {
    let another = broken(|evidence| {
        let mut response = evidence.purchases[0].responses[0].clone();
        response.body = json!({"leaseId": "lease-2"});
        evidence.purchases[0].responses.push(response);
    });
    assert_eq!(another, ["one payment has one answer"]);
    let silent = broken(|evidence| evidence.purchases[0].responses.clear());
    assert_eq!(silent, ["a payer is told the outcome"]);
    let hidden = broken(|evidence| evidence.shown.values_mut().for_each(Vec::clear));
    assert_eq!(hidden, ["a payer sees every payment"]);
    let said = broken(|evidence| evidence.logs[0].1 = "signature=abcdef".into());
    assert_eq!(said, ["no secret is in a log"]);
    let panicked = broken(|evidence| evidence.logs[0].1 = "thread 'main' panicked at".into());
    assert_eq!(panicked, ["nothing panics"]);
    let text = "ERROR the store failed error=database: duplicate key value violates unique constraint \"x\"";
    let stopped = broken(|evidence| evidence.logs[0].1 = text.into());
    assert_eq!(stopped, ["no change runs into a constraint"]);
    let fat = broken(|evidence| evidence.memory[0].1 = 1 << 20);
    assert_eq!(fat, ["memory is bounded"]);
}

/// Rows as the triggers write them: kind, id, and the states or ends before and after.
fn wrote(evidence: &mut Evidence, what: &str, id: &str, before: &str, after: &str) {
    let rows = evidence.end.tables.get_mut("chaos_history").unwrap();
    let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // Each lease has a payment and a number of its own, the last digit of its name.
    let last = id
        .chars()
        .last()
        .and_then(|last| last.to_digit(10))
        .unwrap_or(0);
    rows.push(row(json!({
        "seq": rows.len(), "what": what, "id": id, "owner": "0xaa", "payment_id": format!("pay_{last}"),
        "before": set(before), "after": set(after), "vmid": 500 + last, "address": Value::Null,
    })));
}

#[test]
fn states_follow_each_other_as_the_tables_say() {
    let path = |evidence: &mut Evidence, what: &str, states: &[&str]| {
        for two in states.windows(2) {
            wrote(evidence, what, "one_1", two[0], two[1]);
        }
    };
    let payment = |states: &[&str]| broken(|evidence| path(evidence, "payment", states));
    let good = [
        "", "reserved", "released", "reserved", "settling", "unknown", "settled", "answered",
    ];
    assert_eq!(payment(&good), Vec::<&str>::new());
    let back = payment(&["", "reserved", "settling", "settled", "refused"]);
    assert_eq!(back, ["a payment moves as its table says"]);
    let twice = broken(|evidence| {
        path(evidence, "payment", &["", "reserved", "settling"]);
        path(evidence, "payment", &["reserved", "settling"]);
    });
    assert_eq!(twice, ["a payment moves as its table says"]);
    let risen = broken(|evidence| path(evidence, "lease", &["destroyed", "active"]));
    assert_eq!(risen, ["a lease moves as its table says"]);
}

#[test]
fn a_wallet_claims_within_its_bounds_and_nothing_is_had_twice() {
    let claims = |evidence: &mut Evidence, numbers: std::ops::RangeInclusive<u32>| {
        for number in numbers {
            wrote(
                evidence,
                "lease",
                &format!("lease-{number}"),
                "",
                "provisioning",
            );
        }
    };
    let within = broken(|evidence| {
        claims(evidence, 1..=4);
        wrote(evidence, "lease", "lease-1", "provisioning", "undoing");
        claims(evidence, 5..=5);
    });
    assert_eq!(within, Vec::<&str>::new());
    let beyond = broken(|evidence| claims(evidence, 1..=5));
    assert_eq!(beyond, ["no wallet claims beyond its bounds"]);
    let shared = broken(|evidence| {
        claims(evidence, 1..=1);
        wrote(evidence, "lease", "another-1", "", "provisioning");
    });
    assert_eq!(
        shared,
        [
            "a number has one live lease",
            "a payment has one live lease"
        ]
    );
}

#[test]
fn an_end_comes_once_and_a_renewal_extends_once() {
    let ended = |evidence: &mut Evidence, times: i64| {
        wrote(evidence, "lease", "lease-9", "destroying", "destroyed");
        for number in 0..times {
            let event = json!({"event_id": 10 + number, "subject": "lease-9", "kind": "destroyed", "at": 2_000, "data": "{}"});
            add(evidence, "events", event);
        }
    };
    assert_eq!(broken(|evidence| ended(evidence, 1)), Vec::<&str>::new());
    assert_eq!(
        broken(|evidence| ended(evidence, 2)),
        ["each end has one event"]
    );
    let free = broken(|evidence| wrote(evidence, "end", "lease-9", "4600", "8200"));
    assert_eq!(free, ["a renewal extends once"]);
    let back = broken(|evidence| {
        let renewal = json!({"lease_id": "lease-9", "payment_id": "pay_9", "minutes": 60, "expires_at": 4_600, "created_at": 9});
        add(evidence, "renewals", renewal);
        wrote(evidence, "end", "lease-9", "8200", "4600");
    });
    assert_eq!(back, ["paid time is never taken back"]);
}
