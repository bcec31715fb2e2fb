//! A connection pool for blocking work. On SQLite its connections only read: they see the last
//! commit and never wait for the writer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

use super::{Connection, StoreError};

#[derive(Clone)]
pub(in crate::store) struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    /// Number of reads since the start.
    count: Arc<AtomicU64>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    pub(in crate::store) fn new(connections: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
            count: Arc::default(),
        }
    }

    /// The number of uses.
    pub(in crate::store) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Works with the next connection that is idle.
    pub(in crate::store) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Stopped)?;
        let idle = self.idle.clone();
        tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = taken.ok_or(StoreError::Stopped)?;
            // The connection goes back into the pool also after a panic.
            let result = catch_unwind(AssertUnwindSafe(|| work(&connection)));
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            drop(permit);
            result.unwrap_or_else(|_| {
                tracing::error!("a change or a read of the store panicked");
                Err(StoreError::Stopped)
            })
        })
        .await
        .map_err(|_| StoreError::Stopped)?
    }
}
