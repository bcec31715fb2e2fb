//! What was found out about SSH into each container, so that a command does not try what failed a
//! moment ago. `lease::guest` fills this in.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ids::LeaseId;

/// How long an obstacle is believed, in milliseconds.
const BELIEVED: u64 = 600_000;
/// How long it is believed at first that no server of the container's answers: one that is still
/// starting does not. Twice as long after each further failure.
const UNANSWERED_BELIEVED: u64 = 15_000;
/// The pause before a try that the owner asks for, after one that failed; twice as long after each
/// further failure, up to the longest.
const ASKED_PAUSE: u64 = 1_000;
const LONGEST_ASKED_PAUSE: u64 = 10_000;

/// Why the terminal is used in place of SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshObstacle {
    /// The operator has switched it off.
    Disabled,
    /// The service's key is not in the container.
    NoKey,
    /// The container's host key is not known.
    NoHostKey,
    /// The container's network cannot be used yet.
    NoNetwork,
    /// The container's address is not known.
    NoAddress,
    /// The container says that it has an address that no container can have.
    AddressRefused,
    /// No server with the container's host key answers, for a reason that the owner is not told.
    NoAnswer,
    /// The container does not run.
    NotRunning,
    /// Nothing listens on the container's port 22.
    Refused,
    /// No connection, or no answer, within the time for it.
    Unreachable,
    /// Something else than an SSH server listens on port 22.
    NotSsh,
    /// The server shows another host key than the container's.
    HostKeyChanged,
    /// The server does not take the service's key.
    LoginRefused,
}

impl SshObstacle {
    /// The obstacle in a sentence, for the container's owner.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Disabled => "The operator of this service does not use SSH into containers.",
            Self::NoKey => "The service's SSH key is not in the container.",
            Self::NoHostKey => "The container has shown no SSH host key.",
            Self::NoNetwork => "The container's network cannot be used yet.",
            Self::NotRunning => "The container does not run.",
            Self::NoAddress => "The container's address is not known yet.",
            Self::AddressRefused => "The container's address is none that a container can have.",
            Self::NoAnswer => {
                "No SSH server with the container's host key answers at the container's address."
            }
            Self::Refused => "No SSH server answers in the container.",
            Self::Unreachable => "The container's SSH port cannot be reached.",
            Self::NotSsh => "Something else than an SSH server listens on the container's port 22.",
            Self::HostKeyChanged => "The container's SSH host key is another one than it was.",
            Self::LoginRefused => "The container's SSH server does not accept the service's key.",
        }
    }

    /// Whether setting SSH up in the container removes it.
    pub fn can_be_removed(self) -> bool {
        match self {
            Self::Disabled
            | Self::NoNetwork
            | Self::NotRunning
            | Self::NoAddress
            | Self::AddressRefused
            | Self::Unreachable => false,
            Self::NoKey
            | Self::NoHostKey
            | Self::NoAnswer
            | Self::Refused
            | Self::NotSsh
            | Self::HostKeyChanged
            | Self::LoginRefused => true,
        }
    }

    /// Whether it may pass by itself, as while the container still starts.
    pub fn may_pass(self) -> bool {
        match self {
            Self::NoHostKey
            | Self::NoNetwork
            | Self::NoAddress
            | Self::NoAnswer
            | Self::Refused
            | Self::Unreachable => true,
            Self::Disabled
            | Self::NotRunning
            | Self::NoKey
            | Self::AddressRefused
            | Self::NotSsh
            | Self::HostKeyChanged
            | Self::LoginRefused => false,
        }
    }

    /// Whether it is about what answers at the address, which need not be the container.
    pub fn is_about_the_address(self) -> bool {
        matches!(
            self,
            Self::AddressRefused
                | Self::NoAnswer
                | Self::Refused
                | Self::Unreachable
                | Self::NotSsh
                | Self::HostKeyChanged
        )
    }

    /// The obstacle as the owner is told it. Where the address is what the container claims, the
    /// one answer for all that could be at it tells nothing of other hosts.
    pub fn shown(self, is_claimed: bool) -> Self {
        match self {
            told if is_claimed && told.is_about_the_address() => Self::NoAnswer,
            told => told,
        }
    }

    fn believed(self, failures: u32) -> u64 {
        if self.is_about_the_address() {
            doubled(UNANSWERED_BELIEVED, failures.saturating_sub(1), BELIEVED)
        } else {
            BELIEVED
        }
    }
}

/// What a try found out, and when, in milliseconds of the monotonic clock.
struct FoundRoute {
    obstacle: Option<SshObstacle>,
    at: u64,
    /// Tries in a row that failed, this one included.
    failures: u32,
}

