//! A connection with the statements that were prepared on it.

use std::{
    cell::Cell,
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tokio_postgres::{Client, Statement};

use super::{STATEMENT_TIMEOUT, failure::ServerError, server::Server};
use crate::store::sql::Value;

/// Backoff between attempts to connect: the first pause and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Begins a transaction. The timeouts keep a replica that hangs within a change from stopping the
/// others. `READ COMMITTED`, whatever the database's default is: statements after the lock was
/// granted have to see commits up to then.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '20s'; SET LOCAL lock_timeout = '18s'";
/// For a database whose default is asynchronous commits, which would lose payments.
const AND_WAIT_FOR_DISK: &str = "; SET LOCAL synchronous_commit = 'on'";

pub(super) struct PreparedConnection {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
    /// The SQL that begins a transaction.
    pub(super) begin: String,
    /// A statement alone is as good as a transaction.
    pub(super) is_durable: bool,
}

impl PreparedConnection {
    /// Connects; the connection is driven by a task of the runtime that this is called in.
    pub(super) async fn connect(server: &Server) -> Result<Self, ServerError> {
        let (client, connection) = server.connect(|_| {}).await?;
        tokio::spawn(connection);
        let sql = "SELECT current_setting('synchronous_commit') AS waits";
        let asked = timeout(STATEMENT_TIMEOUT, client.query_one(sql, &[])).await;
        let row = asked
            .map_err(|_| ServerError::Unreachable("the server did not answer in time".into()))?
            .map_err(|error| ServerError::of(&error))?;
        let is_durable = !matches!(row.try_get("waits"), Ok("off"));
        let mut begin = BEGIN.to_owned();
        if !is_durable {
            begin.push_str(AND_WAIT_FOR_DISK);
        }
        Ok(Self {
            client,
            statements: HashMap::new(),
            begin,
            is_durable,
        })
    }

    /// A statement, prepared at its first use.
    pub(super) async fn statement(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let kinds: Vec<_> = values.iter().map(Value::kind).collect();
        // The store's SQL has a question mark nowhere else.
        let written = sql.replace('?', "$");
        let made = self.client.prepare_typed(&written, &kinds).await?;
        self.statements.insert(sql.to_owned(), made.clone());
        Ok(made)
    }
}

/// Backoff of a connection: when the next attempt may be made.
pub(super) struct ConnectBackoff(Cell<(Instant, Duration)>);

impl Default for ConnectBackoff {
    fn default() -> Self {
        Self(Cell::new((Instant::now(), FIRST_PAUSE)))
    }
}

impl ConnectBackoff {
    /// Refuses an attempt that comes too soon after a failed one.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        match Instant::now() < self.0.get().0 {
            true => Err(ServerError::Unreachable("tried a moment ago".into())),
            false => Ok(()),
        }
    }

    /// Records the outcome of an attempt.
    pub(super) fn tried(&self, has_worked: bool) {
        let (_, pause) = self.0.get();
        let next = match has_worked {
            true => (Instant::now(), FIRST_PAUSE),
            false => (Instant::now() + pause, (pause * 2).min(LONGEST_PAUSE)),
        };
        self.0.set(next);
    }
}
