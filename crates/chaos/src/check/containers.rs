//! Rules about containers: each belongs to a lease, and runs for as long as was paid.

use std::collections::BTreeMap;

use pve_sim::ContainerSnapshot;

use super::{IndexedEvidence, Violation, is_set, lease, number, text};
use crate::{evidence::Snapshot, world::database::Row, world::proxmox::lease_of};

/// Seconds of the campaign's time by which an event may be written late.
const EVENT_DELAY: i64 = 600;

/// Seconds of the campaign's time for which the service may not have read the containers, because
/// it was killed or Proxmox failed.
const DETECTION_DELAY: u64 = 300;

pub(super) fn check(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    live(case, &case.evidence.midway, violations);
    strays(case, &case.evidence.midway, violations);
    over(case, violations);
    ends(case, violations);
}

fn by_lease(snapshot: &Snapshot) -> BTreeMap<String, Vec<&ContainerSnapshot>> {
    let mut by_lease: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in &snapshot.containers {
        if let Some(lease) = lease_of(one) {
            by_lease.entry(lease).or_default().push(one);
        }
    }
    by_lease
}

/// Every lease that is paid for has its container.
fn live(case: &IndexedEvidence<'_>, snapshot: &Snapshot, violations: &mut Vec<Violation>) {
    let containers = by_lease(snapshot);
    for row in &snapshot.tables["leases"] {
        let (id, state) = (text(row, "lease_id"), text(row, "state"));
        if !["active", "stopped"].contains(&state.as_str()) {
            continue;
        }
        let mut wrong = |rule, what: String| {
            violations.push(Violation {
                rule,
                text: format!("{id} ({state}): {what}"),
                subjects: vec![id.clone(), text(row, "payment_id")],
            });
        };
        let none = Vec::new();
        let all = containers.get(&id).unwrap_or(&none);
        let vmid = number(row, "vmid");
        let [one] = all[..] else {
            let deleted = case
                .evidence
                .removed
                .iter()
                .any(|removed| removed.lease == id);
            // A lease that ended before its container was missed for ten minutes keeps its row
            // until its grace is over.
            if !(deleted && state == "stopped") {
                wrong(
                    "a live lease has one container",
                    format!("{} containers are there", all.len()),
                );
            }
            continue;
        };
        if i64::from(one.vmid) != vmid {
            wrong(
                "a live lease has its container",
                format!("it is {}", one.vmid),
            );
        }
        let runs = one.status == "running";
        if state == "active" && !runs && !is_off_for_a_reason(case, &id) {
            wrong(
                "a live lease runs",
                format!("{} is {}", one.vmid, one.status),
            );
        }
        if state == "stopped" && runs {
            wrong("what is over does not run", format!("{} runs", one.vmid));
        }
    }
}

/// Whether its owner or an administrator stopped it, or its node rebooted so soon after a migration
/// that the service cannot know whether it was running.
fn is_off_for_a_reason(case: &IndexedEvidence<'_>, id: &str) -> bool {
    let entries = case.evidence.journal.about(&[id.to_owned()]);
    let all = case.evidence.journal.about(&["administrator".to_owned()]);
    let reboots = all.iter().filter(|entry| entry.text.contains("reboots"));
    let reboots: Vec<u64> = reboots.map(|entry| entry.at).collect();
    entries.iter().any(|entry| {
        let moved = entry.text.contains("migrates a container");
        let after = |at: &u64| (entry.at..entry.at + DETECTION_DELAY).contains(at);
        entry.text.contains("stops a container")
            || entry.text.contains("asks to stop")
            || moved && reboots.iter().any(after)
    })
}

/// Every container has a lease that is paid for, or is stopped and kept for its grace.
fn strays(case: &IndexedEvidence<'_>, snapshot: &Snapshot, violations: &mut Vec<Violation>) {
    for (id, containers) in by_lease(snapshot) {
        for one in containers {
            let row = lease(snapshot, &id);
            let state = row.map_or_else(|| "unknown".into(), |row| text(row, "state"));
            let mut wrong = |rule| {
                violations.push(Violation {
                    rule,
                    text: format!(
                        "{} is {} on {}, and its lease {id} is {state}",
                        one.vmid, one.status, one.node
                    ),
                    subjects: [Some(id.clone()), row.map(|row| text(row, "payment_id"))]
                        .into_iter()
                        .flatten()
                        .collect(),
                });
            };
            let runs = one.status == "running";
            if runs && !["active", "expiring"].contains(&state.as_str()) {
                wrong("no container runs without money");
            }
            let payment = row.and_then(|row| case.payment(&text(row, "payment_id")));
            let paid = payment.is_some_and(|row| case.transfer_of(row).is_some());
            if runs && !paid {
                wrong("no container runs without a transfer");
            }
        }
    }
}

/// More than a day later nothing of the service is left.
fn over(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let end = &case.evidence.end;
    for one in &end.containers {
        let Some(id) = lease_of(one) else { continue };
        let state = lease(end, &id).map_or_else(|| "unknown".into(), |row| text(row, "state"));
        violations.push(Violation {
            rule: "what is over is removed",
            text: format!(
                "{} is {} on {} with lock {:?}, and its lease {id} is {state}",
                one.vmid, one.status, one.node, one.lock
            ),
            subjects: vec![id],
        });
    }
    for row in &end.tables["leases"] {
        let (id, state) = (text(row, "lease_id"), text(row, "state"));
        if state != "destroyed" {
            violations.push(Violation {
                rule: "what is over is removed",
                text: format!("{id} is {state} until {}", number(row, "destroy_at")),
                subjects: vec![id],
            });
        }
    }
}

/// A lease ends when what was paid for it is used up.
fn ends(case: &IndexedEvidence<'_>, violations: &mut Vec<Violation>) {
    let end = &case.evidence.end;
    for row in end.tables["leases"]
        .iter()
        .filter(|row| is_set(row, "expires_at"))
    {
        let id = text(row, "lease_id");
        let (expires_at, minutes) = (number(row, "expires_at"), number(row, "minutes"));
        let events = case.events(&id);
        let activated = events.iter().find(|(kind, ..)| kind == "activated");
        let mut renewals: Vec<&Row> = end.tables["renewals"]
            .iter()
            .filter(|renewal| text(renewal, "lease_id") == id)
            .collect();
        // Each ends later than the one before; the clocks of replicas may say otherwise when they
        // were made.
        renewals.sort_by_key(|renewal| number(renewal, "expires_at"));
        let mut wrong = |what: String| {
            violations.push(Violation {
                rule: "a lease lasts as long as was paid",
                text: format!("{id}: {what}"),
                subjects: vec![id.clone(), text(row, "payment_id")],
            });
        };
        // The beginning is known from an event that was written a little later.
        let mut known: Option<i64> = None;
        for renewal in &renewals {
            let (at, until) = (number(renewal, "created_at"), number(renewal, "expires_at"));
            let before = until - number(renewal, "minutes") * 60;
            if before < at || known.is_some_and(|known| before != known.max(at)) {
                wrong(format!("renewed at {at} from {known:?} to {until}"));
            }
            known = Some(until);
        }
        match (known, activated) {
            (Some(known), _) if known != expires_at => {
                wrong(format!(
                    "it ends at {expires_at}, and was renewed to {known}"
                ));
            }
            (None, Some((_, at, _))) => {
                let begun = expires_at - minutes * 60;
                if begun > *at || begun < at - EVENT_DELAY {
                    wrong(format!("{minutes} minutes from {at} are not {expires_at}"));
                }
            }
            _ => {}
        }
    }
}
