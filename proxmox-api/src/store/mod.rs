//! Everything that has to survive a restart, in one SQLite file, or in a PostgreSQL that replicas
//! share. On SQLite one thread writes and commits queued changes in groups; on PostgreSQL changes
//! run concurrently: each is a list of steps, which are compare-and-set statements, or holds a
//! `ChangeLock`. Reads use a connection pool of their own. Times are Unix seconds and come from the
//! caller; amounts are atomic units of the asset. `sql` builds statements and reads rows, `db` runs
//! them, `postgres` and `sqlite` are the two databases, `maintenance` is what an operator does with
//! a whole database.

mod accounts;
mod brakes;
mod change_lock;
mod changes;
mod claims;
mod console_tickets;
mod credit;
mod database;
mod db;
mod debts;
mod demo;
mod events;
mod guest_names;
mod holds;
mod installation;
mod lease_state;
mod leases;
mod maintenance;
mod payments;
mod ports;
mod postgres;
mod replicas;
mod schema;
mod sent_transactions;
mod sessions;
mod sql;
mod sqlite;
mod ssh_keys;
#[cfg(test)]
mod tests;
mod traffic;

use std::{borrow::Cow, path::Path};

use api_types::ErrorCode;

pub use crate::payment_machine::{PaymentState, StoredAnswer};
pub use changes::{Change, HeldCredit};
pub use console_tickets::ConsoleTicket;
pub use credit::{
    ApiKey, Credit, CreditFault, CreditReservation, CreditTotals, EarlyEnd, HoldRefusal, KeyEdit,
    KeyLimit, LedgerEntry, NewApiKey, ReturnRules, TopUp, TopUpOutcome,
};
pub use database::Database;
pub use debts::{Debt, OpenAccounts};
pub use demo::{DemoLedger, Transfer, TransferOutcome};
pub use events::{AuditEvent, EventSubject, NewEvent, log_event};
pub use guest_names::GuestName;
pub use lease_state::LeaseState;
pub use leases::{
    AddressPool, Claim, ClaimLimits, ClaimOutcome, DueEnd, HeldContainer, HeldPower, LOST, Lease,
    MadeContainer, PaidLease, ProbeClaim, Renewal, RenewalOutcome, WarnedLease, end_after,
};
pub use maintenance::{
    Backup, BackupError, CopyError, CopyStep, Observer, TableFigures, backup, copy,
    database_condition,
};
pub use payments::{
    CREDIT_NETWORK, NewPayment, Payment, PaymentSummary, Reservation, SignedRequest,
};
pub use ports::{NamedPorts, Port, PublishOutcome, PublishedPort};
pub use postgres::{AdvisoryLockGuard, AdvisoryLocks, Replicas, Server, ServerError};
pub use schema::DatabaseCondition;
pub use sqlite::{FileInUse, FileLock};
pub use ssh_keys::SshKey;
pub use traffic::{
    ByteCounts, CounterSample, Counters, SavedInterface, Traffic, TrafficChange, TrafficCount,
};

use change_lock::ChangeLock;
use db::{Connection, Db, Pool, PostgresWriters, SqliteWriter, Writer};
use leases::EndedLeases;
use postgres::Session;
use sql::{OwnedValue, Row, Step, cells, values};

use crate::error::ApiError;

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused, or the disk did. The change was not made.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused, or cannot be reached. The change was not made.
    #[error("database: {0}")]
    Postgres(#[from] ServerError),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// The file cannot be made, or not kept from other accounts.
    #[error("file: {0}")]
    File(std::io::Error),
    /// The thread of the writer or reader could not be started.
    #[error("thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The group of this change failed to commit. The change was not made, unless the disk failed
    /// in the middle.
    #[error("commit: {0}")]
    Commit(String),
    /// The connection was lost during the commit: the change may have been made.
    #[error("commit of unknown outcome: {0}")]
    CommitUnknown(String),
    /// The store has stopped, or its database could not be reached, before the change was begun.
    #[error("the store does not take changes")]
    Stopped,
    /// A statement gives no column of this name.
    #[error("there is no column {0}")]
    NoColumn(&'static str),
    /// Something was stored that this release does not know.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// The transfer has paid for another purchase.
    #[error("the transfer pays for another purchase")]
    EvidenceTaken,
    /// The row is not in the expected state; nothing was changed.
    #[error("the row is in another state")]
    Overtaken,
    /// There is too little money; nothing was changed.
    #[error("there is too little money")]
    Insufficient,
    /// A change that belongs to a payment's transition does not fit any more; nothing was changed.
    #[error("the change does not fit any more")]
    ChangeRefused,
    /// Only a part of another database was copied into it.
    #[error(
        "it is an unfinished copy of another database: run proxmox-api store copy again until it \
         ends, or use the other one"
    )]
    HalfCopied,
    /// A number is larger than the database can hold.
    #[error("{0} is out of range")]
    Range(&'static str),
}

