//! Everything that has to survive a restart, in one SQLite file. Writes go through one thread that commits them in groups;
//! reads use a few connections of their own. Races are decided by constraints of the tables, never by a look beforehand.
//! Times are Unix seconds and come from the caller; amounts are atomic units of the asset.

mod condition;
mod console_tickets;
mod demo;
mod events;
mod installation;
mod leases;
mod payments;
mod readers;
mod sent;
mod sessions;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

pub use condition::{Condition, condition};
pub use console_tickets::ConsoleTicket;
pub use demo::{DemoLedger, Transfer, TransferOutcome};
pub use events::Event;
pub use leases::{
    Claim, ClaimLimits, ClaimOutcome, Due, DueAction, Lease, Renewal, RenewalOutcome,
};
pub use payments::{Answer, NewPayment, Payment, PaymentState, Reservation, SignedRequest};

use readers::Readers;
use writer::Writer;

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused, or the disk did. The change was not made.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// The file cannot be made, or not kept from other accounts.
    #[error("file: {0}")]
    File(std::io::Error),
    /// The thread of the writer or reader could not be started.
    #[error("thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The group of this change failed to commit. The change was not made, unless the disk failed in the middle.
    #[error("commit: {0}")]
    Commit(String),
    /// The store stopped before it answered.
    #[error("the store has stopped")]
    Stopped,
    /// A number is larger than the database can hold.
    #[error("{0} is out of range")]
    Range(&'static str),
}

/// The handle that is shared by everybody.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
}

impl Store {
    /// Opens or creates the file at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or migrated, or a thread cannot be started.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        const READERS: usize = 4;
        make_private(path).map_err(StoreError::File)?;
        let mut connection = connect(path)?;
        migrations().to_latest(&mut connection)?;
        let readers = (0..READERS)
            .map(|_| {
                let reader = connect(path)?;
                reader.pragma_update(None, "query_only", true)?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Self {
            writer: Writer::start(connection)?,
            readers: Readers::new(readers),
        })
    }

    async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.run(change).await
    }

    async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(look).await
    }
}

fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("../../migrations/0001_initial.sql")),
        M::up(include_str!("../../migrations/0002_console_tickets.sql")),
        M::up(include_str!("../../migrations/0003_paid_by_lease.sql")),
    ])
}

/// Makes the file where there is none. It holds the key from which made passwords come, so it is its account's alone, and
/// SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)?;
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let Ok(found) = std::fs::metadata(&file) else {
            continue;
        };
        if found.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a settled payment must survive a power cut, not only a crash of this process.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// An unsigned amount as SQLite's signed integer.
fn signed(amount: u64) -> Result<i64, StoreError> {
    i64::try_from(amount).map_err(|_| StoreError::Range("amount"))
}

/// A stored amount; the tables allow no negative ones.
fn unsigned(amount: i64) -> Result<u64, rusqlite::Error> {
    u64::try_from(amount).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, amount))
}
