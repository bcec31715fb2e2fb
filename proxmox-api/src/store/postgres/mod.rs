//! PostgreSQL behind the store: [`server`] is its address and TLS, [`connection`] a connection,
//! [`session`] a connection for blocking work that reconnects, [`read_connections`] connections for concurrent
//! reads, [`lane`] a connection that sends changes of many callers together, [`migrate`] the schema, [`advisory_locks`] the locks that replicas share,
//! [`held_locks`] those of this process, [`presence`] the lock that keeps a copy and services apart,
//! [`pooler`] detects a pooler that does not keep sessions, [`replica_count`] counts the replicas.

mod advisory_locks;
mod connection;
mod failure;
mod held_locks;
pub(super) mod lane;
mod lock_session;
mod migrate;
pub(super) mod pooler;
pub(super) mod presence;
mod read_connections;
mod replica_count;
mod server;
mod session;

pub use advisory_locks::{AdvisoryLockGuard, AdvisoryLocks};
pub use failure::ServerError;
pub(super) use migrate::{bring_up_to_date, database_condition, migrate};
pub(super) use read_connections::ReadConnections;
pub use replica_count::Replicas;
pub use server::Server;
pub(super) use session::Session;

/// Timeout of one statement, the wait for locks included.
const STATEMENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
/// The lock under which the schema is brought up to date.
const MIGRATING: i64 = 0x0402_0002;
/// The oldest release that is worked with.
const OLDEST: i64 = 13;
