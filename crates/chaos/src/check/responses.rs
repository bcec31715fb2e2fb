//! Rules about responses: they are true, the same each time, and available to the payer.

use serde_json::Value;

use super::{IndexedEvidence, Violation, name, number, text};
use crate::customers::purchases::{ClientResponse, Purchase};

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    for purchase in &case.evidence.purchases {
        one(case, purchase, violations);
    }
    for ((payer, nonce), transfer) in &case.paid {
        let shown = case.evidence.shown.get(payer);
        if shown.is_some_and(|shown| !shown.contains(nonce)) {
            violations.push(Violation {
                rule: "a payer sees every payment",
                text: format!("{} of {payer} is not in GET /payments", transfer.value),
                subjects: vec![nonce.clone()],
            });
        }
    }
}

fn one(case: &IndexedEvidence<'_>, purchase: &Purchase, violations: &mut Vec<Violation>) {
    let key = name(purchase.payer, purchase.nonce);
    let transfer = case.paid.get(&key);
    let row = case.payments.get(&key).and_then(|rows| rows.first());
    let mut wrong = |rule, text: String| {
        let mut subjects = vec![purchase.nonce.to_string()];
        subjects.extend(row.into_iter().flat_map(|row| super::subjects(row)));
        subjects.dedup();
        violations.push(Violation {
            rule,
            text: format!("{} of {}: {text}", purchase.kind.name(), key.0),
            subjects,
        });
    };
    let done: Vec<&ClientResponse> = purchase
        .responses
        .iter()
        .filter(|response| response.status == 200)
        .collect();
    for response in &purchase.responses {
        let Some(by) = response.paid_by() else {
            continue;
        };
        if transfer.is_none_or(|transfer| transfer.transaction.to_string() != by) {
            let text = format!("{} with a receipt for {by}", response.status);
            wrong("a receipt has its transfer", text);
        }
    }
    for response in &done {
        if response.paid_by().is_none() {
            wrong(
                "what is given has a receipt",
                format!("{:?}", response.receipt),
            );
        }
    }
    if done
        .windows(2)
        .any(|two| lasting(&two[0].body) != lasting(&two[1].body))
    {
        let texts: Vec<_> = done
            .iter()
            .map(|response| lasting(&response.body).to_string())
            .collect();
        wrong("one payment has one answer", texts.join(" / "));
    }
    if let (Some(row), false) = (row, done.is_empty())
        && number(row, "answer_status") != 200
    {
        let text = format!("given, and the payment is {}", text(row, "state"));
        wrong("what was given stays given", text);
    }
    let Some(transfer) = transfer else { return };
    let says = |response: &&ClientResponse| response.is_final() || response.paid_by().is_some();
    let last = purchase.responses.iter().rev().find(says);
    let knows = |response: &ClientResponse| {
        let told_so = ["payment_owed", "payment_replayed"].contains(&response.code.as_str());
        response.status == 200 || response.paid_by().is_some() || told_so
    };
    if done.is_empty() && !last.is_some_and(knows) {
        let text = format!(
            "{} moved by {}, and asked again the last word is {:?}",
            transfer.value,
            transfer.transaction,
            purchase
                .responses
                .last()
                .map(|response| (response.status, &response.code))
        );
        wrong("a payer is told the outcome", text);
    }
    // A payer with a valid key gets the answer of a delivery for as long as it is stored.
    let delivered = row.is_some_and(|row| number(row, "answer_status") == 200);
    let withheld = last.is_some_and(|response| response.code == "payment_replayed");
    let lease = row.map(|row| text(row, "lease_id")).unwrap_or_default();
    let gone = super::lease(&case.evidence.midway, &lease);
    let gone = gone.is_some_and(|lease| text(lease, "state") == "destroyed");
    if delivered && done.is_empty() && withheld && purchase.has_valid_key() && !gone {
        wrong(
            "a valid key gives the answer again",
            format!("{:?}", last.map(|l| &l.body)),
        );
    }
}

/// A body without `networkReadyAt`, which is only there until the network is ready.
fn lasting(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("networkReadyAt");
    }
    body
}
