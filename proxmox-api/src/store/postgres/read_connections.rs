//! Connections for reads of one statement each. Queries of many callers are pipelined on them, and
//! no thread waits for an answer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::{Client, Error, Row, Statement};

use super::{
    STATEMENT_TIMEOUT, ServerError,
    connection::{ConnectBackoff, PreparedConnection},
    failure::is_lost,
    server::Server,
};
use crate::store::{
    StoreError,
    sql::{OwnedValue, Value},
};

/// Number of connections: while one is busy with a slow query, half of the others go on.
const CONNECTIONS: usize = 2;

#[derive(Clone)]
pub(in crate::store) struct ReadConnections(Arc<Shared>);

struct Shared {
    server: Server,
    next: AtomicUsize,
    slots: [Mutex<Slot>; CONNECTIONS],
}

impl std::fmt::Debug for ReadConnections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadConnections")
    }
}

#[derive(Default)]
struct Slot {
    open: Option<Arc<OpenConnection>>,
    backoff: ConnectBackoff,
}

struct OpenConnection {
    client: Client,
    statements: StdMutex<HashMap<String, Statement>>,
}

impl ReadConnections {
    /// Makes them without connecting: each connects at its first use.
    pub(in crate::store) fn new(server: &Server) -> Self {
        Self(Arc::new(Shared {
            server: server.clone(),
            next: AtomicUsize::new(0),
            slots: Default::default(),
        }))
    }

    /// The rows of one statement. It is retried once, on a new connection, where the old one turns
    /// out to be lost.
    pub(in crate::store) async fn all(
        &self,
        sql: &str,
        values: &[OwnedValue],
    ) -> Result<Vec<Row>, StoreError> {
        let slot = self.0.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let mut again = true;
        loop {
            let open = self.open(slot).await?;
            let lost = match timeout(STATEMENT_TIMEOUT, open.all(sql, values)).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) if !is_lost(&error) => return Err(ServerError::of(&error).into()),
                Ok(Err(error)) => ServerError::of(&error).to_string(),
                Err(_) => {
                    again = false;
                    "the server did not answer in time".to_owned()
                }
            };
            self.forget(slot, &open).await;
            if !std::mem::take(&mut again) {
                return Err(ServerError::Lost(lost).into());
            }
        }
    }

    async fn open(&self, slot: usize) -> Result<Arc<OpenConnection>, StoreError> {
        let mut slot = self.0.slots[slot].lock().await;
        if let Some(open) = slot.open.as_ref().filter(|open| !open.client.is_closed()) {
            return Ok(Arc::clone(open));
        }
        slot.backoff.check()?;
        let made = timeout(
            STATEMENT_TIMEOUT,
            PreparedConnection::connect(&self.0.server),
        )
        .await;
        let late = |_| ServerError::Unreachable("the server did not answer in time".into());
        let made = made.map_err(late).flatten();
        slot.backoff.tried(made.is_ok());
        let open = Arc::new(OpenConnection {
            client: made?.client,
            statements: StdMutex::default(),
        });
        slot.open = Some(Arc::clone(&open));
        Ok(open)
    }

    async fn forget(&self, slot: usize, lost: &Arc<OpenConnection>) {
        let mut slot = self.0.slots[slot].lock().await;
        // Another query may have reconnected already.
        if slot
            .open
            .as_ref()
            .is_some_and(|open| Arc::ptr_eq(open, lost))
        {
            slot.open = None;
        }
    }
}

impl OpenConnection {
    async fn all(&self, sql: &str, values: &[OwnedValue]) -> Result<Vec<Row>, Error> {
        let values: Vec<Value<'_>> = values.iter().map(OwnedValue::borrow).collect();
        let known = self.statements().get(sql).cloned();
        let statement = match known {
            Some(known) => known,
            None => {
                let kinds: Vec<_> = values.iter().map(Value::kind).collect();
                // The store's SQL has a question mark nowhere else.
                let written = sql.replace('?', "$");
                let made = self.client.prepare_typed(&written, &kinds).await?;
                self.statements().insert(sql.to_owned(), made.clone());
                made
            }
        };
        let parameters: Vec<_> = values.iter().map(Value::parameter).collect();
        self.client.query(&statement, &parameters).await
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<String, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
