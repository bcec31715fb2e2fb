//! Which locks this process holds, and what a new session makes of them: it takes again what is in use, and frees nothing that went
//! with the session before.

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

/// How often each lock is held here that the session could not take again.
#[derive(Default)]
pub(super) struct LostLocks(HashMap<i64, usize>);

impl LostLocks {
    /// Whether a lock that is given back is one of those, each of which counts once.
    pub(super) fn takes(&mut self, key: i64) -> bool {
        match self.0.get_mut(&key) {
            Some(times @ 1..) => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Takes by a new session what work in hand still counts on. What was given back while there was no session went with the last one:
/// to free it now would free what is taken after it.
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
                        "another replica has taken a turn meanwhile that is still in use here"
                    );
                }
            }
        }
    }
    missed
}
