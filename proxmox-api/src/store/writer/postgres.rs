//! A group of changes on PostgreSQL. One lock holds groups of all replicas apart, so that changes come one after the other, as
//! on SQLite.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Job, Outcome};
use crate::store::{Db, Session, StoreError};

pub(super) fn commit_group(session: &Session, group: Vec<Job>) {
    if let Err(error) = session.begin() {
        // Dropping the jobs answers their callers with `Stopped`; nothing was done.
        tracing::error!(%error, "the store could not begin a transaction");
        return;
    }
    let mut replies = Vec::with_capacity(group.len());
    let mut has_kept = false;
    for job in group {
        if has_kept && session.next().is_err() {
            break;
        }
        has_kept = false;
        match catch_unwind(AssertUnwindSafe(|| job(Db::Postgres(session)))) {
            Ok(Outcome { done, reply }) => {
                has_kept = done && session.is_sound();
                replies.push((reply, done && !has_kept));
            }
            Err(_) => tracing::error!("a change of the store panicked and was rolled back"),
        }
        if !has_kept && session.roll_back().is_err() {
            break;
        }
    }
    let failure = session.commit().err();
    if let Some(error) = &failure {
        tracing::error!(%error, "the store could not commit");
    }
    for (reply, taken_back) in replies {
        reply(match &failure {
            Some(StoreError::CommitUnknown(cause)) => Err(StoreError::CommitUnknown(cause.clone())),
            Some(error) => Err(StoreError::Commit(error.to_string())),
            // It overlooked that one of its statements was refused.
            None if taken_back => Err(StoreError::Commit("a statement was refused".into())),
            None => Ok(()),
        });
    }
}
