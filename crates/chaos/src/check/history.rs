//! Rules that have to hold at every time, checked on the history that triggers wrote. With several
//! writers they need constraints, compare-and-set and locks.

use std::collections::{BTreeMap, BTreeSet};

use super::{IndexedEvidence, Violation, is_set, number, text};
use crate::{
    evidence::history,
    testbed::{MAX_LEASES_IN_MAKING, MAX_LEASES_PER_WALLET},
    world::database::Row,
};

/// The allowed state changes of a payment: from, and to.
const PAYMENT: [(&str, &[&str]); 10] = [
    ("", &["reserved"]),
    (
        "reserved",
        &["verified", "settling", "released", "answered"],
    ),
    ("verified", &["settling", "released", "answered"]),
    (
        "settling",
        &["settled", "refused", "unknown", "unresolved", "released"],
    ),
    ("unknown", &["settled", "refused", "unresolved"]),
    ("unresolved", &["settled", "refused"]),
    ("refused", &["settled"]),
    ("settled", &["answered"]),
    ("released", &["reserved", ""]),
    ("answered", &[]),
];
/// The allowed state changes of a lease.
const LEASE: [(&str, &[&str]); 11] = [
    ("", &["provisioning"]),
    ("provisioning", &["create_sent", "undoing"]),
    ("create_sent", &["provisioning", "created", "undoing"]),
    ("created", &["probed", "undoing"]),
    ("probed", &["active", "undoing"]),
    ("active", &["expiring", "destroying", "destroyed"]),
    (
        "expiring",
        &["active", "stopped", "destroying", "destroyed"],
    ),
    ("stopped", &["active", "destroying", "destroyed"]),
    ("undoing", &["destroyed"]),
    ("destroying", &["destroyed"]),
    ("destroyed", &[]),
];
/// States in which a lease counts as in creation.
const MAKING: [&str; 4] = ["provisioning", "create_sent", "created", "probed"];
/// Events of a lease's end, and the state into which each moves the lease.
const ENDS: [(&str, &str); 4] = [
    ("activated", "active"),
    ("stopped", "stopped"),
    ("destroy_requested", "destroying"),
    ("destroyed", "destroyed"),
];

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let mut rows: Vec<&Row> = case.evidence.end.tables[history::TABLE].iter().collect();
    rows.sort_by_key(|row| number(row, "seq"));
    moves(&rows, violations);
    bounds(&rows, violations);
    ends(case, &rows, violations);
}

fn of<'a>(rows: &'a [&Row], what: &'static str) -> impl Iterator<Item = &'a Row> {
    let rows = rows.iter().copied();
    rows.filter(move |row| text(row, "what") == what)
}

/// States follow each other as the tables say, and each begins where the one before ended.
fn moves(rows: &[&Row], violations: &mut Vec<Violation>) {
    let kinds = [
        ("payment", "a payment moves as its table says", &PAYMENT[..]),
        ("lease", "a lease moves as its table says", &LEASE[..]),
    ];
    for (what, rule, table) in kinds {
        let mut now: BTreeMap<String, String> = BTreeMap::new();
        for row in of(rows, what) {
            let id = text(row, "id");
            let (before, after) = (text(row, "before"), text(row, "after"));
            let known = now.insert(id.clone(), after.clone());
            let is_allowed = table
                .iter()
                .any(|(from, to)| *from == before && to.contains(&after.as_str()));
            if !is_allowed || known.is_some_and(|known| known != before) {
                violations.push(Violation {
                    rule,
                    text: format!("{id} went from '{before}' to '{after}'"),
                    subjects: vec![id],
                });
            }
        }
    }
}

/// A lease that is not over.
struct Live {
    owner: String,
    payment: String,
    place: [String; 2],
    state: String,
}

impl Live {
    /// Numbers, addresses and payments of live leases: no two live leases share one.
    fn claims(&self) -> Vec<(&'static str, String)> {
        let [number, address] = self.place.clone();
        let mut claims = vec![
            ("a number has one live lease", number),
            ("an address has one live lease", address),
        ];
        // A lease that is being undone does not count: its payment may have a second one.
        if self.state != "undoing" {
            claims.push(("a payment has one live lease", self.payment.clone()));
        }
        claims.retain(|(_, what)| !what.is_empty());
        claims
    }
}

