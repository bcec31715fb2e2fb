//! Locks by name: one piece of work at a time on a payment or a lease, within this process and, where replicas share a
//! database, among all of them. What has to hold in any case is decided by the store's constraints; these locks only spare work
//! and give copies an order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::store::{SharedTurn, SharedTurns, StoreError};

type Slots = Mutex<HashMap<String, Arc<AsyncMutex<()>>>>;

/// A set of locks that come into being when they are asked for.
#[derive(Default, Clone)]
pub struct Locks {
    slots: Arc<Slots>,
    /// The turns of all replicas, and the name of this set among them.
    shared: Option<(SharedTurns, &'static str)>,
}

/// The right to one name, until it is dropped.
pub struct Turn {
    // Given back in this order, so that the next one in this process finds the other free.
    _shared: Option<SharedTurn>,
    _own: OwnedMutexGuard<()>,
}

impl Locks {
    /// A set that all replicas share by its name, where there are turns to share.
    pub fn among(turns: Option<&SharedTurns>, set: &'static str) -> Self {
        Self {
            slots: Arc::default(),
            shared: turns.map(|turns| (turns.clone(), set)),
        }
    }

    fn slot(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Many names come and go: a slot that only the map knows is nobody's.
        if slots.len() >= 64 && slots.len().is_power_of_two() {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }

    /// Waits for the name's turn; those of one process who wait get it in the order of asking.
    ///
    /// # Errors
    /// The database that replicas share cannot be reached.
    pub async fn take(&self, name: &str) -> Result<Turn, StoreError> {
        self.take_all([name]).await.map(|[turn]| turn)
    }

    /// Waits for the locks of several names. All callers have to name them in the same order, or two of them may deadlock.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn take_all<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Turn; N], StoreError> {
        let mut own = Vec::with_capacity(N);
        for name in names {
            own.push(self.slot(name).lock_owned().await);
        }
        let shared = match &self.shared {
            Some((turns, set)) => Some(turns.take(set, &names).await?),
            None => None,
        };
        together(own, shared).ok_or(StoreError::Stopped)
    }

    /// Whether this process holds or takes the name just now; costs no request.
    pub fn is_held_here(&self, name: &str) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(name).is_some_and(|slot| slot.try_lock().is_err())
    }

    /// The name's turn, if nobody has it.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn try_take(&self, name: &str) -> Result<Option<Turn>, StoreError> {
        let turns = self.try_take_all([name]).await?;
        Ok(turns.map(|[turn]| turn))
    }

    /// The lock guards of several names; `None` if any of the locks is held.
    ///
    /// # Errors
    /// As [`Locks::take`].
    pub async fn try_take_all<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<Option<[Turn; N]>, StoreError> {
        let mut own = Vec::with_capacity(N);
        for name in names {
            let Ok(turn) = self.slot(name).try_lock_owned() else {
                return Ok(None);
            };
            own.push(turn);
        }
        let shared = match &self.shared {
            None => None,
            Some((turns, set)) => match turns.try_take(set, &names).await? {
                None => return Ok(None),
                shared => shared,
            },
        };
        Ok(together(own, shared))
    }
}

/// This process's lock guards, together with the advisory locks that replicas share, where there are replicas.
fn together<const N: usize>(
    own: Vec<OwnedMutexGuard<()>>,
    shared: Option<Vec<SharedTurn>>,
) -> Option<[Turn; N]> {
    let mut shared = shared.into_iter().flatten();
    let turn = |own| Turn {
        _shared: shared.next(),
        _own: own,
    };
    let turns: Vec<_> = own.into_iter().map(turn).collect();
    turns.try_into().ok()
}

/// Work that one replica does for all of them: the same one for as long as it can, because it
/// remembers things from one run to the next, and another replica when it has died. The duty is a
/// named lock.
pub struct Duty {
    name: &'static str,
    held: Option<Turn>,
}

impl Duty {
    /// The duty of this name; this replica does not hold its lock yet.
    pub fn of(name: &'static str) -> Self {
        Self { name, held: None }
    }

    /// Whether this replica has the duty until its next call of this.
    ///
    /// # Errors
    /// As [`Locks::take`]; this replica then gives the duty up.
    pub async fn is_ours(&mut self, locks: &Locks) -> Result<bool, StoreError> {
        // Taken anew each time: while the session for locks was lost, another replica may have got
        // it.
        self.held = None;
        self.held = locks.try_take(self.name).await?;
        Ok(self.held.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_held_by_one_and_other_names_are_free() {
        let locks = Locks::default();
        let turn = locks.take("a").await.unwrap();
        assert!(locks.try_take("a").await.unwrap().is_none());
        assert!(locks.try_take("b").await.unwrap().is_some());
        drop(turn);
        assert!(locks.try_take("a").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_duty_stays_with_who_has_it_and_goes_on_when_that_ends() {
        let locks = Locks::default();
        let [mut one, mut two] = ["comparison"; 2].map(Duty::of);
        for _ in 0..3 {
            assert!(one.is_ours(&locks).await.unwrap());
            assert!(!two.is_ours(&locks).await.unwrap());
        }
        drop(one);
        assert!(two.is_ours(&locks).await.unwrap());
    }

    #[tokio::test]
    async fn names_that_nobody_holds_do_not_pile_up() {
        let locks = Locks::default();
        let held = locks.take("held").await.unwrap();
        for number in 0..1_000 {
            drop(locks.take(&number.to_string()).await.unwrap());
        }
        let kept = locks.slots.lock().unwrap().len();
        assert!(kept <= 128, "{kept}");
        assert!(locks.try_take("held").await.unwrap().is_none());
        drop(held);
    }
}
