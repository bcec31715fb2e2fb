//! The store as the checker reads it, by SQL of its own, and as a fault cuts it off.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use serde_json::Value;

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the service's tests"
)]
#[path = "../../../proxmox-api/tests/postgres/mod.rs"]
mod postgres;

use postgres::Postgres;

/// One row, by the names of its columns.
pub type Row = BTreeMap<String, Value>;

/// Where the store is.
#[derive(Clone)]
pub enum Database {
    /// A file that one process has.
    Sqlite(PathBuf),
    /// A server of the campaign's own, and the database on it.
    Postgres(Arc<Postgres>, String),
}

impl Database {
    /// A PostgreSQL of our own; none where it is not installed.
    pub fn postgres() -> Option<Self> {
        let server = Postgres::start()?;
        let name = server.empty();
        Some(Self::Postgres(Arc::new(server), name))
    }

    /// What the service is told.
    pub fn address(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(server, name) => server.url("postgres", name, "sslmode=disable"),
        }
    }

    /// Every row of a table.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn rows(&self, table: &str) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(path) => sqlite(path, table),
            Self::Postgres(server, name) => {
                let sql = format!("SELECT coalesce(json_agg(t), '[]') FROM {table} t");
                let text = server.sql(name, &sql);
                serde_json::from_str(&text).with_context(|| format!("cannot read {table}"))
            }
        }
    }

    /// Ends every connection of the service's; false where there are none to end.
    pub fn cut(&self) -> bool {
        let Self::Postgres(server, name) = self else {
            return false;
        };
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        server.sql("postgres", &sql);
        true
    }

    /// Stops the server as a crash does and starts it again; false where there is none.
    pub fn crash(&self, away: std::time::Duration) -> bool {
        let Self::Postgres(server, _) = self else {
            return false;
        };
        server.crash();
        std::thread::sleep(away);
        server.start_again();
        true
    }
}

fn sqlite(path: &std::path::Path, table: &str) -> Result<Vec<Row>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
    let names: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut read = Row::new();
        for (at, name) in names.iter().enumerate() {
            use rusqlite::types::ValueRef;
            let value = match row.get_ref(at)? {
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
            };
            read.insert(name.clone(), value);
        }
        rows.push(read);
    }
    Ok(rows)
}
