//! The life of a lease. The states and their order are pure functions here; the store guards the same order in its rows.
//! [`create`] and [`start`] make a container, [`locate`] finds it wherever an administrator has moved it, [`expiry`] ends it in
//! time, by `lanes` of each node, [`remove`] takes it away, [`reconcile`] compares with Proxmox,
//! [`traffic`] counts the bytes it sends, [`view`] shows it to its owner, [`counts`] has the public numbers of leases.

pub mod alarms;
pub mod backoff;
pub mod counts;
pub mod create;
pub mod destroy;
pub mod expiry;
pub mod fence;
pub mod fence_watch;
pub mod grace;
pub mod halt;
pub mod held;
pub mod known_guests;
mod lanes;
// The file is named for what it holds.
#[allow(clippy::module_inception)]
mod lease;
pub mod link_waits;
pub(crate) mod links;
pub mod locate;
pub mod lock;
pub mod marker;
mod orphans;
pub mod owned;
pub mod power;
pub mod reboot;
pub mod reconcile;
pub mod remove;
pub mod start;
pub mod traffic;
pub mod unpaid;
pub mod usage;
pub mod view;

pub use lease::LeaseState;
