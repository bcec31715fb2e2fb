//! What a change that looks before it writes has to be kept apart from. SQLite has one writer, so that there all changes come one
//! after the other; on PostgreSQL a change holds the lock of its name until it is committed.

use service::crypto;

use crate::ids::LeaseId;

/// Changes that may not be made side by side: those of the same name.
#[derive(Debug, Clone)]
pub(super) enum Apart {
    /// Every statement of it says by itself whether it fits.
    FromNothing,
    /// Changes of one lease.
    Lease(LeaseId),
    /// What hands out numbers, addresses and room for unpaid machines.
    Claims,
    /// Changes of one wallet's payments and money.
    Wallet(String),
    /// A few rows that are read and written as a whole.
    Of(&'static str),
}

impl Apart {
    /// The first that names anything.
    pub(super) fn or(self, other: Self) -> Self {
        match self {
            Self::FromNothing => other,
            named => named,
        }
    }

    /// The number of the lock, as PostgreSQL names it.
    pub(super) fn key(&self) -> Option<i64> {
        Some(match self {
            Self::FromNothing => return None,
            #[cfg(feature = "chaos")]
            Self::Claims if x402::chaos::has(x402::chaos::Bug::ClaimsSideBySide) => return None,
            Self::Lease(id) => lock_key("change of lease", id),
            Self::Claims => lock_key("change", "claims"),
            Self::Wallet(wallet) => lock_key("change of wallet", wallet),
            Self::Of(what) => lock_key("change", what),
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
