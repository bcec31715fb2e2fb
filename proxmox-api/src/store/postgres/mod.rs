//! PostgreSQL behind the store: [`server`] is where it is and how it is trusted, [`link`] a connection, [`session`] one that comes
//! back and serves blocking work, [`looks`] those that answer many at a time, [`lane`] one that sends steps of many callers together, [`writers`] both kinds, [`migrate`] the
//! schema, [`turns`] the locks that replicas share, [`held`] those that a process has, [`presence`] the lock that keeps a copy and services apart, [`pooler`] a look at
//! what is in between, [`replicas`] how many there are.

mod failure;
mod held;
mod lane;
mod link;
mod looks;
mod migrate;
pub(super) mod pooler;
pub(super) mod presence;
mod replicas;
mod server;
mod session;
mod turns;
mod writers;

pub use failure::ServerError;
pub(super) use looks::Looks;
pub(super) use migrate::{bring_up_to_date, condition, migrate};
pub use replicas::Replicas;
pub use server::Server;
pub(super) use session::Session;
pub use turns::{SharedTurn, SharedTurns};
pub(super) use writers::Writers;

/// How long the server may take for one statement, the wait for other changes included.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
/// The lock under which the schema is brought up to date.
const MIGRATING: i64 = 0x0402_0002;
/// The oldest release that is worked with.
const OLDEST: i64 = 13;
