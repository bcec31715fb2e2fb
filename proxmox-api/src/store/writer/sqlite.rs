//! A group of changes on SQLite.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Job, Outcome, Reply};
use crate::store::{Db, StoreError};

pub(super) fn commit_group(connection: &mut Connection, group: Vec<Job>) {
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
        // A full disk can make SQLite roll back everything; a job run after that would commit on its own.
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
    for (reply, kept) in replies {
        let failed = failure.clone().map(StoreError::Commit);
        reply(failed.map_or(kept, Err));
    }
}

type Kept = (Reply, Result<(), StoreError>);

fn in_savepoint(transaction: &mut Transaction<'_>, job: Job) -> Option<Kept> {
    // Dropped without a commit, a savepoint rolls back.
    let savepoint = match transaction.savepoint() {
        Ok(savepoint) => savepoint,
        Err(error) => {
            tracing::error!(%error, "the store could not begin a change");
            return None;
        }
    };
    let Outcome { done, reply } = job(Db::Sqlite(&savepoint));
    let kept = if done {
        savepoint.commit().map_err(StoreError::from)
    } else {
        Ok(())
    };
    Some((reply, kept))
}
