//! The report: counts of everything, and for each violation what happened in order.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{check::Violation, evidence::Evidence, options::CampaignOptions, world::database::Row};

/// Violations of a rule whose timeline is shown; more of them say the same.
const SHOWN: usize = 3;

/// The report of a campaign.
pub fn text(options: &CampaignOptions, evidence: &Evidence, violations: &[Violation]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "chaos: seed {}, {:.1} minutes, {} with {} process(es), {} customers, time x{}{}",
        options.seed,
        options.length.as_secs_f64() / 60.0,
        options.mode.name(),
        options.replicas(),
        options.customers,
        options.speed,
        options
            .bug
            .as_ref()
            .map(|bug| format!(", with the bug {bug}"))
            .unwrap_or_default()
    );
    let mut groups: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for (name, count) in evidence.journal.counts() {
        let (group, what) = name.split_once(" / ").unwrap_or(("", &name));
        groups
            .entry(group.to_owned())
            .or_default()
            .push((what.to_owned(), count));
    }
    groups.insert("payments at the end".into(), states(evidence, "payments"));
    groups.insert("leases at the end".into(), states(evidence, "leases"));
    groups.insert(
        "debts".into(),
        count_by(&evidence.end.tables["debts"], "reason"),
    );
    for (group, counts) in &groups {
        let total: u64 = counts.iter().map(|(_, count)| count).sum();
        let _ = writeln!(text, "\n{group} ({total})");
        for (what, count) in counts {
            let _ = writeln!(text, "  {count:>6}  {what}");
        }
    }
    for (process, most) in &evidence.memory {
        let _ = writeln!(text, "\n{process}: at most {} MiB of memory", most / 1024);
    }
    let _ = writeln!(text, "\nviolations: {}", violations.len());
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for violation in violations {
        *rules.entry(violation.rule).or_default() += 1;
    }
    for (rule, count) in rules {
        let _ = writeln!(text, "  {count:>6}  {rule}");
    }
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for violation in violations {
        let shown = shown.entry(violation.rule).or_default();
        *shown += 1;
        if *shown > SHOWN {
            continue;
        }
        let _ = writeln!(text, "\nVIOLATION {}\n  {}", violation.rule, violation.text);
        text.push_str(&timeline(evidence, &violation.subjects));
    }
    text
}

fn states(evidence: &Evidence, table: &str) -> Vec<(String, u64)> {
    count_by(&evidence.end.tables[table], "state")
}

fn count_by(rows: &[Row], column: &str) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let name = row[column].as_str().unwrap_or_default().to_owned();
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// What happened to these, by the campaign's time: the campaign's journal, the store's events, and
/// the rows as they ended.
fn timeline(evidence: &Evidence, about: &[String]) -> String {
    let mut lines: Vec<(u64, String)> = Vec::new();
    let mut subjects = about.to_vec();
    let rows = |table: &str| evidence.end.tables[table].iter();
    // A payment's nonce and lease, and the payment of a lease.
    for row in rows("payments") {
        let names = ["payment_id", "nonce", "lease_id"].map(|name| row[name].as_str());
        if names[..2]
            .iter()
            .flatten()
            .any(|name| about.iter().any(|known| known == name))
        {
            subjects.extend(names.into_iter().flatten().map(str::to_owned));
        }
    }
    subjects.sort();
    subjects.dedup();
    for entry in evidence.journal.about(&subjects) {
        lines.push((entry.at, format!("{:>7.2}s  {}", entry.real, entry.text)));
    }
    for row in rows("events") {
        let subject = row["subject"].as_str().unwrap_or_default();
        if subjects.iter().any(|known| known == subject) {
            let (kind, data) = (&row["kind"], &row["data"]);
            let at = row["at"].as_u64().unwrap_or(0);
            let (kind, data) = (kind.as_str().unwrap_or(""), data.as_str().unwrap_or(""));
            lines.push((at, format!("   store  {subject} {kind} {data}")));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut text = String::new();
    for (at, line) in lines {
        let _ = writeln!(text, "    {at} {line}");
    }
    for (table, name) in [
        ("payments", "payment_id"),
        ("leases", "lease_id"),
        ("debts", "payment_id"),
    ] {
        for row in rows(table) {
            if row[name]
                .as_str()
                .is_some_and(|id| subjects.iter().any(|known| known == id))
            {
                let hidden = ["request", "answer_body", "idempotency_key", "digest"];
                let shown: BTreeMap<_, _> = row
                    .iter()
                    .filter(|(name, value)| !hidden.contains(&name.as_str()) && !value.is_null())
                    .collect();
                let _ = writeln!(text, "    {table}: {}", json!(shown));
            }
        }
    }
    text
}

/// Writes the report and the whole journal.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, text: &str, evidence: &Evidence) -> Result<()> {
    let mut journal = String::new();
    for entry in evidence.journal.entries() {
        let line = json!({"real": entry.real, "at": entry.at, "subject": entry.subject, "text": entry.text});
        let _ = writeln!(journal, "{line}");
    }
    std::fs::write(folder.join("report.txt"), text)
        .and_then(|()| std::fs::write(folder.join("journal.jsonl"), journal))
        .with_context(|| format!("cannot write into {}", folder.display()))
}
