//! Rules about debts: what was not delivered is owed, once.

use std::collections::BTreeMap;

use super::{IndexedEvidence, Violation, is_set, lease, number, subjects, text};
use crate::{testbed::CLOCK_SKEW, world::database::Row};

/// Seconds of the campaign's time within which a deleted container is missed, whatever else fails.
const DETECTION_DELAY: i64 = 300;
/// The reason of a debt for a lost container.
const LOST: &str = "container_lost";

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let tables = &case.evidence.end.tables;
    let mut by_payment: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for debt in &tables["debts"] {
        let id = text(debt, "payment_id");
        by_payment.entry(id).or_default().push(debt);
    }
    for row in &tables["payments"] {
        let id = text(row, "payment_id");
        let debts = by_payment.remove(&id).unwrap_or_default();
        let owed: i64 = debts.iter().map(|debt| number(debt, "amount")).sum();
        let (amount, state) = (number(row, "amount"), text(row, "state"));
        let mut wrong = |rule, what: String| {
            violations.push(Violation {
                rule,
                text: format!("{id} ({state}): {what}"),
                subjects: subjects(row),
            });
        };
        if owed > amount {
            let text = format!("{owed} is owed of {amount}");
            wrong("no more is owed than was paid", text);
        }
        let undelivered = state == "answered" && number(row, "answer_status") != 200;
        if undelivered && owed != amount {
            let text = format!("{owed} is owed of {amount}, and nothing was delivered");
            wrong("what was not delivered is owed", text);
        }
        let whole = debts.iter().any(|debt| text(debt, "reason") != LOST);
        if !undelivered && whole {
            wrong(
                "what was delivered is not owed",
                format!("{owed} of {amount}"),
            );
        }
        if debts.len() > 1 {
            let reasons: Vec<_> = debts.iter().map(|debt| text(debt, "reason")).collect();
            wrong("nothing is owed twice", reasons.join(" and "));
        }
        if owed > 0 && case.transfer_of(row).is_none() {
            wrong("nothing is owed that was not paid", format!("{owed}"));
        }
    }
    for lost in &case.evidence.removed {
        one_lost(
            case,
            &lost.lease,
            i64::try_from(lost.at).unwrap_or(0),
            violations,
        );
    }
}

/// The container of this lease was deleted by an administrator: its unused time is owed, unless the
/// lease had ended.
fn one_lost(case: &IndexedEvidence<'_>, id: &str, at: i64, violations: &mut Vec<Violation>) {
    let end = &case.evidence.end;
    let Some(row) = lease(end, id) else { return };
    let events = case.events(id);
    let mut wrong = |rule, text: String| {
        violations.push(Violation {
            rule,
            text: format!("{id}: {text}"),
            subjects: vec![id.to_owned(), super::text(row, "payment_id")],
        });
    };
    let (expires_at, now) = (number(row, "expires_at"), number(row, "updated_at"));
    // It was never paid for, was over before it could be missed, or was ended by its owner.
    let over = !is_set(row, "expires_at") || expires_at < at + DETECTION_DELAY;
    let asked = events.iter().any(|(kind, ..)| kind == "destroy_requested");
    let lost = events.iter().find(|(kind, ..)| kind == "container_lost");
    let Some((_, _, data)) = lost else {
        if !over && !asked && now > at + DETECTION_DELAY {
            let text = format!("deleted at {at}, paid until {expires_at}, ended at {now}");
            wrong("a lost container is owed", text);
        }
        return;
    };
    let since = data["since"].as_i64().unwrap_or(0);
    // In the clock of the replica that missed it.
    if since < at - CLOCK_SKEW {
        let text = format!("missed since {since}, deleted at {at}");
        wrong("a container is not missed before it is lost", text);
    }
    // The time that is left counts to the latest purchase first.
    let mut left = (expires_at - since).max(0);
    for (payment, minutes) in bought(case, row) {
        let bought = minutes * 60;
        let of_this = left.min(bought);
        left -= of_this;
        let Some(paid) = case.payment(&payment) else {
            continue;
        };
        let debts = &end.tables["debts"];
        let of_payment = |debt: &&Row| text(debt, "payment_id") == payment;
        let owed = debts.iter().find(of_payment);
        let is_lost = |debt: &&Row| text(debt, "reason") == LOST;
        let amount = owed
            .filter(is_lost)
            .map_or(0, |debt| number(debt, "amount"));
        let whole = owed.is_some() && owed.filter(is_lost).is_none();
        let due = i128::from(number(paid, "amount")) * i128::from(of_this);
        let due = (due + i128::from(bought) - 1) / i128::from(bought.max(1));
        if !whole && i128::from(amount) != due && text(paid, "state") == "answered" {
            let text = format!(
                "{payment}: {of_this} of {bought} seconds are unused, {amount} is owed instead of {due}"
            );
            wrong("the unused part of a lost container is owed", text);
        }
    }
}

/// The purchases of a lease, the latest first: payment and minutes.
fn bought(case: &IndexedEvidence<'_>, lease: &Row) -> Vec<(String, i64)> {
    let id = text(lease, "lease_id");
    let renewals = case.evidence.end.tables["renewals"].iter();
    let mut all: Vec<_> = renewals
        .filter(|row| text(row, "lease_id") == id)
        .map(|row| {
            (
                number(row, "expires_at"),
                text(row, "payment_id"),
                number(row, "minutes"),
            )
        })
        .collect();
    // Ordered by their ends: the creation times are of replicas whose clocks differ.
    all.sort();
    all.reverse();
    let mut bought: Vec<_> = all
        .into_iter()
        .map(|(_, id, minutes)| (id, minutes))
        .collect();
    bought.push((text(lease, "payment_id"), number(lease, "minutes")));
    bought
}
