//! The connections of visitors and SSH clients into containers: how many at a time, and a signal
//! for those of a lease to look whether they may go on.
//!
//! A container has 32 connections that carry one channel each (`guest`). Visitors and SSH clients
//! get a part of them each, so that neither keeps the other, or a console, out; and no network of
//! visitors gets all of theirs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service::caller::network_of;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::ids::LeaseId;

/// How long a connection waits for a free one.
const WAIT: Duration = Duration::from_secs(10);

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// A request to a published port, from a visitor at this address.
    Web(IpAddr),
    /// A customer's SSH.
    Ssh,
}

impl StreamKind {
    fn room(self) -> RoomKind {
        match self {
            Self::Web(_) => RoomKind::Web,
            Self::Ssh => RoomKind::Ssh,
        }
    }

    fn network(self) -> Option<IpAddr> {
        match self {
            Self::Web(visitor) => Some(network_of(visitor)),
            Self::Ssh => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum RoomKind {
    Web,
    Ssh,
}

impl RoomKind {
    const ALL: [Self; 2] = [Self::Web, Self::Ssh];

    /// Connections at a time for one lease.
    const fn open(self) -> usize {
        match self {
            Self::Web => 20,
            Self::Ssh => 8,
        }
    }

    /// Those of one network of visitors.
    const OPEN_PER_NETWORK: usize = 16;
    /// The same with those that wait.
    const IN_ALL_PER_NETWORK: usize = 192;

    /// The same of a lease with those that wait.
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

type Rooms = HashMap<(LeaseId, RoomKind), Room>;

struct Room {
    all: Share,
    networks: HashMap<IpAddr, Share>,
    changes: watch::Sender<()>,
}

/// What some of those who connect have in common.
struct Share {
    free: Arc<Semaphore>,
    inside: usize,
}

impl Share {
    fn new(open: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(open)),
            inside: 0,
        }
    }
}

/// A place among those of a lease, until this is dropped.
struct Place {
    key: (LeaseId, RoomKind),
    network: Option<IpAddr>,
    rooms: Arc<Mutex<Rooms>>,
}

/// A place, and what has to be free for a connection, in the order in which it is waited for.
struct Waiting {
    place: Place,
    free: Vec<Arc<Semaphore>>,
    changes: watch::Receiver<()>,
}

/// The right to one connection, until this is dropped.
pub struct StreamPermit {
    _free: Vec<OwnedSemaphorePermit>,
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
        let waiting = self.take_place(id, kind)?;
        let free = async {
            let mut permits = Vec::new();
            for free in waiting.free {
                permits.push(free.acquire_owned().await.ok()?);
            }
            Some(permits)
        };
        let free = timeout(WAIT, free).await.ok()??;
        Some(StreamPermit {
            _free: free,
            _place: waiting.place,
            changes: waiting.changes,
        })
    }

    fn take_place(&self, id: &LeaseId, kind: StreamKind) -> Option<Waiting> {
        let (network, kind) = (kind.network(), kind.room());
        let key = (id.clone(), kind);
        let mut rooms = lock(&self.rooms);
        let room = rooms.entry(key.clone()).or_insert_with(|| Room {
            all: Share::new(kind.open()),
            networks: HashMap::new(),
            changes: watch::Sender::default(),
        });
        let of_network = network.and_then(|network| room.networks.get(&network));
        let full = of_network.is_some_and(|of| of.inside >= RoomKind::IN_ALL_PER_NETWORK);
        if full || room.all.inside >= kind.in_all() {
            return None;
        }
        room.all.inside += 1;
        let mut free = Vec::new();
        if let Some(network) = network {
            let share = room.networks.entry(network);
            let share = share.or_insert_with(|| Share::new(RoomKind::OPEN_PER_NETWORK));
            share.inside += 1;
            // First, so that who waits for the own network's keeps nothing from others.
            free.push(share.free.clone());
        }
        free.push(room.all.free.clone());
        Some(Waiting {
            free,
            changes: room.changes.subscribe(),
            place: Place {
                key,
                network,
                rooms: self.rooms.clone(),
            },
        })
    }

    /// Something of a lease changed that its open connections depend on: a port, a key, its state.
    /// Those of other leases are left alone, since each of them would ask the store.
    pub fn changed(&self, id: &LeaseId) {
        let rooms = lock(&self.rooms);
        for kind in RoomKind::ALL {
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
            room.all.inside -= 1;
            if let Some(network) = self.network
                && let Some(share) = room.networks.get_mut(&network)
            {
                share.inside -= 1;
                if share.inside == 0 {
                    room.networks.remove(&network);
                }
            }
            if room.all.inside == 0 {
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

    /// A visitor of network `number`.
    fn web(number: u8) -> StreamKind {
        StreamKind::Web([192, 0, 2, number].into())
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_of_visitors_leaves_connections_for_others() {
        let streams = GuestStreams::default();
        let id = LeaseId::from("lease-1");
        let mut open = Vec::new();
        while let Some(permit) = streams.enter(&id, web(1)).await {
            open.push(permit);
        }
        assert_eq!(open.len(), RoomKind::OPEN_PER_NETWORK);
        for _ in RoomKind::OPEN_PER_NETWORK..RoomKind::Web.open() {
            open.push(streams.enter(&id, web(2)).await.unwrap());
        }
        assert!(streams.enter(&id, web(2)).await.is_none(), "full");
        drop(open);
        assert!(lock(&streams.rooms).is_empty(), "nothing is kept");
        // Nor does it keep others from waiting.
        let waiting = || streams.take_place(&id, web(1));
        let places: Vec<_> = std::iter::from_fn(waiting).collect();
        assert_eq!(places.len(), RoomKind::IN_ALL_PER_NETWORK);
        assert!(streams.take_place(&id, web(2)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn visitors_fill_their_own_part_and_one_that_leaves_lets_the_next_in() {
        let streams = GuestStreams::default();
        let (id, other) = (LeaseId::from("lease-1"), LeaseId::from("lease-2"));
        let mut open = Vec::new();
        for number in 0..RoomKind::Web.open() {
            let visitor = web(u8::try_from(number).unwrap());
            open.push(streams.enter(&id, visitor).await.unwrap());
        }
        assert!(streams.enter(&id, web(1)).await.is_none(), "full");
        assert!(streams.enter(&id, StreamKind::Ssh).await.is_some());
        assert!(streams.enter(&other, web(1)).await.is_some());
        let waiting = streams.enter(&id, web(1));
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
        for (id, kind) in [(&id, web(1)), (&id, StreamKind::Ssh), (&other, web(1))] {
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
        let places: Vec<_> = (0..RoomKind::Ssh.in_all())
            .map(|_| streams.take_place(&id, StreamKind::Ssh).unwrap())
            .collect();
        assert!(streams.take_place(&id, StreamKind::Ssh).is_none());
        drop(places);
        assert!(streams.take_place(&id, StreamKind::Ssh).is_some());
    }
}
