//! Money moved exactly if the store says so, each transfer for one purchase.

use std::collections::BTreeMap;

use super::{IndexedEvidence, Violation, is_set, number, subjects, text};

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    for line in &case.evidence.midway.unfinished {
        violations.push(Violation {
            rule: "everything comes to an end",
            text: format!("{line}, long after the faults were over"),
            subjects: line.split(' ').take(1).map(str::to_owned).collect(),
        });
    }
    for line in &case.evidence.end.unfinished {
        violations.push(Violation {
            rule: "everything comes to an end",
            text: format!("{line}, more than a day after the faults were over"),
            subjects: line.split(' ').take(1).map(str::to_owned).collect(),
        });
    }
    moved(case, violations);
    believed(case, violations);
}

/// Every transfer has its payment, and the payment knows it.
fn moved(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    for ((payer, nonce), transfer) in &case.paid {
        let none = Vec::new();
        let rows = case
            .payments
            .get(&(payer.clone(), nonce.clone()))
            .unwrap_or(&none);
        let [row] = rows[..] else {
            violations.push(Violation {
                rule: "each transfer has one payment",
                text: format!(
                    "{} of {payer} moved by {}, and {} payments know it",
                    transfer.value,
                    transfer.transaction,
                    rows.len()
                ),
                subjects: vec![nonce.clone()],
            });
            continue;
        };
        let state = text(row, "state");
        let mut wrong = |rule, text: String| {
            violations.push(Violation {
                rule,
                text: format!("{} ({state}): {text}", super::text(row, "payment_id")),
                subjects: subjects(row),
            });
        };
        if state != "answered" {
            wrong(
                "money that moved is delivered or owed",
                format!("{} moved by {}", transfer.value, transfer.transaction),
            );
        }
        if u64::try_from(number(row, "amount")) != Ok(transfer.value) {
            let text = format!(
                "{} moved, {} counted",
                transfer.value,
                number(row, "amount")
            );
            wrong("the amount that moved is the one that counts", text);
        }
        let believed = text(row, "transaction_hash");
        if state == "answered" && believed != transfer.transaction.to_string() {
            let text = format!("moved by {}, counted as {believed}", transfer.transaction);
            wrong("a payment names its own transfer", text);
        }
        let place = transfer.place.map(|place| place.log_index + 1);
        if state == "answered"
            && is_set(row, "log_index")
            && u64::try_from(number(row, "log_index")).ok() != place
        {
            let text = format!("at {place:?}, counted at {}", number(row, "log_index"));
            wrong("a payment knows its transfer's place", text);
        }
    }
}

/// Nothing counts as paid without a transfer, and no transfer for two.
fn believed(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let mut by_transaction: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &case.evidence.end.tables["payments"] {
        let state = text(row, "state");
        if !["settled", "answered"].contains(&state.as_str()) {
            continue;
        }
        by_transaction
            .entry(text(row, "transaction_hash"))
            .or_default()
            .push(text(row, "payment_id"));
        if case.transfer_of(row).is_none() {
            violations.push(Violation {
                rule: "nothing counts as paid without a transfer",
                text: format!(
                    "{} is {state} by {}, and no such money moved",
                    text(row, "payment_id"),
                    text(row, "transaction_hash")
                ),
                subjects: subjects(row),
            });
        }
    }
    for (transaction, payments) in by_transaction {
        if payments.len() > 1 {
            violations.push(Violation {
                rule: "no transfer pays for two purchases",
                text: format!("{transaction} counts for {}", payments.join(" and ")),
                subjects: payments,
            });
        }
    }
}
