//! [`NamedLocks`], locks by name within one process. Locks that replicas share, and what a lock's
//! holder does with it, are built on top of them.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Below this number of locks none is removed.
const FEW_LOCKS: usize = 64;

/// A set of locks, each made when it is first asked for and removed when nothing refers to it.
/// Clones share the locks. `V` is a value beside each lock, which is read without taking it.
#[derive(Debug)]
pub struct NamedLocks<K, V = ()> {
    locks: Arc<Mutex<HashMap<K, NamedLock<V>>>>,
}

/// One lock of a set. Clones are the same lock.
#[derive(Debug)]
pub struct NamedLock<V = ()>(Arc<LockWithValue<V>>);

#[derive(Debug, Default)]
struct LockWithValue<V> {
    lock: Arc<AsyncMutex<()>>,
    value: V,
}

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct NamedLockGuard<V = ()> {
    // Keeps the lock in the set.
    named: NamedLock<V>,
    _guard: OwnedMutexGuard<()>,
}

impl<K: Eq + Hash, V: Default> NamedLocks<K, V> {
    /// The lock of this name.
    pub fn named(&self, name: K) -> NamedLock<V> {
        let mut locks = self.all();
        // Not at each call, because it looks at all of them.
        if locks.len() >= FEW_LOCKS && locks.len().is_power_of_two() {
            locks.retain(|_, lock| Arc::strong_count(&lock.0) > 1);
        }
        locks.entry(name).or_default().clone()
    }

    /// Whether a task holds the lock or waits for it.
    pub fn is_held<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let locks = self.all();
        locks
            .get(name)
            .is_some_and(|lock| lock.0.lock.try_lock().is_err())
    }

    /// Whether a task waits for the lock while another one holds it.
    pub fn is_waited_for<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        // The set, the holder and each waiter refer to the lock.
        let locks = self.all();
        locks
            .get(name)
            .is_some_and(|lock| Arc::strong_count(&lock.0) > 2)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<K, NamedLock<V>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> NamedLock<V> {
    /// Waits for the lock. Tasks get it in the order in which they asked.
    pub async fn lock(&self) -> NamedLockGuard<V> {
        let guard = Arc::clone(&self.0.lock).lock_owned().await;
        self.guarded(guard)
    }

    /// The lock guard; `None` if the lock is held.
    pub fn try_lock(&self) -> Option<NamedLockGuard<V>> {
        let guard = Arc::clone(&self.0.lock).try_lock_owned().ok()?;
        Some(self.guarded(guard))
    }

    fn guarded(&self, guard: OwnedMutexGuard<()>) -> NamedLockGuard<V> {
        NamedLockGuard {
            named: self.clone(),
            _guard: guard,
        }
    }

    /// The value beside the lock.
    pub fn value(&self) -> &V {
        &self.0.value
    }
}

impl<V> NamedLockGuard<V> {
    /// The value beside the lock.
    pub fn value(&self) -> &V {
        self.named.value()
    }
}

impl<K, V> Default for NamedLocks<K, V> {
    fn default() -> Self {
        Self {
            locks: Arc::default(),
        }
    }
}

impl<K, V> Clone for NamedLocks<K, V> {
    fn clone(&self) -> Self {
        Self {
            locks: Arc::clone(&self.locks),
        }
    }
}

impl<V: Default> Default for NamedLock<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V> Clone for NamedLock<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_other_locks_are_free() {
        let locks = NamedLocks::<&str>::default();
        let guard = locks.named("a").try_lock().unwrap();
        assert!(locks.clone().named("a").try_lock().is_none());
        assert!(locks.is_held("a") && !locks.is_held("b"));
        assert!(locks.named("b").try_lock().is_some());
        drop(guard);
        assert!(!locks.is_held("a"));
        assert!(locks.named("a").try_lock().is_some());
    }

    #[tokio::test]
    async fn waiting_tasks_get_the_lock_in_their_order() {
        let locks = NamedLocks::<u8>::default();
        let guard = locks.named(1).lock().await;
        let (mut one, mut two) = (
            Box::pin(async { locks.named(1).lock().await }),
            Box::pin(async { locks.named(1).lock().await }),
        );
        tokio::select! {
            biased;
            _ = &mut one => panic!("the lock is held"),
            _ = &mut two => panic!("the lock is held"),
            () = std::future::ready(()) => drop(guard),
        }
        let first = one.await;
        tokio::select! {
            biased;
            _ = &mut two => panic!("the first one holds the lock"),
            () = std::future::ready(()) => drop(first),
        }
        two.await;
    }

    #[test]
    fn locks_that_nothing_refers_to_are_removed() {
        let locks = NamedLocks::<u32>::default();
        let (held, waited_for) = (locks.named(0).try_lock(), locks.named(1));
        for number in 2..1_000 {
            drop(locks.named(number).try_lock());
        }
        assert!(locks.all().len() <= 2 * FEW_LOCKS);
        assert!(locks.is_held(&0));
        drop(held);
        let _guard = locks.named(1).try_lock();
        assert!(waited_for.try_lock().is_none(), "it is still the same lock");
    }

    #[test]
    fn the_value_beside_a_lock_is_read_while_it_is_held() {
        let locks = NamedLocks::<u8, std::sync::atomic::AtomicU8>::default();
        let guard = locks.named(1).try_lock().unwrap();
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        guard.value().store(7, relaxed);
        assert_eq!(locks.named(1).value().load(relaxed), 7);
    }
}
