//! The writers: on SQLite one thread, on PostgreSQL several connections. A change is either a list of [`Step`]s, or reads rows
//! before it writes and names the lock that it needs by [`Apart`].

mod sqlite;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Db, StoreError, apart::Apart, postgres, steps::Step};
pub(super) use sqlite::Thread;

#[derive(Debug, Clone)]
pub(super) struct Writer {
    kind: Kind,
    /// Changes that were asked for.
    count: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Thread(Thread),
    Server(postgres::Writers),
}

impl From<Thread> for Writer {
    fn from(thread: Thread) -> Self {
        Self::new(Kind::Thread(thread))
    }
}

impl From<postgres::Writers> for Writer {
    fn from(writers: postgres::Writers) -> Self {
        Self::new(Kind::Server(writers))
    }
}

impl Writer {
    fn new(kind: Kind) -> Self {
        let count = Arc::default();
        Self { kind, count }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A change that reads before it writes. It may be called again, after its first attempt was rolled back.
    pub(super) async fn change<T, F>(&self, apart: Apart, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.kind {
            Kind::Thread(thread) => thread.run(change).await,
            Kind::Server(writers) => writers.change(apart, change).await,
        }
    }

    /// All of these steps, or none and why.
    pub(super) async fn steps(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.kind {
            Kind::Thread(thread) => {
                let make = move |db: Db<'_>| steps.iter().try_for_each(|step| step.make(db));
                thread.run(make).await
            }
            Kind::Server(writers) => writers.steps(steps).await,
        }
    }

    /// Whether many write at a time.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Server(_))
    }
}
