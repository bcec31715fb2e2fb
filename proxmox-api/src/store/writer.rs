//! The one thread that writes. It takes whatever jobs are waiting, runs each in a savepoint of one transaction, commits once,
//! and only then answers: a caller that has its answer has it on disk, and a burst shares the price of one disk flush.

mod postgres;
mod sqlite;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{mpsc, oneshot};

use super::{Connection, Db, StoreError};

/// What a job leaves: whether it is to be kept, and the way to its caller.
struct Outcome {
    done: bool,
    reply: Reply,
}

/// Sends the result of a job to its caller, or the failure of the commit in place of it.
type Reply = Box<dyn FnOnce(Result<(), StoreError>)>;
type Job = Box<dyn FnOnce(Db<'_>) -> Outcome + Send>;

/// Jobs waiting before callers are made to wait themselves.
const QUEUE: usize = 1024;
/// Jobs in one commit: enough to hide the flush, few enough to keep the first caller's wait short.
const GROUP: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Changes that were asked for.
    count: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        // The thread ends by itself once the last handle is dropped and the queue is empty.
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                while let Some(first) = queue.blocking_recv() {
                    let mut group = vec![first];
                    while group.len() < GROUP {
                        let Ok(job) = queue.try_recv() else { break };
                        group.push(job);
                    }
                    match &mut connection {
                        Connection::Sqlite(connection) => sqlite::commit_group(connection, group),
                        Connection::Postgres(session) => postgres::commit_group(session, group),
                    }
                }
            })?;
        Ok(Self {
            jobs,
            count: Arc::default(),
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) async fn run<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let result = change(db);
            Outcome {
                done: result.is_ok(),
                reply: Box::new(move |committed| {
                    // A caller that hung up changes nothing.
                    let _ = answer.send(committed.and(result));
                }),
            }
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}
