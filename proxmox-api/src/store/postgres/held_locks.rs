//! The locks that this process holds. A new session takes them again, and does not release locks
//! that ended with the previous session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;
use tokio_postgres::{Client, Statement};

/// How often each lock is held.
pub(super) type HeldLocks = Arc<Mutex<HashMap<i64, usize>>>;

pub(super) fn lock(held: &HeldLocks) -> MutexGuard<'_, HashMap<i64, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks that the session could not take again, with the number of their guards here.
#[derive(Default)]
pub(super) struct LostLocks(HashMap<i64, usize>);

impl LostLocks {
    /// Whether a dropped guard is of such a lock; each guard counts once.
    pub(super) fn remove(&mut self, key: i64) -> bool {
        match self.0.get_mut(&key) {
            Some(times @ 1..) => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Takes the held locks again on a new session. A guard that was dropped while there was no session
/// is forgotten: releasing its lock now would release one that is taken later.
pub(super) async fn retake(
    client: &Client,
    statement: &Statement,
    held: &HeldLocks,
    freed: &mut mpsc::UnboundedReceiver<i64>,
) -> LostLocks {
    let all: Vec<_> = {
        let held = lock(held);
        while freed.try_recv().is_ok() {}
        held.iter().map(|(key, count)| (*key, *count)).collect()
    };
    let mut missed = LostLocks::default();
    for (key, count) in all {
        for _ in 0..count {
            match client.query_one(statement, &[&[key].as_slice()]).await {
                Ok(row) if row.try_get(0).unwrap_or(false) => {}
                _ => {
                    *missed.0.entry(key).or_default() += 1;
                    tracing::warn!(
                        "another replica took an advisory lock that is still in use here"
                    );
                }
            }
        }
    }
    missed
}
