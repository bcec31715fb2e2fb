//! A connection for blocking threads that reconnects when it is lost. Its task runs only while it
//! is used, so a loss shows at the next use.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use service::crypto;
use tokio::{runtime::Runtime, time::timeout};
use tokio_postgres::Row;

use super::{
    STATEMENT_TIMEOUT,
    connection::{ConnectBackoff, PreparedConnection},
    failure::{ServerError, is_lost},
    server::Server,
};
use crate::store::{StoreError, sql::Value};

/// How often a change is tried that a deadlock or a serialization failure rolls back.
pub(super) const TRIES: u32 = 8;

/// The connection, there or to be made.
pub(in crate::store) struct Session {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    server: Server,
    link: RefCell<Option<PreparedConnection>>,
    backoff: ConnectBackoff,
    transaction: Cell<TransactionState>,
}

/// Whether statements belong to a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransactionState {
    None,
    Open,
    /// A statement failed: what follows is refused until it is rolled back.
    Failed,
}

impl Session {
    /// A session that connects when it is used first.
    pub(in crate::store) fn new(server: Server) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            server,
            link: RefCell::new(None),
            backoff: ConnectBackoff::default(),
            transaction: Cell::new(TransactionState::None),
        })
    }

    pub(in crate::store) fn execute(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize, StoreError> {
        let changed = self.run(async |link| {
            let statement = link.statement(sql, values).await?;
            let parameters: Vec<_> = values.iter().map(Value::parameter).collect();
            link.client.execute(&statement, &parameters).await
        })?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(in crate::store) fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.run(async |link| {
            let statement = link.statement(sql, values).await?;
            let parameters: Vec<_> = values.iter().map(Value::parameter).collect();
            link.client.query(&statement, &parameters).await
        })
    }

    /// Statements without parameters, all or none of them where they are no transaction of their
    /// own.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.run(async |link| link.client.batch_execute(sql).await)
    }

    /// Makes a change in a transaction of its own, under this advisory lock. It is retried after a
    /// deadlock or a serialization failure, at most [`TRIES`] times in all.
    pub(in crate::store) fn change<T>(
        &self,
        lock: Option<i64>,
        change: impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = 1;
        loop {
            match self.try_change(lock, &change) {
                Err(StoreError::Postgres(ServerError::RolledBack(cause))) if tries < TRIES => {
                    tracing::debug!(
                        cause,
                        tries,
                        "retrying a change after a deadlock or a serialization failure"
                    );
                    std::thread::sleep(pause(tries));
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    fn try_change<T>(
        &self,
        lock: Option<i64>,
        change: &impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin(lock)?;
        let result = catch_unwind(AssertUnwindSafe(|| change(self)));
        let result = result.unwrap_or_else(|panic| {
            // Rolled back at once, so that its locks do not stop others.
            self.roll_back();
            resume_unwind(panic)
        });
        match result {
            Ok(done) if self.is_sound() => self.commit().map(|()| done),
            Ok(_) => {
                self.abandon();
                // The change ignored an error of one of its statements.
                Err(StoreError::Commit("a statement was refused".into()))
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn begin(&self, lock: Option<i64>) -> Result<(), StoreError> {
        let begun = self.run(async |link| {
            let mut sql = link.begin.clone();
            if let Some(lock) = lock {
                sql.push_str(&format!("; SELECT pg_advisory_xact_lock({lock})"));
            }
            link.client.batch_execute(&sql).await
        });
        begun.inspect_err(|_| self.abandon())?;
        self.transaction.set(TransactionState::Open);
        Ok(())
    }

    /// Whether the transaction still stands.
    fn is_sound(&self) -> bool {
        self.transaction.get() == TransactionState::Open && self.link.borrow().is_some()
    }

    /// Rolls back. If that fails, the connection is closed and the server rolls back by itself.
    fn roll_back(&self) {
        if self.link.borrow().is_none() || self.batch("ROLLBACK").is_err() {
            self.abandon();
        }
        self.transaction.set(TransactionState::None);
    }

    /// Commits. [`StoreError::CommitUnknown`] means that the outcome cannot be known.
    fn commit(&self) -> Result<(), StoreError> {
        let committed = self.batch("COMMIT");
        self.transaction.set(TransactionState::None);
        committed.map_err(|error| match error {
            StoreError::Postgres(ServerError::Lost(cause)) => StoreError::CommitUnknown(cause),
            taken_back @ StoreError::Postgres(ServerError::RolledBack(_)) => {
                self.abandon();
                taken_back
            }
            error => {
                self.abandon();
                StoreError::Commit(error.to_string())
            }
        })
    }

    /// Drops a connection whose transaction cannot go on; the server rolls it back.
    pub(in crate::store) fn abandon(&self) {
        self.transaction.set(TransactionState::None);
        if self.link.borrow_mut().take().is_some()
            && let Some(runtime) = &self.runtime
        {
            // The connection's task has to run once to close it.
            runtime.block_on(tokio::task::yield_now());
        }
    }

    /// Runs the work; on a new connection if the old one is lost and no transaction was open.
    fn run<T>(
        &self,
        work: impl AsyncFn(&mut PreparedConnection) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        let mut link = self.link.borrow_mut();
        let mut again = link.is_some();
        loop {
            let outside = self.transaction.get() == TransactionState::None;
            if link.is_none() {
                if !outside {
                    return Err(ServerError::Lost("in the middle of a change".into()).into());
                }
                *link = Some(self.connect(runtime)?);
            }
            let current = link.as_mut().expect("it was just made");
            let lost =
                match runtime.block_on(async { timeout(STATEMENT_TIMEOUT, work(current)).await }) {
                    Ok(Ok(done)) => return Ok(done),
                    Ok(Err(error)) if is_lost(&error) => ServerError::of(&error).to_string(),
                    Ok(Err(error)) => {
                        if !outside {
                            self.transaction.set(TransactionState::Failed);
                        }
                        return Err(ServerError::of(&error).into());
                    }
                    Err(_) => {
                        again = false;
                        "the server did not answer in time".to_owned()
                    }
                };
            *link = None;
            if !(again && outside) {
                return Err(ServerError::Lost(lost).into());
            }
            again = false;
        }
    }

    fn connect(&self, runtime: &Runtime) -> Result<PreparedConnection, StoreError> {
        self.backoff.check()?;
        let made = runtime.block_on(PreparedConnection::connect(&self.server));
        self.backoff.tried(made.is_ok());
        Ok(made?)
    }
}

/// Backoff before a retry: longer each time and random, so that two changes that deadlocked do not
/// meet again.
pub(super) fn pause(tries: u32) -> Duration {
    let random = u64::from(u16::from_be_bytes(crypto::random_bytes()));
    let most = 10_u64 << tries.min(7);
    Duration::from_millis(most * random / u64::from(u16::MAX))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.get_mut().take();
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}
