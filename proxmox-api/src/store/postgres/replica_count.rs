//! Counts the running replicas and finds this one's position among them: each replica's session for
//! locks holds the lock of [`presence`](super::presence), which ends with the session.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_postgres::{Client, Error, Row, Statement};

use super::presence::PRESENCE;

/// The notification of a new session, after which the others count at once.
pub(super) const SESSION_BEGAN_PAYLOAD: &str = "here";
/// How often the replicas are counted.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// How long a smaller count must last before it is used: when a server restarts, all replicas lose
/// their sessions and come back one after the other.
const FEWER_ACCEPTED_AFTER: Duration = Duration::from_secs(5);

/// The number of replicas, and this one's position among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// How many; this one is among them.
    pub number: usize,
    /// How many come before this one, in an order in which all see them.
    pub before: usize,
}

impl Replicas {
    /// One replica: no limit is shared.
    pub const ALONE: Self = Self {
        number: 1,
        before: 0,
    };

    /// This one's share of a limit for all of them. All shares together are the limit, or one for
    /// each replica where those are more.
    pub fn share_of(self, limit: usize) -> usize {
        let number = self.number.max(1);
        let rest = usize::from(self.before < limit % number);
        (limit / number + rest).max(1)
    }
}

/// Wakes a [`ReplicaCounter`] because another session has begun.
#[derive(Clone)]
pub(super) struct ReplicaSignal(Arc<Notify>);

impl ReplicaSignal {
    pub(super) fn count_again(&self) {
        self.0.notify_one();
    }
}

/// Counts the replicas over the session for locks, which may be replaced, and publishes the count.
pub(super) struct ReplicaCounter {
    believed: watch::Sender<Replicas>,
    fewer_since: Option<Instant>,
    next: Instant,
    came: ReplicaSignal,
    here: String,
}

impl ReplicaCounter {
    /// A counter for the replica of this name, which counts as the only one until the first count.
    pub(super) fn new(replica: &str) -> (Self, watch::Receiver<Replicas>) {
        let (believed, watched) = watch::channel(Replicas::ALONE);
        let counter = Self {
            believed,
            fewer_since: None,
            next: Instant::now(),
            came: ReplicaSignal(Arc::default()),
            here: format!("{replica} {SESSION_BEGAN_PAYLOAD}"),
        };
        (counter, watched)
    }

    pub(super) fn came(&self) -> ReplicaSignal {
        self.came.clone()
    }

    /// The payload that tells the others that this one's session has begun.
    pub(super) fn here(&self) -> &str {
        &self.here
    }

    pub(super) async fn prepare(client: &Client) -> Result<Statement, Error> {
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE pid < pg_backend_pid()) FROM pg_locks
             WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted
               AND classid::bigint = {} AND objid::bigint = {} AND objsubid = 1
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            PRESENCE >> 32,
            PRESENCE & 0xffff_ffff,
        );
        client.prepare(&sql).await
    }

    /// Waits until it is time to count.
    pub(super) async fn due(&self) {
        tokio::select! {
            () = tokio::time::sleep_until(self.next) => {}
            () = self.came.0.notified() => {}
        }
    }

    /// Counts; false when the session is lost.
    pub(super) async fn count(&mut self, client: &Client, statement: &Statement) -> bool {
        self.next = Instant::now() + COUNT_EVERY;
        let seen = client.query_one(statement, &[]).await;
        match seen.and_then(|row| read(&row)) {
            Ok(seen) => self.seen(seen),
            Err(_) if client.is_closed() => return false,
            Err(error) => tracing::warn!(%error, "replicas cannot be counted"),
        }
        true
    }

    /// A larger count is used at once, a smaller one after a while.
    fn seen(&mut self, seen: Replicas) {
        let believed = self.believed.borrow().number;
        let fewer = seen.number < believed;
        let since = *self.fewer_since.get_or_insert_with(Instant::now);
        let number = if fewer && since.elapsed() < FEWER_ACCEPTED_AFTER {
            believed
        } else {
            self.fewer_since = None;
            seen.number
        };
        let now = Replicas { number, ..seen };
        self.believed.send_if_modified(|before| {
            let is_new = *before != now;
            *before = now;
            is_new
        });
    }
}

fn read(row: &Row) -> Result<Replicas, Error> {
    let count = |column| {
        let count: i64 = row.try_get(column)?;
        Ok::<_, Error>(usize::try_from(count).unwrap_or(0))
    };
    Ok(Replicas {
        number: count(0)?.max(1),
        before: count(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(number: usize, before: usize) -> Replicas {
        Replicas { number, before }
    }

    #[test]
    fn shares_add_up_to_the_limit_or_to_one_for_each_replica() {
        for limit in 1..40 {
            for number in 1..12 {
                let share = |before| replicas(number, before).share_of(limit);
                let all: Vec<_> = (0..number).map(share).collect();
                assert_eq!(all.iter().sum::<usize>(), limit.max(number), "{all:?}");
                assert!(all[0] - all[number - 1] <= 1, "{all:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_larger_count_is_used_at_once_and_a_smaller_one_after_a_while() {
        let (mut counter, believed) = ReplicaCounter::new("one");
        assert_eq!(*believed.borrow(), Replicas::ALONE);
        counter.seen(replicas(3, 1));
        assert_eq!(*believed.borrow(), replicas(3, 1));
        // A server restarts, and the sessions come back.
        for number in 1..=3 {
            tokio::time::advance(Duration::from_secs(2)).await;
            counter.seen(replicas(number, 0));
            assert_eq!(*believed.borrow(), replicas(3, 0));
        }
        counter.seen(replicas(2, 0));
        tokio::time::advance(Duration::from_secs(4)).await;
        counter.seen(replicas(2, 0));
        assert_eq!(*believed.borrow(), replicas(3, 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        counter.seen(replicas(2, 1));
        assert_eq!(*believed.borrow(), replicas(2, 1));
    }
}
