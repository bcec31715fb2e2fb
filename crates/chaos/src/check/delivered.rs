//! What is answered as delivered was delivered, once; what was not paid for was not.

use super::{IndexedEvidence, Violation, is_set, number, subjects, text};
use crate::world::database::Row;

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let rows = &case.evidence.end.tables["payments"];
    for row in rows {
        let mut wrong = |rule, what: String| {
            let text = format!(
                "{} ({}): {what}",
                text(row, "payment_id"),
                text(row, "operation")
            );
            let subjects = subjects(row);
            violations.push(Violation {
                rule,
                text,
                subjects,
            });
        };
        let delivered = text(row, "state") == "answered" && number(row, "answer_status") == 200;
        let paid = case.transfer_of(row).is_some();
        let got = goods(case, row);
        if delivered && got.is_none() {
            wrong("what is answered was delivered", "nothing is there".into());
        }
        if let (false, true, Some(goods)) = (delivered, paid, &got) {
            wrong("what is owed was not delivered as well", goods.clone());
        }
        if let (false, Some(goods)) = (paid, &got) {
            wrong("nothing is had without money", goods.clone());
        }
        if let Some(goods) = got.filter(|goods| goods.contains(" and ")) {
            wrong("a payment buys one lease", goods);
        }
        if let Some(runs) = case.runs(row) {
            let state = text(row, "state");
            if runs > 1 {
                wrong("a command runs once", format!("it ran {runs} times"));
            }
            if delivered && runs != 1 {
                let text = format!("its result was given, and it ran {runs} times");
                wrong("a delivered command ran", text);
            }
            if runs > 0 && !paid {
                wrong("a command runs for money", format!("it ran and is {state}"));
            }
        }
    }
    // A command whose payment left no row at all.
    for purchase in &case.evidence.purchases {
        let Some(mark) = &purchase.mark else { continue };
        let runs = case.evidence.marks.get(mark).copied().unwrap_or(0);
        let name = super::name(purchase.payer, purchase.nonce);
        if runs > 0 && !case.payments.contains_key(&name) {
            violations.push(Violation {
                rule: "a command runs for money",
                text: format!("it ran {runs} times and no payment is known"),
                subjects: vec![purchase.nonce.to_string()],
            });
        }
    }
}

/// What a payment's buyer has of it, beside an answer; a list and a console are nothing but their
/// answer.
fn goods(case: &IndexedEvidence<'_>, row: &Row) -> Option<String> {
    let id = text(row, "payment_id");
    let tables = &case.evidence.end.tables;
    match text(row, "operation").as_str() {
        "lease_container" => {
            // A payment that was given back and came again has a lease for each time.
            let ran = |lease: &&Row| text(lease, "payment_id") == id && is_set(lease, "expires_at");
            let ran: Vec<_> = tables["leases"].iter().filter(ran).collect();
            let names = ran.iter().map(|lease| text(lease, "lease_id"));
            (!ran.is_empty()).then(|| names.collect::<Vec<_>>().join(" and "))
        }
        "renew_lease" => {
            let mut renewals = tables["renewals"].iter();
            let renewal = renewals.find(|renewal| text(renewal, "payment_id") == id)?;
            Some(format!("{} minutes were added", number(renewal, "minutes")))
        }
        _ => {
            let delivered = number(row, "answer_status") == 200;
            delivered.then(|| "an answer".to_owned())
        }
    }
}