/// Tries that owners asked for and that failed.
#[derive(Clone, Copy)]
struct AskedTries {
    failures: u32,
    at: u64,
}

fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first.saturating_mul(1 << times.min(20)).min(most)
}

/// What was found out about SSH into each lease's container.
#[derive(Default)]
pub struct GuestRoutes(Arc<Mutex<Routes>>);

/// A container's host keys are read over its terminal until this is dropped.
pub struct HostKeyReading {
    lease_id: LeaseId,
    routes: Arc<Mutex<Routes>>,
    /// Ends the waiting of those that have the other end.
    _ended: watch::Sender<()>,
}

impl Drop for HostKeyReading {
    fn drop(&mut self) {
        let mut all = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        all.reading.remove(&self.lease_id);
    }
}

#[derive(Default)]
struct Routes {
    found: HashMap<LeaseId, FoundRoute>,
    asked: HashMap<LeaseId, AskedTries>,
    /// The leases whose host keys are read over their terminals now.
    reading: HashMap<LeaseId, watch::Receiver<()>>,
    /// The last try of each lease that is under way.
    trying: HashMap<LeaseId, u64>,
    /// The number of the last try.
    last: u64,
}

/// A try that has begun. What it finds out counts only if no later one has begun and the lease was
/// not forgotten meanwhile: its container may have been started or changed since.
#[derive(Debug, Clone, Copy)]
pub struct RouteTry(u64);

impl GuestRoutes {
    fn all(&self) -> MutexGuard<'_, Routes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try begins.
    pub fn begin_try(&self, id: &LeaseId) -> RouteTry {
        let mut all = self.all();
        all.last += 1;
        let number = all.last;
        all.trying.insert(id.clone(), number);
        RouteTry(number)
    }

    /// SSH was tried, which ended at `now` with this result.
    pub fn remember(&self, id: &LeaseId, begun: RouteTry, obstacle: Option<SshObstacle>, now: u64) {
        let mut all = self.all();
        if all.trying.get(id) == Some(&begun.0) {
            all.trying.remove(id);
            let before = all.found.get(id).map_or(0, |found| found.failures);
            let found = FoundRoute {
                obstacle,
                at: now,
                failures: obstacle.map_or(0, |_| before.saturating_add(1)),
            };
            if obstacle.is_none() {
                all.asked.remove(id);
            }
            all.found.insert(id.clone(), found);
        }
    }

    /// The obstacle that is believed at `now`.
    pub fn obstacle(&self, id: &LeaseId, now: u64) -> Option<SshObstacle> {
        let all = self.all();
        let found = all.found.get(id)?;
        let obstacle = found.obstacle?;
        let believed = obstacle.believed(found.failures);
        (now.saturating_sub(found.at) < believed).then_some(obstacle)
    }

    /// What the last try found out, however long ago; `None` before the first one.
    pub fn last(&self, id: &LeaseId) -> Option<Option<SshObstacle>> {
        self.all().found.get(id).map(|found| found.obstacle)
    }

    /// Whether a try that the owner asks for may be made at `now`; it counts until one succeeds.
    pub fn may_ask(&self, id: &LeaseId, now: u64) -> bool {
        let mut all = self.all();
        let before = all.asked.get(id).copied();
        let failures = before.map_or(0, |asked| asked.failures);
        let pause = before.map_or(0, |_| {
            doubled(ASKED_PAUSE, failures.saturating_sub(1), LONGEST_ASKED_PAUSE)
        });
        if before.is_some_and(|asked| now.saturating_sub(asked.at) < pause) {
            return false;
        }
        let asked = AskedTries {
            failures: failures.saturating_add(1),
            at: now,
        };
        all.asked.insert(id.clone(), asked);
        true
    }

    /// The service begins to read a container's host keys over its terminal; `None` if it does so
    /// already.
    pub fn begin_reading(&self, id: &LeaseId) -> Option<HostKeyReading> {
        let mut all = self.all();
        if all.reading.contains_key(id) {
            return None;
        }
        let (ended, reading) = watch::channel(());
        all.reading.insert(id.clone(), reading);
        Some(HostKeyReading {
            lease_id: id.clone(),
            routes: Arc::clone(&self.0),
            _ended: ended,
        })
    }

    /// Waits until the service does not read a container's host keys over its terminal.
    pub async fn reading_ends(&self, id: &LeaseId) {
        let reading = self.all().reading.get(id).cloned();
        if let Some(mut reading) = reading {
            // Nothing is ever sent: the error is the end.
            let _ = reading.changed().await;
        }
    }

