//! The SQLite file: how it is opened, its permissions, and the lock that lets one process at a time
//! use it.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::{
    StoreError,
    schema::{COPY_PROGRESS, STEPS, SchemaStep},
};

/// Prepared statements of a connection: more than the store has.
const STATEMENTS: usize = 64;

/// Memory for pages of the connection that writes. A new payment needs some of the inner pages of
/// each index, which are 12 MiB for a million payments; SQLite's own 2 MiB would have them read
/// again and again.
const WRITER_CACHE_KIB: i64 = 8 << 10;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileInUse {
    /// Another process uses it.
    #[error(
        "another process has this database open: stop that one first, or let replicas share a PostgreSQL"
    )]
    ByAnother,
    /// The lock file cannot be locked.
    #[error("the file beside the database cannot be locked: {0}")]
    Unlockable(#[from] std::io::Error),
}

/// The lock of this process on a database file, until it is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock(#[allow(dead_code)] File);

impl FileLock {
    /// Locks the database at `path`, by a file beside it.
    ///
    /// # Errors
    /// Another process has it, or the file beside it cannot be made or locked.
    pub fn take(path: &Path) -> Result<Self, FileInUse> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut beside = path.as_os_str().to_owned();
        beside.push("-lock");
        let mut options = File::options();
        options.append(true).create(true).mode(0o600);
        let file = options.open(beside)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(FileInUse::ByAnother),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

pub(super) fn migrations() -> Migrations<'static> {
    let step = |step: &SchemaStep| M::up(step.sqlite).foreign_key_check();
    Migrations::new(STEPS.iter().map(step).collect())
}

/// Brings the schema up to date. A table whose constraints change is made anew, which SQLite allows
/// only while foreign keys are not enforced; the migration itself checks them before it is kept.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if is_half_copied(connection)? {
        return Err(StoreError::HalfCopied);
    }
    connection.pragma_update(None, "foreign_keys", false)?;
    let migrated = migrations().to_latest(connection);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(migrated?)
}

/// Opens or makes the file at `path`, in order for this release.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    make_private(path).map_err(StoreError::File)?;
    let mut connection = connect(path)?;
    migrate(&mut connection)?;
    drop_statistics(&connection)?;
    // Statistics are read with the schema, so this one may know them still.
    drop(connection);
    let connection = connect(path)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    Ok(connection)
}

/// Removes the statistics of `ANALYZE` from the file. A connection reads statistics once, when it
/// is opened; those of a young file say that a table is best read as a whole, and go on saying so
/// when it has grown. Each statement has an index that needs none.
fn drop_statistics(connection: &Connection) -> Result<(), StoreError> {
    let sql = "DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4";
    Ok(connection.execute_batch(sql)?)
}

/// Whether a copy into this file is unfinished.
pub(super) fn is_half_copied(connection: &Connection) -> rusqlite::Result<bool> {
    connection.table_exists(None, COPY_PROGRESS)
}

/// Makes the file if there is none. It holds the key from which passwords are derived, so only its
/// account may read it; SQLite gives the files beside it the same mode.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
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

pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a settled payment must survive a power cut, not only a crash of this process.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is blanked must not stay readable in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

pub(super) fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
    let reader = connect(path)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_locks_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let hold = FileLock::take(&path).unwrap();
        assert!(matches!(FileLock::take(&path), Err(FileInUse::ByAnother)));
        assert!(FileLock::take(&folder.path().join("other.db")).is_ok());
        drop(hold);
        assert!(FileLock::take(&path).is_ok());
    }
}
