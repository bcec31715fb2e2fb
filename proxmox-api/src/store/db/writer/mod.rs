//! The writers: on SQLite one thread, on PostgreSQL several connections. A change is either a list
//! of [`Step`]s, or reads rows before it writes and names the lock that it needs by [`ChangeLock`].

mod postgres;
mod sqlite;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Connection, Db, Pool};
use crate::store::{StoreError, change_lock::ChangeLock, sql::Step};
pub(in crate::store) use postgres::PostgresWriters;
pub(in crate::store) use sqlite::SqliteWriter;

#[derive(Debug, Clone)]
pub(in crate::store) struct Writer {
    backend: Backend,
    /// The number of changes.
    count: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(SqliteWriter),
    Postgres(PostgresWriters),
}

impl From<SqliteWriter> for Writer {
    fn from(writer: SqliteWriter) -> Self {
        Self::new(Backend::Sqlite(writer))
    }
}

impl From<PostgresWriters> for Writer {
    fn from(writers: PostgresWriters) -> Self {
        Self::new(Backend::Postgres(writers))
    }
}

impl Writer {
    fn new(backend: Backend) -> Self {
        let count = Arc::default();
        Self { backend, count }
    }

    pub(in crate::store) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A change that reads before it writes. It may be called again, after its first attempt was
    /// rolled back.
    pub(in crate::store) async fn change<T, F>(
        &self,
        lock: ChangeLock,
        change: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.backend {
            Backend::Sqlite(writer) => writer.run(change).await,
            Backend::Postgres(writers) => writers.change(lock, change).await,
        }
    }

    /// Makes all of these steps, or none.
    pub(in crate::store) async fn steps(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.backend {
            Backend::Sqlite(writer) => {
                let make = move |db: Db<'_>| steps.iter().try_for_each(|step| db.make(step));
                writer.run(make).await
            }
            Backend::Postgres(writers) => writers.steps(steps).await,
        }
    }

    /// Whether several connections write at the same time.
    pub(in crate::store) fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }
}
