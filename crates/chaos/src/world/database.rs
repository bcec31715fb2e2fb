//! The store as the checker reads it, by SQL of its own, and as faults cut it off, crash it and let
//! a standby take over.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::postgres::PostgresServer;

/// The database's name on its server.
const NAME: &str = "store";
/// How long a standby may take until it has all that its primary has.
const CATCH_UP: Duration = Duration::from_secs(60);

/// How long a primary that was replaced lives beside its successor.
const BESIDE: Duration = Duration::from_secs(2);

/// One row, by the names of its columns.
pub type Row = BTreeMap<String, Value>;

/// Where the store is.
#[derive(Clone)]
pub enum Database {
    /// A file that one process has.
    Sqlite(PathBuf),
    /// Servers of the campaign's own.
    Postgres(Arc<ReplicatedPair>),
}

/// A primary and its standby. A commit waits until the standby has it.
pub struct ReplicatedPair {
    servers: [PostgresServer; 2],
    primary: Mutex<usize>,
}

impl ReplicatedPair {
    fn primary(&self) -> usize {
        *self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> &PostgresServer {
        &self.servers[self.primary()]
    }

    /// Makes the other server a synchronous standby of the primary.
    fn attach(&self) -> Result<()> {
        let at = self.primary();
        let (primary, standby) = (&self.servers[at], &self.servers[1 - at]);
        standby.follow(primary)?;
        primary.wait_for_standby(true)?;
        let sql = "SELECT count(*) FROM pg_stat_replication
             WHERE sync_state = 'sync' AND flush_lsn >= pg_current_wal_flush_lsn()";
        let deadline = Instant::now() + CATCH_UP;
        while primary.sql("postgres", sql)? != "1" {
            ensure!(Instant::now() < deadline, "the standby does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Database {
    /// PostgreSQL of our own, with a standby; none where it is not installed.
    ///
    /// # Errors
    /// A server does not start.
    pub fn postgres() -> Result<Option<Self>> {
        let (Some(one), Some(two)) = (PostgresServer::prepare()?, PostgresServer::prepare()?)
        else {
            return Ok(None);
        };
        one.begin()?;
        one.sql("postgres", &format!("CREATE DATABASE {NAME}"))?;
        let servers = [one, two];
        let primary = Mutex::new(0);
        let pair = ReplicatedPair { servers, primary };
        pair.attach()?;
        Ok(Some(Self::Postgres(Arc::new(pair))))
    }

    /// The service's `DATABASE`: it names both servers, where there are two.
    pub fn address(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(pair) => {
                let [one, two] = [0, 1].map(|at: usize| pair.servers[at].port());
                format!(
                    "postgres:///{NAME}?host=127.0.0.1&host=127.0.0.1&port={one},{two}&user=postgres\
                     &sslmode=disable&target_session_attrs=read-write"
                )
            }
        }
    }

    /// Every row of a table.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn rows(&self, table: &str) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(path) => sqlite(path, table),
            Self::Postgres(pair) => {
                let sql = format!("SELECT coalesce(json_agg(t), '[]') FROM {table} t");
                let text = pair.current().sql(NAME, &sql)?;
                serde_json::from_str(&text).with_context(|| format!("cannot read {table}"))
            }
        }
    }

    /// Makes statements of the campaign's own, each written as its database wants it.
    ///
    /// # Errors
    /// The database does not answer, or refuses them.
    pub fn make(&self, sqlite: &str, postgres: &str) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path)?;
                connection.busy_timeout(Duration::from_secs(10))?;
                Ok(connection.execute_batch(sqlite)?)
            }
            Self::Postgres(_) if postgres.is_empty() => Ok(()),
            Self::Postgres(pair) => pair.current().sql(NAME, postgres).map(drop),
        }
    }

    /// Whether there is a server, which can fail apart from the service.
    pub fn is_server(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Ends every connection of the service's.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn cut(&self) -> Result<()> {
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{NAME}' AND pid <> pg_backend_pid()"
        );
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(pair) => pair.current().sql("postgres", &sql).map(drop),
        }
    }

    /// Stops the server as a crash does and starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub fn crash(&self, away: Duration) -> Result<()> {
        let Self::Postgres(pair) = self else {
            return Ok(());
        };
        pair.current().crash()?;
        std::thread::sleep(away);
        pair.current().start(true)
    }

    /// The primary dies for good, its standby is promoted after `away`, and a new standby is made in
    /// the primary's place. With `wakes` the primary was only stopped (SIGSTOP) and goes on beside
    /// its successor for a while: it still takes changes of open connections, and commits none
    /// because it has no standby.
    ///
    /// # Errors
    /// A server does not start, or the new standby does not follow.
    pub fn fail_over(&self, away: Duration, wakes: bool) -> Result<()> {
        let Self::Postgres(pair) = self else {
            return Ok(());
        };
        let at = pair.primary();
        let (old, new) = (&pair.servers[at], &pair.servers[1 - at]);
        match wakes {
            true => old.signal("STOP")?,
            false => old.crash()?,
        }
        std::thread::sleep(away);
        new.promote()?;
        *pair.primary.lock().unwrap_or_else(PoisonError::into_inner) = 1 - at;
        if wakes {
            std::thread::sleep(away);
            old.signal("CONT")?;
            std::thread::sleep(BESIDE);
            old.crash()?;
        }
        pair.attach()
    }
}

fn sqlite(path: &Path, table: &str) -> Result<Vec<Row>> {
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
