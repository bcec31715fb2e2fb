//! A backup while services run: one SQLite file, complete or absent. From a file it is made by
//! `VACUUM INTO`, which reads one snapshot and so ends however much is written meanwhile; from a
//! PostgreSQL by a copy of one snapshot.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    condition::database_condition,
    copy::{self, CopyError, Observer, TableFigures},
};
use crate::store::{Database, DatabaseCondition, StoreError};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is overwritten.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// The database cannot be backed up.
    #[error("{0}")]
    Source(&'static str),
    /// The file cannot be made.
    #[error("the backup cannot be written: {0}")]
    File(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy of a PostgreSQL failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The file failed the check after it was written.
    #[error("the backup was damaged while it was written, and is removed: {0}")]
    Damaged(String),
}

/// A backup that was made and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The rows of each table.
    pub rows: Vec<(String, u64)>,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// Makes a backup at a path where there is no file, readable for its account only.
///
/// # Errors
/// There is no backup, and nothing is left at the path.
pub async fn backup(
    database: &Database,
    path: &Path,
    observe: Observer<'_>,
) -> Result<Backup, BackupError> {
    if path.try_exists()? {
        return Err(BackupError::Exists(path.to_owned()));
    }
    can_be_backed_up(database).await?;
    let folder = folder(path);
    // Private from the start, on the same disk, and removed unless it is kept in the end.
    let unfinished = tempfile::Builder::new()
        .prefix(".infra402-backup-")
        .tempfile_in(folder)?;
    let rows = match database {
        Database::File(source) => {
            let (source, target) = (source.clone(), unfinished.path().to_owned());
            let made = tokio::task::spawn_blocking(move || of_file(&source, &target));
            made.await.map_err(|_| StoreError::Stopped)??
        }
        Database::Server(server) => {
            let figures = copy::into_file(server, unfinished.path(), observe).await?;
            let target = unfinished.path().to_owned();
            let checked = tokio::task::spawn_blocking(move || check(&target));
            checked.await.map_err(|_| StoreError::Stopped)??;
            let count = |table: TableFigures| (table.table, table.rows);
            figures.into_iter().map(count).collect()
        }
    };
    let bytes = unfinished.as_file().metadata()?.len();
    unfinished.as_file().sync_all()?;
    let kept = unfinished.persist_noclobber(path);
    kept.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => error.error.into(),
    })?;
    File::open(folder)?.sync_all()?;
    Ok(Backup { rows, bytes })
}

async fn can_be_backed_up(database: &Database) -> Result<(), BackupError> {
    Err(BackupError::Source(
        match database_condition(database).await? {
            DatabaseCondition::InOrder => return Ok(()),
            DatabaseCondition::Fresh => "there is no database yet: nothing was sold",
            // It can be the last one before an upgrade, made by the new program.
            DatabaseCondition::Older if matches!(database, Database::File(_)) => return Ok(()),
            DatabaseCondition::Older => {
                "the database is of an earlier release: use that release's program"
            }
            DatabaseCondition::Newer => "the database is of a later release than this program",
            DatabaseCondition::HalfCopied => "the database is an unfinished copy",
        },
    ))
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn of_file(source: &Path, target: &Path) -> Result<Vec<(String, u64)>, BackupError> {
    let reader = open_to_read(source)?;
    let before = events(&reader)?;
    let into = target.to_str();
    let into = into.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    reader
        .execute("VACUUM INTO ?1", [into])
        .map_err(StoreError::from)?;
    let after = events(&reader)?;
    let (counts, events) = check(target)?;
    // Events are only ever added, so the snapshot has no fewer than there were before and no more
    // than there are now.
    if !(before..=after).contains(&events) {
        return Err(BackupError::Damaged(format!(
            "it has {events} events, and there were {before} before and {after} after"
        )));
    }
    Ok(counts)
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

fn events(connection: &Connection) -> Result<u64, StoreError> {
    count(connection, "events")
}

fn count(connection: &Connection, table: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    u64::try_from(rows).map_err(|_| StoreError::Range("rows"))
}

/// Checks the integrity of the file and counts its rows.
fn check(target: &Path) -> Result<(Vec<(String, u64)>, u64), BackupError> {
    let file = open_to_read(target)?;
    let found: String = file
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if found != "ok" {
        return Err(BackupError::Damaged(found));
    }
    let names = "SELECT name FROM sqlite_schema
        WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name";
    let mut statement = file.prepare(names).map_err(StoreError::from)?;
    let names = statement.query_map([], |row| row.get(0));
    let names = names.and_then(|names| names.collect::<Result<Vec<String>, _>>());
    let counts = names.map_err(StoreError::from)?.into_iter().map(|name| {
        let count = count(&file, &name)?;
        Ok((name, count))
    });
    let counts = counts.collect::<Result<Vec<_>, StoreError>>()?;
    Ok((counts, events(&file)?))
}
