//! The progress of a copy: a table of the target that exists only while the copy is unfinished, and
//! is changed in the transaction of the rows. A service does not start on a database that has it.

use serde::{Deserialize, Serialize};

use super::rows::{Key, literal};
use crate::store::schema::COPY_PROGRESS;

/// The name under which the source's [`SourceMark`] is kept.
pub(super) const SOURCE: &str = "(source)";

/// Makes the table.
pub(super) fn create() -> String {
    format!("CREATE TABLE {COPY_PROGRESS} (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
}

/// Sets a value.
pub(super) fn set(name: &str, value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("numbers and texts are JSON");
    format!(
        "INSERT INTO {COPY_PROGRESS} (name, value) VALUES ({}, {})
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        literal(name),
        literal(&text)
    )
}

/// The identity and state of the source when its copy was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceMark {
    /// The number of the schema's steps.
    pub(super) schema: usize,
    /// The installation's id.
    pub(super) installation: String,
    /// Numbers that every change of payments, leases or the audit trail moves.
    pub(super) state: Vec<i64>,
}

/// The statements whose numbers are a mark's state.
pub(super) const STATE: [&str; 3] = [
    "SELECT coalesce(max(event_id), 0) FROM events",
    "SELECT coalesce(max(updated_at), 0) FROM payments",
    "SELECT coalesce(max(updated_at), 0) FROM leases",
];
/// The statement for the installation's id.
pub(super) const INSTALLATION: &str = "SELECT value FROM installation WHERE name = 'id'";

/// How far one table has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct TableProgress {
    /// The key of the last row that was copied.
    pub(super) key: Vec<Key>,
    /// Rows that were copied.
    pub(super) rows: u64,
}
