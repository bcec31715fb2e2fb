//! Locks by name: one task at a time works on a payment or a lease, in this process and, where
//! replicas share a database, in all of them. The store's constraints keep the data right without
//! these locks; the locks save work and put copies of a request in order.

use named_locks::{NamedLockGuard, NamedLocks};

use crate::store::{AdvisoryLockGuard, AdvisoryLocks, StoreError};

/// A set of locks, each made when it is first asked for.
#[derive(Default, Clone)]
pub struct Locks {
    own: NamedLocks<String>,
    /// The advisory locks of all replicas, and the name of this set among them.
    shared: Option<(AdvisoryLocks, &'static str)>,
}

/// Holds the lock of one name until it is dropped.
pub struct LockGuard {
    // Fields are dropped in this order: the next task of this process finds the advisory lock free.
    _shared: Option<AdvisoryLockGuard>,
    _own: NamedLockGuard,
}

impl Locks {
    /// A set that replicas share by its name; without advisory locks it is this process's alone.
    pub fn shared(advisory: Option<&AdvisoryLocks>, set: &'static str) -> Self {
        Self {
            own: NamedLocks::default(),
            shared: advisory.map(|advisory| (advisory.clone(), set)),
        }
    }

    /// Waits for the lock of a name. Tasks of one process get it in the order in which they asked.
    ///
    /// # Errors
    /// The database that replicas share cannot be reached.
    pub async fn take(&self, name: &str) -> Result<LockGuard, StoreError> {
        self.take_all([name]).await.map(|[guard]| guard)
    }

    /// Waits for the locks of several names. All callers have to name them in the same order, or
    /// two of them may deadlock.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn take_all<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[LockGuard; N], StoreError> {
        let mut own = Vec::with_capacity(N);
        for name in names {
            own.push(self.own.named(name.to_owned()).lock().await);
        }
        let shared = match &self.shared {
            Some((advisory, set)) => Some(advisory.take(set, &names).await?),
            None => None,
        };
        guards(own, shared).ok_or(StoreError::Stopped)
    }

    /// Whether a task of this process holds or waits for the lock; sends no request.
    pub fn is_held_here(&self, name: &str) -> bool {
        self.own.is_held(name)
    }

    /// Whether a task of this process waits for the lock while another one holds it.
    pub fn is_waited_for(&self, name: &str) -> bool {
        self.own.is_waited_for(name)
    }

    /// The lock guard of a name; `None` if the lock is held.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn try_take(&self, name: &str) -> Result<Option<LockGuard>, StoreError> {
        let guards = self.try_take_all([name]).await?;
        Ok(guards.map(|[guard]| guard))
    }

    /// The lock guards of several names; `None` if any of the locks is held.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn try_take_all<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<Option<[LockGuard; N]>, StoreError> {
        let mut own = Vec::with_capacity(N);
        for name in names {
            let Some(guard) = self.own.named(name.to_owned()).try_lock() else {
                return Ok(None);
            };
            own.push(guard);
        }
        let shared = match &self.shared {
            None => None,
            Some((advisory, set)) => match advisory.try_take(set, &names).await? {
                None => return Ok(None),
                shared => shared,
            },
        };
        Ok(guards(own, shared))
    }
}

/// This process's lock guards, together with the advisory locks that replicas share, where there
/// are replicas.
fn guards<const N: usize>(
    own: Vec<NamedLockGuard>,
    shared: Option<Vec<AdvisoryLockGuard>>,
) -> Option<[LockGuard; N]> {
    let mut shared = shared.into_iter().flatten();
    let guard = |own| LockGuard {
        _shared: shared.next(),
        _own: own,
    };
    let guards: Vec<_> = own.into_iter().map(guard).collect();
    guards.try_into().ok()
}

/// Work that one replica does for all, under a named lock. The same replica does it for as long as
/// it can, because the work remembers things from one run to the next; another one takes over when
/// it has died.
pub struct Duty {
    name: &'static str,
    guard: Option<LockGuard>,
}

impl Duty {
    /// The duty of this name; this replica does not hold its lock yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, guard: None }
    }

    /// Whether this replica has the duty until its next call of this.
    ///
    /// # Errors
    /// As [`Locks::take`]; this replica then gives the duty up.
    pub async fn is_ours(&mut self, locks: &Locks) -> Result<bool, StoreError> {
        // Taken again each time: while the session for locks was lost, another replica may have
        // taken it.
        self.guard = None;
        self.guard = locks.try_take(self.name).await?;
        Ok(self.guard.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_by_one_task_and_other_locks_are_free() {
        let locks = Locks::default();
        let guard = locks.take("a").await.unwrap();
        assert!(locks.try_take("a").await.unwrap().is_none());
        assert!(!locks.is_waited_for("a"));
        {
            let second = std::pin::pin!(locks.take("a"));
            let mut context = Context::from_waker(Waker::noop());
            assert!(second.poll(&mut context).is_pending());
            assert!(locks.is_waited_for("a"));
        }
        assert!(!locks.is_waited_for("a"));
        assert!(locks.try_take("b").await.unwrap().is_some());
        drop(guard);
        assert!(locks.try_take("a").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_duty_stays_with_its_holder_and_passes_on_when_the_holder_ends() {
        let locks = Locks::default();
        let [mut one, mut two] = ["comparison"; 2].map(Duty::new);
        for _ in 0..3 {
            assert!(one.is_ours(&locks).await.unwrap());
            assert!(!two.is_ours(&locks).await.unwrap());
        }
        drop(one);
        assert!(two.is_ours(&locks).await.unwrap());
    }
}
