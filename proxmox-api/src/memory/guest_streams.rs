//! The connections of visitors and SSH clients into containers: how many at a time, and a signal
//! for those of a lease to look whether they may go on.
//!
//! A container has 32 connections that carry one channel each (`guest`). Visitors and SSH clients
//! get a part of them each, so that neither keeps the other, or a console, out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::ids::LeaseId;

/// How long a connection waits for a free one.
const WAIT: Duration = Duration::from_secs(10);

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// A request to a published port.
    Web,
    /// A customer's SSH.
    Ssh,
}

impl StreamKind {
    const ALL: [Self; 2] = [Self::Web, Self::Ssh];

    /// Connections at a time for one lease.
    const fn open(self) -> usize {
        match self {
            Self::Web => 20,
            Self::Ssh => 8,
        }
    }

    /// The same with those that wait.
    const fn in_all(self) -> usize {
        match self {
            Self::Web => 256,
            Self::Ssh => 16,
        }
    }
}

/// Who is connected to what.
#[derive(Default)]
pub struct GuestStreams {
    rooms: Arc<Mutex<Rooms>>,
}

type Rooms = HashMap<(LeaseId, StreamKind), Room>;

struct Room {
    free: Arc<Semaphore>,
    inside: usize,
    changes: watch::Sender<()>,
}

/// A place among those of a lease, until this is dropped.
struct Place {
    key: (LeaseId, StreamKind),
    rooms: Arc<Mutex<Rooms>>,
}

/// The right to one connection, until this is dropped.
pub struct StreamPermit {
    _free: OwnedSemaphorePermit,
    _place: Place,
    changes: watch::Receiver<()>,
}

impl StreamPermit {
    /// Tells of every change that the connection depends on, from when the permit was asked for.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }
}

impl GuestStreams {
    /// Takes the right to a connection, after a while at most; `None` where too many have it.
    pub async fn enter(&self, id: &LeaseId, kind: StreamKind) -> Option<StreamPermit> {
        let (place, free, changes) = self.take_place(id, kind)?;
        let free = timeout(WAIT, free.acquire_owned()).await.ok()?.ok()?;
        Some(StreamPermit {
            _free: free,
            _place: place,
            changes,
        })
    }

    fn take_place(
        &self,
        id: &LeaseId,
        kind: StreamKind,
    ) -> Option<(Place, Arc<Semaphore>, watch::Receiver<()>)> {
        let key = (id.clone(), kind);
        let mut rooms = lock(&self.rooms);
        let room = rooms.entry(key.clone()).or_insert_with(|| Room {
            free: Arc::new(Semaphore::new(kind.open())),
            inside: 0,
            changes: watch::Sender::default(),
        });
        if room.inside >= kind.in_all() {
            return None;
        }
        room.inside += 1;
        let rooms = self.rooms.clone();
        let (free, changes) = (room.free.clone(), room.changes.subscribe());
        Some((Place { key, rooms }, free, changes))
    }

    /// Something of a lease changed that its open connections depend on: a port, a key, its state.
    /// Those of other leases are left alone, since each of them would ask the store.
    pub fn changed(&self, id: &LeaseId) {
        let rooms = lock(&self.rooms);
        for kind in StreamKind::ALL {
            if let Some(room) = rooms.get(&(id.clone(), kind)) {
                room.changes.send_replace(());
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms);
        if let Some(room) = rooms.get_mut(&self.key) {
            room.inside -= 1;
            if room.inside == 0 {
                rooms.remove(&self.key);
            }
        }
    }
}

fn lock(rooms: &Mutex<Rooms>) -> MutexGuard<'_, Rooms> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn visitors_fill_their_own_part_and_one_that_leaves_lets_the_next_in() {
        let streams = GuestStreams::default();
        let (id, other) = (LeaseId::from("lease-1"), LeaseId::from("lease-2"));
        let mut open = Vec::new();
        for _ in 0..StreamKind::Web.open() {
            open.push(streams.enter(&id, StreamKind::Web).await.unwrap());
        }
        assert!(streams.enter(&id, StreamKind::Web).await.is_none(), "full");
        assert!(streams.enter(&id, StreamKind::Ssh).await.is_some());
        assert!(streams.enter(&other, StreamKind::Web).await.is_some());
        let waiting = streams.enter(&id, StreamKind::Web);
        let leaving = async {
            open.pop();
        };
        assert!(tokio::join!(waiting, leaving).0.is_some());
        drop(open);
        assert!(lock(&streams.rooms).is_empty(), "nothing is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_wakes_the_connections_of_its_lease_and_no_others() {
        let streams = GuestStreams::default();
        let (id, other) = (LeaseId::from("lease-1"), LeaseId::from("lease-2"));
        let mut open = Vec::new();
        for (id, kind) in [
            (&id, StreamKind::Web),
            (&id, StreamKind::Ssh),
            (&other, StreamKind::Web),
        ] {
            let permit = streams.enter(id, kind).await.unwrap();
            open.push((permit.changes(), permit));
        }
        streams.changed(&id);
        let mut found = Vec::new();
        for (changes, _) in &open {
            found.push(changes.has_changed().unwrap());
        }
        assert_eq!(found, [true, true, false]);
    }

    #[tokio::test]
    async fn only_so_many_may_wait() {
        let streams = GuestStreams::default();
        let id = LeaseId::from("lease-1");
        let places: Vec<_> = (0..StreamKind::Ssh.in_all())
            .map(|_| streams.take_place(&id, StreamKind::Ssh).unwrap())
            .collect();
        assert!(streams.take_place(&id, StreamKind::Ssh).is_none());
        drop(places);
        assert!(streams.take_place(&id, StreamKind::Ssh).is_some());
    }
}
