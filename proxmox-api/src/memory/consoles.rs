//! The open consoles of this process. A container has one terminal: a new console in it takes the
//! seat of the one before, whose connection may be dead without having noticed. Consoles over SSH
//! have a shell and a seat of their own each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service::{
    concurrency::{ConcurrencyLimit, ConcurrencyPermit, Exceeded},
    semaphore::{ResizablePermit, ResizableSemaphore},
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::{ids::LeaseId, shares::Shares};

/// Consoles at a time in all replicas together: connections whose ticket was good.
const ROOM: usize = 256;
/// The same for one lease: a container has as many shells as it likes over SSH.
const PER_LEASE: usize = 8;
/// Connections at a time that have shown no ticket yet, in this process, whose memory it spares:
/// each may send a message of a megabyte.
const UNPROVEN: usize = 64;
/// The same from one network: a client shows its ticket at once, so several are rarely there.
const UNPROVEN_PER_NETWORK: usize = 8;
/// How long all consoles get to close when the service stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the console before may take to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The open consoles; clones share them.
#[derive(Clone)]
pub struct OpenConsoles {
    seats: Arc<Mutex<HashMap<SeatKey, Occupant>>>,
    /// The number of the last seat of its own.
    last: Arc<AtomicU64>,
    room: ResizableSemaphore,
    unproven: ConcurrencyLimit,
}

/// A lease, and 0 for its container's terminal, or the number of a console with a seat of its own.
type SeatKey = (LeaseId, u64);

struct Occupant {
    number: u64,
    /// Taken when the occupant is asked to leave.
    push: Option<oneshot::Sender<SeatLoss>>,
    gone: oneshot::Receiver<()>,
}

/// Why a console has to give up its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatLoss {
    /// Another console of the same lease takes over.
    TakenOver,
    /// The service stops, or is started anew.
    ServiceStops,
}

/// A lease's console, from its opening until it is dropped.
pub struct Seat {
    key: SeatKey,
    number: u64,
    consoles: OpenConsoles,
    pushed: oneshot::Receiver<SeatLoss>,
    _gone: oneshot::Sender<()>,
}

impl OpenConsoles {
    /// Limits without an open console: the state at the start of the service.
    pub fn new(shares: &Shares) -> Self {
        Self {
            seats: Arc::default(),
            last: Arc::default(),
            room: ResizableSemaphore::new(shares.share_of(ROOM)),
            unproven: ConcurrencyLimit::new(UNPROVEN, UNPROVEN_PER_NETWORK),
        }
    }

    /// A permit for a connection from this address that has shown no ticket yet. One of our
    /// services that names no customer is limited in total only.
    ///
    /// # Errors
    /// Too many are there already.
    pub fn unproven(&self, client: Option<IpAddr>) -> Result<ConcurrencyPermit, Exceeded> {
        self.unproven.acquire(client)
    }

    /// Room for one more console of a lease, if there is any.
    pub fn room_for(&self, lease_id: &LeaseId) -> Option<ResizablePermit> {
        let own = |(lease, number): &&SeatKey| lease == lease_id && *number > 0;
        let others = self.seats().keys().filter(own).count();
        (others < PER_LEASE)
            .then(|| self.room.try_acquire())
            .flatten()
    }

    /// Takes a seat that no other console takes over.
    pub async fn take_own(&self, lease_id: &LeaseId) -> Seat {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.take_seat((lease_id.clone(), number)).await
    }

    /// Takes the seat at the terminal of a lease's container, after the console before has left.
    pub async fn take(&self, lease_id: &LeaseId) -> Seat {
        self.take_seat((lease_id.clone(), 0)).await
    }

    async fn take_seat(&self, key: SeatKey) -> Seat {
        let (push, pushed) = oneshot::channel();
        let (gone, is_gone) = oneshot::channel();
        let (number, before) = {
            let mut seats = self.seats();
            let number = seats.get(&key).map_or(0, |before| before.number + 1);
            let occupant = Occupant {
                number,
                push: Some(push),
                gone: is_gone,
            };
            (number, seats.insert(key.clone(), occupant))
        };
        let seat = Seat {
            key,
            number,
            consoles: self.clone(),
            pushed,
            _gone: gone,
        };
        if let Some(before) = before {
            // It may be leaving by itself.
            if let Some(push) = before.push {
                let _ = push.send(SeatLoss::TakenOver);
            }
            let _ = timeout(LEAVE_TIMEOUT, before.gone).await;
        }
        seat
    }

