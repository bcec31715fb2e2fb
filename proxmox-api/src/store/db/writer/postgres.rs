//! The connections that write to PostgreSQL: a lane for steps, and sessions for changes that read
//! before they write.

use tokio::sync::{mpsc, oneshot};

use super::{Connection, Db, Pool};
use crate::store::{
    StoreError,
    change_lock::ChangeLock,
    postgres::{
        Server, Session,
        lane::{self, QueuedSteps},
    },
    sql::Step,
};

/// Connections for other changes.
const SESSIONS: usize = 4;
/// Changes waiting before callers are made to wait themselves.
const QUEUE: usize = 1024;

#[derive(Debug, Clone)]
pub(in crate::store) struct PostgresWriters {
    jobs: mpsc::Sender<QueuedSteps>,
    sessions: Pool,
}

impl PostgresWriters {
    /// Starts them in the current runtime. Each connects at its first use.
    pub(in crate::store) fn start(server: &Server) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        // A single lane: two of one replica would wait for each other's row locks, in smaller
        // groups. The task ends when the last handle is dropped and the queue is empty.
        tokio::spawn(lane::serve(server.clone(), queue));
        let session = |_| {
            Ok(Connection::Postgres(Box::new(Session::new(
                server.clone(),
            )?)))
        };
        let sessions: Result<Vec<_>, StoreError> = (0..SESSIONS).map(session).collect();
        Ok(Self {
            jobs,
            sessions: Pool::new(sessions?),
        })
    }

    /// Makes all of these steps, or none.
    pub(in crate::store) async fn steps(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        let (reply, answered) = oneshot::channel();
        let job = QueuedSteps { steps, reply };
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// A change that reads before it writes.
    pub(in crate::store) async fn change<T, F>(
        &self,
        lock: ChangeLock,
        change: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let lock = lock.key();
        let work = move |connection: &Connection| match connection {
            Connection::Postgres(session) => {
                session.change(lock, |session| change(Db::Postgres(session)))
            }
            // This pool has sessions of PostgreSQL only.
            Connection::Sqlite(_) => Err(StoreError::Stopped),
        };
        self.sessions.run(work).await
    }
}