/// At a claim no wallet has more leases than it may, and no number, address or payment has two.
fn bounds(rows: &[&Row], violations: &mut Vec<Violation>) {
    let mut live: BTreeMap<String, Live> = BTreeMap::new();
    for row in rows {
        let (what, id, after) = (text(row, "what"), text(row, "id"), text(row, "after"));
        if what != "lease" && what != "place" {
            continue;
        }
        if after == "destroyed" {
            live.remove(&id);
            continue;
        }
        let is_new = what == "lease" && !is_set(row, "before");
        let state = match what.as_str() {
            "lease" => after,
            _ => live
                .get(&id)
                .map_or_else(String::new, |one| one.state.clone()),
        };
        let one = Live {
            owner: text(row, "owner"),
            payment: text(row, "payment_id"),
            place: [number(row, "vmid").to_string(), text(row, "address")],
            state,
        };
        let mut wrong = |rule, text: String| {
            violations.push(Violation {
                rule,
                text: format!("{id}: {text}"),
                subjects: vec![id.clone(), one.payment.clone()],
            });
        };
        for (other, its) in live.iter().filter(|(other, _)| **other != id) {
            let shared: Vec<_> = its.claims();
            for claim in one.claims().into_iter().filter(|one| shared.contains(one)) {
                wrong(claim.0, format!("it has {} with {other}", claim.1));
            }
        }
        let of_owner: Vec<_> = live.values().filter(|its| its.owner == one.owner).collect();
        let is_made = |its: &&&Live| MAKING.contains(&its.state.as_str());
        let making = of_owner.iter().filter(is_made).count();
        if is_new && (making >= MAX_LEASES_IN_MAKING || of_owner.len() >= MAX_LEASES_PER_WALLET) {
            let text = format!("{making} in the making, {} live before it", of_owner.len());
            wrong("no wallet claims beyond its bounds", text);
        }
        live.insert(id, one);
    }
}

/// Each step of an end has one event, and each renewal extends once.
fn ends(case: &IndexedEvidence<'_>, rows: &[&Row], violations: &mut Vec<Violation>) {
    let mut events: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in &case.evidence.end.tables["events"] {
        *events
            .entry((text(row, "subject"), text(row, "kind")))
            .or_default() += 1;
    }
    let mut reached: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut extended: BTreeMap<String, usize> = BTreeMap::new();
    for row in of(rows, "lease") {
        *reached
            .entry((text(row, "id"), text(row, "after")))
            .or_default() += 1;
    }
    let mut wrong = |id: &str, rule, text: String| {
        violations.push(Violation {
            rule,
            text: format!("{id}: {text}"),
            subjects: vec![id.to_owned()],
        });
    };
    for ((id, kind), times) in &events {
        let Some((_, state)) = ENDS.iter().find(|(event, _)| event == kind) else {
            continue;
        };
        let reached = reached.get(&(id.clone(), (*state).to_owned()));
        // A renewal makes a lease active again; its event is `renewed`.
        let most = if *kind == "activated" {
            1
        } else {
            reached.copied().unwrap_or(0)
        };
        if *times > most {
            let text = format!("{kind} {times} times, and {state} {most} times");
            wrong(id, "each end has one event", text);
        }
    }
    for row in of(rows, "end") {
        let id = text(row, "id");
        let [before, after] = ["before", "after"].map(|name| text(row, name).parse::<i64>());
        if before.unwrap_or(0) >= after.unwrap_or(0) {
            let text = format!("from {} to {}", text(row, "before"), text(row, "after"));
            wrong(&id, "paid time is never taken back", text);
        }
        *extended.entry(id).or_default() += 1;
    }
    let mut renewed: BTreeMap<String, usize> = BTreeMap::new();
    for row in &case.evidence.end.tables["renewals"] {
        *renewed.entry(text(row, "lease_id")).or_default() += 1;
    }
    let both: BTreeSet<&String> = extended.keys().chain(renewed.keys()).collect();
    for id in both {
        let [times, paid] = [&extended, &renewed].map(|of| of.get(id).copied().unwrap_or(0));
        if times != paid {
            let text = format!("extended {times} times, and renewed {paid} times");
            wrong(id, "a renewal extends once", text);
        }
    }
}
