//! What the process keeps about the ways into containers, over several of its memories.

use std::collections::HashSet;

use super::App;
use crate::ids::LeaseId;

impl App {
    /// Closes the SSH connections into a container that is stopped, changed or removed, and forgets
    /// what was found out about them.
    pub fn forget_guest(&self, id: &LeaseId) {
        self.guests.forget(id.as_str());
        self.guest_routes.forget(id);
        self.parked_shells.forget(id);
        self.guest_streams.changed(id);
    }

    /// The leases of which something about SSH is kept in memory.
    pub fn known_guest_ids(&self) -> HashSet<LeaseId> {
        let connected = self.guests.lease_ids().into_iter();
        let connected = connected.map(|id| LeaseId::from(id.as_str()));
        connected.chain(self.guest_routes.lease_ids()).collect()
    }

    /// Drops all of that for a lease that is over.
    pub fn drop_guest(&self, id: &LeaseId) {
        self.forget_guest(id);
        self.guest_routes.remove(id);
        self.public_host_keys.remove(id);
    }
}
