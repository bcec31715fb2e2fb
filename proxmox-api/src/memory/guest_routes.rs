//! What was found out about SSH into each container, so that a command does not try what failed a
//! moment ago. `lease::guest` fills this in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::LeaseId;

/// How long an obstacle is believed, in milliseconds.
const BELIEVED: u64 = 600_000;
/// How long a refused connection is believed: it costs nothing to try, and a server that is still
/// starting refuses.
const REFUSED_BELIEVED: u64 = 15_000;

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
            Self::NoAddress => "The container's address is not known yet.",
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
            Self::Disabled | Self::NoNetwork | Self::NoAddress | Self::Unreachable => false,
            Self::NoKey
            | Self::NoHostKey
            | Self::Refused
            | Self::NotSsh
            | Self::HostKeyChanged
            | Self::LoginRefused => true,
        }
    }

    fn believed(self) -> u64 {
        match self {
            Self::Refused => REFUSED_BELIEVED,
            _ => BELIEVED,
        }
    }
}

/// What a try found out, and when, in milliseconds of the monotonic clock.
struct FoundRoute {
    obstacle: Option<SshObstacle>,
    at: u64,
}

/// What was found out about SSH into each lease's container.
#[derive(Default)]
pub struct GuestRoutes(Mutex<Routes>);

#[derive(Default)]
struct Routes {
    found: HashMap<LeaseId, FoundRoute>,
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
            let found = FoundRoute { obstacle, at: now };
            all.found.insert(id.clone(), found);
        }
    }

    /// The obstacle that is believed at `now`.
    pub fn obstacle(&self, id: &LeaseId, now: u64) -> Option<SshObstacle> {
        let all = self.all();
        let found = all.found.get(id)?;
        let obstacle = found.obstacle?;
        (now.saturating_sub(found.at) < obstacle.believed()).then_some(obstacle)
    }

    /// What the last try found out, however long ago; `None` before the first one.
    pub fn last(&self, id: &LeaseId) -> Option<Option<SshObstacle>> {
        self.all().found.get(id).map(|found| found.obstacle)
    }

    /// The container was started, changed or removed.
    pub fn forget(&self, id: &LeaseId) {
        let mut all = self.all();
        all.found.remove(id);
        all.trying.remove(id);
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
        tried(Some(SshObstacle::Refused), 1_000);
        assert_eq!(routes.obstacle(&id, 15_999), Some(SshObstacle::Refused));
        assert_eq!(routes.obstacle(&id, 16_000), None);
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
}
