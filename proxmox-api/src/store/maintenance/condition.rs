//! Checks the condition of a database without changing it.

use std::{fs, io, path::Path};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::SchemaVersion;

use crate::store::{
    Database, StoreError, postgres,
    schema::DatabaseCondition,
    sqlite::{is_half_copied, migrations},
};

/// The condition of a database.
///
/// # Errors
/// It cannot be reached or used.
pub async fn database_condition(database: &Database) -> Result<DatabaseCondition, StoreError> {
    if let Database::Server(server) = database {
        postgres::pooler::refuse(server).await?;
    }
    let database = database.clone();
    let look = move || match &database {
        Database::File(path) => of_file(path),
        Database::Server(server) => postgres::database_condition(server),
    };
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|_| StoreError::Stopped)?
}

/// The file or its folder may not be writable, or the file be no database.
fn of_file(path: &Path) -> Result<DatabaseCondition, StoreError> {
    let folder = nearest_folder(path)?;
    // SQLite keeps its log beside the file, so the folder has to be writable too.
    drop(tempfile::tempfile_in(folder)?);
    if !path.try_exists()? {
        return Ok(DatabaseCondition::Fresh);
    }
    fs::OpenOptions::new().append(true).open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    if is_half_copied(&connection)? {
        return Ok(DatabaseCondition::HalfCopied);
    }
    let migrations = migrations();
    let pending = migrations.pending_migrations(&connection)?;
    Ok(match migrations.current_version(&connection)? {
        SchemaVersion::NoneSet => DatabaseCondition::Fresh,
        _ if pending > 0 => DatabaseCondition::Older,
        _ if pending < 0 => DatabaseCondition::Newer,
        _ => DatabaseCondition::InOrder,
    })
}

/// The folder of the file, or the nearest existing one above it: missing folders are made at the
/// start.
fn nearest_folder(path: &Path) -> io::Result<&Path> {
    let mut folder = path.parent();
    while let Some(above) = folder {
        if above.as_os_str().is_empty() {
            break;
        }
        if above.try_exists()? {
            return Ok(above);
        }
        folder = above.parent();
    }
    Ok(Path::new("."))
}
