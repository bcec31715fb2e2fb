//! The connections that write to PostgreSQL: a lane for steps, and sessions for changes that read before they write.

use tokio::sync::{mpsc, oneshot};

use super::{
    Session,
    lane::{self, Job},
    server::Server,
};
use crate::store::{Connection, Db, StoreError, apart::Apart, pool::Pool, steps::Step};

/// Connections for other changes.
const SESSIONS: usize = 4;
/// Changes waiting before callers are made to wait themselves.
const QUEUE: usize = 1024;

#[derive(Debug, Clone)]
pub(in crate::store) struct Writers {
    jobs: mpsc::Sender<Job>,
    sessions: Pool,
}

impl Writers {
    /// Starts them in the current runtime. Each connects at its first use.
    pub(in crate::store) fn start(server: &Server) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        // A single lane: two of one replica would wait for each other's row locks, in smaller groups. The task ends when the last
        // handle is dropped and the queue is empty.
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

    /// All of these steps, or none and why.
    pub(in crate::store) async fn steps(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        let (reply, answered) = oneshot::channel();
        let job = Job { steps, reply };
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// A change that reads before it writes.
    pub(in crate::store) async fn change<T, F>(
        &self,
        apart: Apart,
        change: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let lock = apart.key();
        let work = move |connection: &Connection| match connection {
            Connection::Postgres(session) => session.change(lock, &change),
            // There are sessions of PostgreSQL alone here.
            Connection::Sqlite(_) => Err(StoreError::Stopped),
        };
        self.sessions.run(work).await
    }
}