    /// Asks the console in the terminal of a lease's container to leave, because another one was opened at another replica.
    pub fn give_up(&self, lease_id: &LeaseId) {
        // The seat stays theirs until they have left.
        let push = self
            .seats()
            .get_mut(&(lease_id.clone(), 0))
            .and_then(|found| found.push.take());
        if let Some(push) = push {
            let _ = push.send(SeatLoss::TakenOver);
        }
    }

    /// Ends all of them because the service stops, and waits a moment until they have said so.
    /// Their tickets are good for coming back.
    pub async fn close_all(&self) {
        let all: Vec<_> = self.seats().drain().collect();
        for (_, occupant) in all {
            if let Some(push) = occupant.push {
                let _ = push.send(SeatLoss::ServiceStops);
            }
        }
        if timeout(CLOSE_TIMEOUT, self.room.all_returned())
            .await
            .is_err()
        {
            tracing::warn!("the service stops with open consoles");
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<SeatKey, Occupant>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Completes when the seat has to be left.
    pub async fn pushed(&mut self) -> SeatLoss {
        match (&mut self.pushed).await {
            Ok(end) => end,
            // The sender goes without a word only with the registry.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.consoles.seats();
        if seats
            .get(&self.key)
            .is_some_and(|now| now.number == self.number)
        {
            seats.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_takes_over_once_the_one_before_has_left() {
        let consoles = OpenConsoles::new(&Shares::default());
        let mut first = consoles.take(&"lease-1".into()).await;
        let other = consoles.take(&"lease-2".into()).await;
        let newer = tokio::spawn({
            let consoles = consoles.clone();
            async move { consoles.take(&"lease-1".into()).await }
        });
        assert_eq!(first.pushed().await, SeatLoss::TakenOver);
        assert!(!newer.is_finished());
        drop(first);
        let newer = newer.await.unwrap();
        assert_eq!(consoles.seats().len(), 2);
        drop((newer, other));
        assert!(consoles.seats().is_empty());
    }

    #[tokio::test]
    async fn whoever_is_asked_to_give_up_leaves_and_the_next_has_a_seat_of_its_own() {
        let consoles = OpenConsoles::new(&Shares::default());
        let mut first = consoles.take(&"lease-1".into()).await;
        consoles.give_up(&"lease-2".into());
        consoles.give_up(&"lease-1".into());
        assert_eq!(first.pushed().await, SeatLoss::TakenOver);
        let next = consoles.take(&"lease-1".into()).await;
        drop(first);
        assert_eq!(consoles.seats().len(), 1, "not the seat of the next one");
        drop(next);
    }

    #[tokio::test]
    async fn consoles_with_seats_of_their_own_leave_each_other_alone() {
        let consoles = OpenConsoles::new(&Shares::default());
        let lease = "lease-1".into();
        let mut terminal = consoles.take(&lease).await;
        let (mut one, mut other) = (
            consoles.take_own(&lease).await,
            consoles.take_own(&lease).await,
        );
        consoles.give_up(&lease);
        assert_eq!(terminal.pushed().await, SeatLoss::TakenOver);
        let waiting = async { tokio::join!(one.pushed(), other.pushed()) };
        let closing = async { tokio::join!(waiting, consoles.close_all()).0 };
        assert_eq!(
            closing.await,
            (SeatLoss::ServiceStops, SeatLoss::ServiceStops)
        );
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_and_no_more() {
        let consoles = OpenConsoles::new(&Shares::default());
        let all: Vec<_> = (0..ROOM)
            .map(|_| consoles.room_for(&"lease-1".into()).unwrap())
            .collect();
        assert!(consoles.room_for(&"lease-1".into()).is_none());
        drop(all);
        assert!(consoles.room_for(&"lease-1".into()).is_some());
    }

    #[tokio::test]
    async fn a_lease_has_room_for_so_many_shells_and_others_have_theirs() {
        let consoles = OpenConsoles::new(&Shares::default());
        let (lease, other) = ("lease-1".into(), "lease-2".into());
        let mut seats = vec![consoles.take(&lease).await];
        for _ in 0..PER_LEASE {
            assert!(consoles.room_for(&lease).is_some());
            seats.push(consoles.take_own(&lease).await);
        }
        assert!(consoles.room_for(&lease).is_none());
        assert!(consoles.room_for(&other).is_some());
        seats.pop();
        assert!(consoles.room_for(&lease).is_some());
    }
}
