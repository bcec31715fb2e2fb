//! Locks by name: one piece of work at a time on a payment or a lease, within this process. What has to hold between
//! processes is decided by the store's constraints; these locks only spare work and give copies an order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Slots = Mutex<HashMap<String, Arc<AsyncMutex<()>>>>;

/// A set of locks that come into being when they are asked for.
#[derive(Debug, Default, Clone)]
pub struct Locks(Arc<Slots>);

/// The right to one name, until it is dropped.
pub type Turn = OwnedMutexGuard<()>;

impl Locks {
    fn slot(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Many names come and go: a slot that only the map knows is nobody's.
        if slots.len() >= 64 && slots.len().is_power_of_two() {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }

    /// Waits for the name's turn; those who wait get it in the order of asking.
    pub async fn take(&self, name: &str) -> Turn {
        self.slot(name).lock_owned().await
    }

    /// The name's turn, if nobody has it.
    pub fn try_take(&self, name: &str) -> Option<Turn> {
        self.slot(name).try_lock_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_held_by_one_and_other_names_are_free() {
        let locks = Locks::default();
        let turn = locks.take("a").await;
        assert!(locks.try_take("a").is_none());
        assert!(locks.try_take("b").is_some());
        drop(turn);
        assert!(locks.try_take("a").is_some());
    }

    #[tokio::test]
    async fn names_that_nobody_holds_do_not_pile_up() {
        let locks = Locks::default();
        let held = locks.take("held").await;
        for number in 0..1_000 {
            drop(locks.take(&number.to_string()).await);
        }
        let kept = locks.0.lock().unwrap().len();
        assert!(kept <= 128, "{kept}");
        assert!(locks.try_take("held").is_none());
        drop(held);
    }
}
