//! The one thread that writes to SQLite. It takes all queued jobs, runs each in a savepoint of one
//! transaction, commits once, and only then answers: a caller that has its answer has it on disk,
//! and a burst shares the price of one disk flush.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::Db;
use crate::store::StoreError;

/// The outcome of a job: whether to keep its changes, and how to answer its caller.
struct JobOutcome {
    done: bool,
    reply: JobReply,
}

/// Sends the result of a job to its caller, or the failure of the commit in place of it.
type JobReply = Box<dyn FnOnce(Result<(), StoreError>)>;
type Job = Box<dyn FnOnce(Db<'_>) -> JobOutcome + Send>;

/// Jobs waiting before callers are made to wait themselves.
const QUEUE: usize = 1024;
/// Jobs in one commit: enough to hide the flush, few enough to keep the first caller's wait short.
const GROUP: usize = 256;

/// The handle of the thread.
#[derive(Debug, Clone)]
pub(in crate::store) struct SqliteWriter {
    jobs: mpsc::Sender<Job>,
}

impl SqliteWriter {
    pub(in crate::store) fn start(mut connection: Connection) -> Result<Self, StoreError> {
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
                    commit_group(&mut connection, group);
                }
            })?;
        Ok(Self { jobs })
    }

    pub(super) async fn run<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let result = change(db);
            JobOutcome {
                done: result.is_ok(),
                reply: Box::new(move |committed| {
                    // An error means that the caller is gone; the change was made.
                    let _ = answer.send(committed.and(result));
                }),
            }
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

fn commit_group(connection: &mut Connection, group: Vec<Job>) {
    let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate)
    {
        Ok(transaction) => transaction,
        Err(error) => {
            // Dropping the jobs answers their callers with `Stopped`; nothing was done.
            tracing::error!(%error, "the store could not begin a transaction");
            return;
        }
    };
    let mut replies = Vec::with_capacity(group.len());
    for job in group {
        // A full disk can make SQLite roll back everything; a job run after that would commit on
        // its own.
        if transaction.is_autocommit() {
            break;
        }
        match catch_unwind(AssertUnwindSafe(|| in_savepoint(&mut transaction, job))) {
            Ok(Some(reply)) => replies.push(reply),
            Ok(None) => {}
            Err(_) => tracing::error!("a change of the store panicked and was rolled back"),
        }
    }
    let failure = transaction.commit().err().map(|error| error.to_string());
    for (reply, result) in replies {
        let failed = failure.clone().map(StoreError::Commit);
        reply(failed.map_or(result, Err));
    }
}

type CommittedJob = (JobReply, Result<(), StoreError>);

fn in_savepoint(transaction: &mut Transaction<'_>, job: Job) -> Option<CommittedJob> {
    // Dropped without a commit, a savepoint rolls back.
    let savepoint = match transaction.savepoint() {
        Ok(savepoint) => savepoint,
        Err(error) => {
            tracing::error!(%error, "the store could not begin a change");
            return None;
        }
    };
    let JobOutcome { done, reply } = job(Db::Sqlite(&savepoint));
    let result = if done {
        savepoint.commit().map_err(StoreError::from)
    } else {
        Ok(())
    };
    Some((reply, result))
}
