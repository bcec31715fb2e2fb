//! What has to hold when everything is over. It is read from Proxmox, from the ledger, from the
//! tables of the store by SQL of our own, and from what customers were told: never through the
//! service's own code.

mod containers;
mod debts;
mod delivered;
mod history;
mod logs;
mod money;
mod responses;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use serde_json::Value;

use crate::{
    customers::client::store_address,
    evidence::{Evidence, Snapshot},
    world::database::Row,
    world::ledger::{Transfer, TransferKind},
};

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// What is wrong.
    pub text: String,
    /// What it is about: nonces, payments and leases whose timeline explains it.
    pub subjects: Vec<String>,
}

/// Looks for everything that must not be.
pub fn all(evidence: &Evidence) -> Vec<Violation> {
    let case = IndexedEvidence::new(evidence);
    let mut violations = Vec::new();
    money::check(&case, &mut violations);
    delivered::check(&case, &mut violations);
    debts::check(&case, &mut violations);
    containers::check(&case, &mut violations);
    history::check(&case, &mut violations);
    responses::check(&case, &mut violations);
    logs::check(&case, &mut violations);
    violations
}

/// The evidence, put in order.
pub struct IndexedEvidence<'a> {
    evidence: &'a Evidence,
    /// Rows of payments at the end, by payer and nonce.
    payments: BTreeMap<(String, String), Vec<&'a Row>>,
    /// The transfers by authorization to the payee, by payer and nonce.
    paid: BTreeMap<(String, String), &'a Transfer>,
}

impl<'a> IndexedEvidence<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut payments: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
        for row in &evidence.end.tables["payments"] {
            let key = (text(row, "payer"), text(row, "nonce"));
            payments.entry(key).or_default().push(row);
        }
        let to_us =
            |one: &&Transfer| one.kind == TransferKind::Authorized && one.to == evidence.pay_to;
        let transfers = evidence.transfers.iter().filter(to_us);
        let paid = transfers.map(|one| (name(one.from, one.nonce), one));
        Self {
            evidence,
            payments,
            paid: paid.collect(),
        }
    }

    /// The transfer of a payment's row.
    fn transfer_of(&self, row: &Row) -> Option<&'a Transfer> {
        let key = (text(row, "payer"), text(row, "nonce"));
        self.paid.get(&key).copied()
    }

    /// The row of a payment, by its id, at the end.
    fn payment(&self, id: &str) -> Option<&'a Row> {
        let rows = &self.evidence.end.tables["payments"];
        rows.iter().find(|row| text(row, "payment_id") == id)
    }

    /// The events of a subject, oldest first: kind, time and data.
    fn events(&self, subject: &str) -> Vec<(String, i64, Value)> {
        let rows = self.evidence.end.tables["events"].iter();
        let mut found: Vec<_> = rows.filter(|row| text(row, "subject") == subject).collect();
        found.sort_by_key(|row| number(row, "event_id"));
        let read = |row: &&Row| {
            let data = serde_json::from_str(&text(row, "data")).unwrap_or_default();
            (text(row, "kind"), number(row, "at"), data)
        };
        found.iter().map(read).collect()
    }

    /// How often a payment's command ran; none where it has no command.
    fn runs(&self, row: &Row) -> Option<usize> {
        let nonce = text(row, "nonce");
        let mut purchases = self.evidence.purchases.iter();
        let purchase = purchases.find(|one| one.nonce.to_string() == nonce)?;
        let mark = purchase.mark.as_ref()?;
        Some(self.evidence.marks.get(mark).copied().unwrap_or(0))
    }
}

/// The lease with this id, in a snapshot.
fn lease<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Row> {
    let rows = snapshot.tables["leases"].iter();
    rows.into_iter().find(|row| text(row, "lease_id") == id)
}

/// Payer and nonce as the store writes them.
fn name(payer: Address, nonce: B256) -> (String, String) {
    (store_address(payer), nonce.to_string())
}

fn text(row: &Row, column: &str) -> String {
    row.get(column)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn number(row: &Row, column: &str) -> i64 {
    row.get(column).and_then(Value::as_i64).unwrap_or(0)
}

fn is_set(row: &Row, column: &str) -> bool {
    row.get(column).is_some_and(|value| !value.is_null())
}

/// What a violation of a payment's row is about.
fn subjects(row: &Row) -> Vec<String> {
    ["nonce", "payment_id", "lease_id"]
        .map(|column| text(row, column))
        .into_iter()
        .filter(|subject| !subject.is_empty())
        .collect()
}
