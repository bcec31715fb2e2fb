//! PostgreSQL behind the store: [`server`] is its address and TLS, [`link`] a connection, [`session`] a connection for blocking
//! work that reconnects, [`looks`] connections for concurrent reads, [`lane`] a connection that sends changes of many callers
//! together, [`writers`] all connections that write, [`migrate`] the schema, [`turns`] the locks that replicas share, [`held`]
//! those of this process, [`presence`] the lock that keeps a copy and services apart, [`pooler`] detects a pooler that does not
//! keep sessions, [`replicas`] counts the replicas.

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

/// Timeout of one statement, the wait for locks included.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
/// The lock under which the schema is brought up to date.
const MIGRATING: i64 = 0x0402_0002;
/// The oldest release that is worked with.
const OLDEST: i64 = 13;
