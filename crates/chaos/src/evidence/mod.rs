//! What the checker reads: the tables of the store and the containers on Proxmox at two moments,
//! the ledger, what customers were told, how often commands ran, and the logs.

pub mod history;

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::Address;
use anyhow::Result;
use pve_sim::ContainerSnapshot;

use crate::{
    customers::purchases::Purchase,
    journal::Journal,
    testbed::Testbed,
    world::database::{Database, Row},
    world::ledger::Transfer,
    world::proxmox::RemovedContainer,
    world::service::ServiceProcess,
};

/// How often all is read until no lease moves meanwhile.
const TRIES: u32 = 20;

/// What is in the store and on Proxmox at one moment.
pub struct Snapshot {
    /// The tables that are looked at.
    pub tables: BTreeMap<&'static str, Vec<Row>>,
    /// What the service made.
    pub containers: Vec<ContainerSnapshot>,
    /// What was still being worked on; empty once it is quiet.
    pub unfinished: Vec<String>,
}

/// Everything that the checker reads.
pub struct Evidence {
    /// While leases still run.
    pub midway: Snapshot,
    /// More than a day later.
    pub end: Snapshot,
    /// What customers asked and were told.
    pub purchases: Vec<Purchase>,
    /// What `GET /payments` shows, by wallet: nonces.
    pub shown: BTreeMap<String, Vec<String>>,
    /// The ledger.
    pub transfers: Vec<Transfer>,
    /// Who is paid.
    pub pay_to: Address,
    /// What an administrator removed.
    pub removed: Vec<RemovedContainer>,
    /// How often each command ran.
    pub marks: BTreeMap<String, usize>,
    /// The logs of the processes.
    pub logs: Vec<(String, String)>,
    /// The most memory that a process had, in KiB.
    pub memory: Vec<(String, u64)>,
    /// What must not be in a log.
    pub secrets: Vec<(&'static str, String)>,
    /// What happened.
    pub journal: Arc<Journal>,
}

/// What the service still has to do something about.
///
/// # Errors
/// The store cannot be read.
pub fn unfinished(database: &Database) -> Result<Vec<String>> {
    let text = |row: &Row, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let mut left = Vec::new();
    for row in database.rows("payments")? {
        let (state, operation) = (text(&row, "state"), text(&row, "operation"));
        let resumed = operation == "lease_container" || operation == "renew_lease";
        let open = ["reserved", "verified", "settling", "unknown"].contains(&state.as_str());
        if open || state == "settled" && resumed {
            left.push(format!("{} is {state}", text(&row, "payment_id")));
        }
    }
    for row in database.rows("leases")? {
        let state = text(&row, "state");
        if !["active", "stopped", "destroyed"].contains(&state.as_str()) {
            left.push(format!("{} is {state}", text(&row, "lease_id")));
        }
    }
    Ok(left)
}

/// The same, with the payments that the sweep has yet to look for on the chain, and with those that a
/// day later are owed.
///
/// # Errors
/// The store cannot be read.
pub fn unfinished_of_a_day(database: &Database) -> Result<Vec<String>> {
    let mut left = unfinished_looks(database)?;
    for row in database.rows("payments")? {
        let state = row["state"].as_str().unwrap_or_default();
        if ["settled", "unresolved"].contains(&state) {
            left.push(format!("{} is {state}", row["payment_id"]));
        }
    }
    Ok(left)
}

/// What is still being worked on, with the payments that the sweep has yet to look for on the chain. It
/// looks for a hundred a minute.
///
/// # Errors
/// The store cannot be read.
pub fn unfinished_looks(database: &Database) -> Result<Vec<String>> {
    let mut left = unfinished(database)?;
    let is_there = |row: &Row, name: &str| row.get(name).is_some_and(|value| !value.is_null());
    for row in database.rows("payments")? {
        let state = row["state"].as_str().unwrap_or_default();
        let looked_for = match state {
            "refused" => true,
            "settled" | "answered" => is_there(&row, "transaction_hash"),
            _ => false,
        };
        let can_be = row["request"]
            .as_str()
            .is_some_and(|request| !request.is_empty());
        if looked_for && can_be && !is_there(&row, "checked_at") {
            left.push(format!("{} is looked for", row["payment_id"]));
        }
    }
    Ok(left)
}

/// The present state. `left` are the rows that were unfinished a moment ago: work that has begun
/// since is not stuck. The tables are read one after the other, so all of them are read again where
/// a lease has moved in between.
///
/// # Errors
/// The store cannot be read.
pub fn snapshot(testbed: &Testbed, left: &[String]) -> Result<Snapshot> {
    let mut tries = 0;
    loop {
        let mut tables = BTreeMap::new();
        for table in [
            "payments",
            "debts",
            "renewals",
            "events",
            "orphans",
            history::TABLE,
            "leases",
        ] {
            tables.insert(table, testbed.database.rows(table)?);
        }
        let containers = testbed.cluster.containers();
        tries += 1;
        let again = testbed.database.rows("leases")?;
        if tries < TRIES && states(&tables["leases"]) != states(&again) {
            continue;
        }
        let mut unfinished = unfinished(&testbed.database)?;
        unfinished.retain(|line| left.contains(line));
        return Ok(Snapshot {
            tables,
            containers,
            unfinished,
        });
    }
}

/// The states of leases, by their ids.
fn states(leases: &[Row]) -> BTreeMap<&str, &str> {
    leases
        .iter()
        .filter_map(|row| Some((row["lease_id"].as_str()?, row["state"].as_str()?)))
        .collect()
}

/// How often each command ran, by its mark.
///
/// # Errors
/// The file cannot be read.
pub fn marks(file: &std::path::Path) -> Result<BTreeMap<String, usize>> {
    let mut marks = BTreeMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        *marks.entry(line.trim().to_owned()).or_default() += 1;
    }
    Ok(marks)
}

/// Everything that the processes wrote.
pub fn logs(services: &[Arc<ServiceProcess>]) -> Vec<(String, String)> {
    let read = |one: &Arc<ServiceProcess>| {
        let bytes = std::fs::read(&one.log).unwrap_or_default();
        (one.name(), String::from_utf8_lossy(&bytes).into_owned())
    };
    services.iter().map(read).collect()
}

/// What must not be in a log.
pub fn secrets(testbed: &Testbed, purchases: &[Purchase]) -> Vec<(&'static str, String)> {
    let mut secrets = vec![("the token's secret", testbed.cluster.sim.token_secret())];
    for purchase in purchases {
        let signature = &purchase.payment.exact().signature;
        secrets.push(("a signature", signature.trim_start_matches("0x").to_owned()));
        if let Some(key) = purchase
            .idempotency_key
            .as_ref()
            .filter(|key| key.len() >= 16)
        {
            secrets.push(("a good key", key.clone()));
        }
        for response in &purchase.responses {
            for name in ["password", "ticket"] {
                if let Some(text) = response.body[name].as_str().filter(|text| text.len() > 8) {
                    secrets.push(("a password or ticket", text.to_owned()));
                }
            }
        }
    }
    secrets
}