impl StoreError {
    /// Whether the change may have been made in spite of the error.
    pub fn may_have_been_made(&self) -> bool {
        matches!(self, Self::CommitUnknown(_))
    }
}

/// A failure of the store, for the customer; its cause goes to the log.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        let message = "The service cannot reach its own records just now.";
        ApiError::new(ErrorCode::Unavailable, message).retry_after(5)
    }
}

/// The most entries of each kind in an operator's list; further ones appear once those are settled.
pub const LISTED: usize = 1000;
/// The most rows on a page of a wallet's leases or payments.
pub const LARGEST_PAGE: u32 = 200;
/// Connections that only read.
const READERS: usize = 4;

/// The store; clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    readers: Pool,
    /// Asynchronous connections for reads of one statement, without a waiting thread.
    read_connections: Option<postgres::ReadConnections>,
    server: Option<Server>,
    ended: EndedLeases,
}

impl Store {
    /// Opens or creates the file at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or migrated, or a thread cannot be started.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite::open(path)?;
        let readers = (0..READERS)
            .map(|_| Ok(Connection::Sqlite(sqlite::connect_to_read(path)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Self {
            writer: SqliteWriter::start(connection)?.into(),
            readers: Pool::new(readers),
            read_connections: None,
            server: None,
            ended: EndedLeases::default(),
        })
    }

    /// Connects to a PostgreSQL and brings its schema up to date, one replica after the other.
    ///
    /// # Errors
    /// The server cannot be reached or used, or a thread cannot be started.
    pub async fn connect(server: &Server) -> Result<Self, StoreError> {
        postgres::pooler::refuse(server).await?;
        let at = server.clone();
        let connecting = move || {
            let session = Session::new(at.clone())?;
            postgres::migrate(&session)?;
            let reader = |_| Ok(Connection::Postgres(Box::new(Session::new(at.clone())?)));
            let readers: Result<Vec<_>, StoreError> = (0..READERS).map(reader).collect();
            readers
        };
        let readers = tokio::task::spawn_blocking(connecting).await;
        let readers = readers.map_err(|_| StoreError::Stopped)??;
        Ok(Self {
            writer: PostgresWriters::start(server)?.into(),
            readers: Pool::new(readers),
            read_connections: Some(postgres::ReadConnections::new(server)),
            server: Some(server.clone()),
            ended: EndedLeases::default(),
        })
    }

    /// Opens the database of the configuration.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::connect`].
    pub async fn open_database(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::File(path) => Self::open(path),
            Database::Server(server) => Self::connect(server).await,
        }
    }

    /// A session for the locks that replicas share; `None` on SQLite, which has one process.
    pub fn advisory_locks(&self) -> Option<AdvisoryLocks> {
        self.server.clone().map(AdvisoryLocks::start)
    }

    /// The number of changes since the start, by which tests measure the cost of a request.
    pub fn writes(&self) -> u64 {
        self.writer.count()
    }

    /// The number of reads since the start.
    pub fn reads(&self) -> u64 {
        self.readers.count()
    }

    /// A change that reads before it writes, under this lock.
    async fn write<T, F>(&self, lock: ChangeLock, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.change(lock, change).await
    }

    /// Makes all of these steps, or none.
    async fn make(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        self.writer.steps(steps).await
    }

    /// The same; false if the first step found its row in another state.
    async fn make_if_current(&self, steps: Vec<Step>) -> Result<bool, StoreError> {
        match self.make(steps).await {
            Ok(()) => Ok(true),
            Err(StoreError::Overtaken) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(|connection| look(connection.lend())).await
    }

    /// The rows of one statement. On PostgreSQL no thread waits for them, so this is for queries of
    /// every request.
    async fn query<T: Send + 'static>(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<OwnedValue>,
        read: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        let Some(connections) = &self.read_connections else {
            let look = move |db: Db<'_>| {
                let values: Vec<_> = values.iter().map(OwnedValue::borrow).collect();
                db.all(&sql, &values, read)
            };
            return self.read(look).await;
        };
        let rows = connections.all(&sql, &values).await?;
        rows.iter().map(|row| read(&Row::Postgres(row))).collect()
    }
}

/// An unsigned amount as a database's signed integer.
fn signed(amount: u64) -> Result<i64, StoreError> {
    i64::try_from(amount).map_err(|_| StoreError::Range("amount"))
}