    /// The container was started, changed or removed.
    pub fn forget(&self, id: &LeaseId) {
        let mut all = self.all();
        all.found.remove(id);
        all.trying.remove(id);
    }

    /// The lease is over.
    pub fn remove(&self, id: &LeaseId) {
        self.forget(id);
        self.all().asked.remove(id);
    }

    /// The leases of which something is kept.
    pub fn lease_ids(&self) -> HashSet<LeaseId> {
        let all = self.all();
        let ids = all.found.keys().chain(all.trying.keys());
        ids.chain(all.asked.keys()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_is_believed_for_a_while_and_a_refusal_for_a_shorter_one() {
        let (routes, id) = (GuestRoutes::default(), LeaseId::from("lease-1"));
        assert_eq!((routes.obstacle(&id, 0), routes.last(&id)), (None, None));
        let tried = |obstacle, now| routes.remember(&id, routes.begin_try(&id), obstacle, now);
        tried(Some(SshObstacle::LoginRefused), 1_000);
        assert_eq!(
            routes.obstacle(&id, 600_999),
            Some(SshObstacle::LoginRefused)
        );
        assert_eq!(routes.obstacle(&id, 601_000), None);
        routes.forget(&id);
        tried(Some(SshObstacle::Refused), 1_000);
        assert_eq!(routes.obstacle(&id, 15_999), Some(SshObstacle::Refused));
        assert_eq!(routes.obstacle(&id, 16_000), None);
        // What answers at the address is told by no time that it is believed for.
        tried(Some(SshObstacle::Unreachable), 16_000);
        assert_eq!(routes.obstacle(&id, 45_999), Some(SshObstacle::Unreachable));
        assert_eq!(routes.obstacle(&id, 46_000), None);
        for _ in 0..30 {
            tried(Some(SshObstacle::HostKeyChanged), 50_000);
        }
        let last = Some(SshObstacle::HostKeyChanged);
        assert_eq!(routes.obstacle(&id, 649_999), last);
        assert_eq!(routes.obstacle(&id, 650_000), None);
        tried(Some(SshObstacle::Refused), 1_000);
        assert_eq!(routes.last(&id), Some(Some(SshObstacle::Refused)));
        tried(None, 20_000);
        assert_eq!(routes.obstacle(&id, 20_000), None);
        assert_eq!(routes.last(&id), Some(None));
        let begun = routes.begin_try(&id);
        routes.forget(&"lease-2".into());
        routes.forget(&id);
        assert_eq!(routes.last(&id), None);
        routes.remember(&id, begun, Some(SshObstacle::Unreachable), 20_000);
        assert_eq!(routes.last(&id), None, "it was started since that try");
    }
    #[test]
    fn an_owner_who_asks_again_and_again_waits_until_a_try_succeeds() {
        let (routes, id) = (GuestRoutes::default(), LeaseId::from("lease-1"));
        let mut tries = Vec::new();
        for now in (0..40_000).step_by(500) {
            if routes.may_ask(&id, now) {
                tries.push(now);
                routes.forget(&id);
            }
        }
        assert_eq!(tries, [0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000]);
        routes.remember(&id, routes.begin_try(&id), None, 40_000);
        assert!(routes.may_ask(&id, 40_000));
    }

    #[test]
    fn nothing_is_kept_of_a_lease_that_is_over() {
        let routes = GuestRoutes::default();
        for number in 0..3 {
            let id = LeaseId::from(format!("lease-{number}"));
            let begun = routes.begin_try(&id);
            routes.remember(&id, begun, Some(SshObstacle::Refused), 1);
            routes.begin_try(&id);
            routes.may_ask(&id, 1);
        }
        assert_eq!(routes.lease_ids().len(), 3);
        for id in routes.lease_ids() {
            routes.remove(&id);
        }
        assert!(routes.lease_ids().is_empty());
    }

    #[test]
    fn at_an_address_that_a_container_claims_all_obstacles_look_alike() {
        use SshObstacle::{
            AddressRefused, HostKeyChanged, LoginRefused, NoAnswer, NotSsh, Refused, Unreachable,
        };
        for obstacle in [Refused, Unreachable, NotSsh, HostKeyChanged, AddressRefused] {
            assert_eq!(obstacle.shown(true), NoAnswer);
            assert_eq!(obstacle.shown(false), obstacle);
        }
        // Told by the container itself, whose host key was proved.
        assert_eq!(LoginRefused.shown(true), LoginRefused);
    }
}
