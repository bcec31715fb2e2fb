//! The lock of a change that reads before it writes. SQLite has one writer, so that there all
//! changes are serial; on PostgreSQL the change holds an advisory lock until it is committed.

use service::crypto;

use crate::ids::LeaseId;

/// The lock that a change holds: two changes with the same lock never run concurrently.
#[derive(Debug, Clone)]
pub(super) enum ChangeLock {
    /// No lock: each statement is a compare-and-set.
    None,
    /// Changes of one lease.
    Lease(LeaseId),
    /// Changes that hand out numbers, addresses and room for unpaid containers.
    Claims,
    /// Changes of one wallet's payments and money.
    Wallet(String),
    /// A few rows that are read and written as a whole.
    Named(&'static str),
}

impl ChangeLock {
    /// This lock, or the other one if this is none.
    pub(super) fn or(self, other: Self) -> Self {
        match self {
            Self::None => other,
            named => named,
        }
    }

    /// The number of the lock, as PostgreSQL names it.
    pub(super) fn key(&self) -> Option<i64> {
        Some(match self {
            Self::None => return None,
            #[cfg(feature = "chaos")]
            Self::Claims if x402::chaos::has(x402::chaos::Bug::ClaimsSideBySide) => return None,
            Self::Lease(id) => lock_key("change of lease", id),
            Self::Claims => lock_key("change", "claims"),
            Self::Wallet(wallet) => lock_key("change of wallet", wallet),
            Self::Named(what) => lock_key("change", what),
        })
    }
}

/// The number of a lock by its set and name.
pub(super) fn lock_key(set: &str, name: &str) -> i64 {
    let digest = crypto::hmac_sign(set.as_bytes(), name.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
