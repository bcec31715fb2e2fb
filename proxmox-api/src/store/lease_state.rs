//! The states of a lease and the moves between them, without any input or output. A state names the
//! side effect that may already have happened, so that a restart knows what to look for.

/// Where a lease is between its claim and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// VMID and node are claimed; nothing was sent to Proxmox.
    Provisioning,
    /// The create request may have been sent.
    CreateSent,
    /// The container exists; it may have been started.
    Created,
    /// The container has answered a probe; whether it is paid for is its payment's word.
    Probed,
    /// Paid and running.
    Active,
    /// The paid time is over; a shutdown may have been sent.
    Expiring,
    /// Shut down, with its data kept until the end of the grace time.
    Stopped,
    /// Never paid; the container, if there is one, is being removed.
    Undoing,
    /// Was paid; the container is being removed, and can no longer be renewed.
    Destroying,
    /// Gone. The VMID is free again.
    Destroyed,
}

use LeaseState::*;

impl LeaseState {
    /// Every state, in the order of a lease's life.
    pub const ALL: [Self; 10] = [
        Provisioning,
        CreateSent,
        Created,
        Probed,
        Active,
        Expiring,
        Stopped,
        Undoing,
        Destroying,
        Destroyed,
    ];

    /// The name in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Provisioning => "provisioning",
            CreateSent => "create_sent",
            Created => "created",
            Probed => "probed",
            Active => "active",
            Expiring => "expiring",
            Stopped => "stopped",
            Undoing => "undoing",
            Destroying => "destroying",
            Destroyed => "destroyed",
        }
    }

    /// The state with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The states that may follow this one.
    pub fn successors(self) -> &'static [Self] {
        match self {
            Provisioning => &[CreateSent, Undoing],
            // Back to provisioning: the request was surely not executed, and another VMID or node
            // is tried.
            CreateSent => &[Provisioning, Created, Undoing],
            Created => &[Probed, Undoing],
            Probed => &[Active, Undoing],
            // To destroyed at once: the container was lost on the host.
            Active => &[Expiring, Destroying, Destroyed],
            Expiring => &[Active, Stopped, Destroying, Destroyed],
            Stopped => &[Active, Destroying, Destroyed],
            Undoing | Destroying => &[Destroyed],
            Destroyed => &[],
        }
    }

    /// Whether a lease may go from this state to `next`.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }

    /// Whether the lease is still on its way to being paid for, and counts against the payer's
    /// leases in flight.
    pub fn is_in_flight(self) -> bool {
        matches!(self, Provisioning | CreateSent | Created | Probed)
    }

    /// Whether more time can be bought.
    pub fn is_renewable(self) -> bool {
        matches!(self, Active | Expiring | Stopped)
    }

    /// Whether the lease was paid and its container is kept. A lease that is still being made finds
    /// its container itself.
    pub fn has_container(self) -> bool {
        matches!(self, Active | Expiring | Stopped)
    }

    /// Whether a restart finds work half done in this state.
    pub fn is_unfinished(self) -> bool {
        self.is_in_flight() || matches!(self, Expiring | Undoing | Destroying)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_listed_moves_are_allowed() {
        // One row per state in the order of `ALL`; `x` allows the move to the column's state.
        let table = [
            ".x.....x..",
            "x.x....x..",
            "...x...x..",
            "....x..x..",
            ".....x..xx",
            "....x.x.xx",
            "....x...xx",
            ".........x",
            ".........x",
            "..........",
        ];
        for (from, row) in LeaseState::ALL.into_iter().zip(table) {
            for (to, mark) in LeaseState::ALL.into_iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), mark == 'x', "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for state in LeaseState::ALL {
            assert_eq!(LeaseState::parse(state.as_str()), Some(state));
        }
        assert_eq!(LeaseState::parse("ACTIVE"), None);
    }

    #[test]
    fn no_lease_is_undone_once_it_was_paid() {
        for state in LeaseState::ALL
            .into_iter()
            .filter(|state| state.is_renewable())
        {
            assert!(!state.may_become(Undoing), "{state:?}");
        }
    }
}
