//! PostgreSQL behind the store: [`server`] is where it is and how it is trusted, [`session`] a connection that comes back,
//! [`migrate`] the schema, [`turns`] the locks that replicas share, [`presence`] the lock that
//! keeps a copy and services apart, [`pooler`] a look at what is in between.

mod failure;
mod migrate;
pub(super) mod pooler;
pub(super) mod presence;
mod server;
mod session;
mod turns;

pub use failure::ServerError;
pub(super) use migrate::{bring_up_to_date, condition, migrate};
pub use server::Server;
pub(super) use session::Session;
pub use turns::{SharedTurn, SharedTurns};

/// The lock under which one replica at a time changes anything. What the store promises rests on changes coming one after the
/// other, as SQLite has them.
const WRITING: i64 = 0x0402_0001;
/// The lock under which the schema is brought up to date.
const MIGRATING: i64 = 0x0402_0002;
/// The oldest release that is worked with.
const OLDEST: i64 = 13;
