//! A SQLite file as one side of a copy.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags, Statement, types::ValueRef};
use tokio::sync::mpsc;

use super::{
    CopyError,
    plan::{Catalog, ColumnKind, Table, quote},
    rows::{BatchSize, Key, Rows},
    select::select,
};
use crate::store::{FileLock, StoreError, schema::COPY_PROGRESS, sql::Value, sqlite};

/// Pages kept in memory while indexes are filled, in KiB.
const CACHE: i64 = 256 << 10;

const COLUMNS: &str = "SELECT tables.name, columns.name, columns.type, columns.pk
    FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' AND substr(tables.name, 1, 7) <> 'sqlite_'";
const REFERENCES: &str = "SELECT tables.name, keys.\"table\"
    FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS keys
    WHERE tables.type = 'table'";

/// A file, with its lock if this side uses it exclusively.
pub(super) struct FileSide {
    connection: Arc<Mutex<Connection>>,
    _file_lock: Option<FileLock>,
}

impl FileSide {
    /// A file that is there, to be read.
    pub(super) fn source(path: &Path) -> Result<Self, CopyError> {
        let file_lock = FileLock::take(path).map_err(CopyError::FileInUse)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(StoreError::from)?;
        Ok(Self::of(connection, Some(file_lock)))
    }

    /// A file to be written, made where there is none.
    pub(super) fn target(path: &Path, file_lock: Option<FileLock>) -> Result<Self, CopyError> {
        sqlite::make_private(path).map_err(StoreError::File)?;
        let connection = sqlite::connect(path)?;
        let cached = connection.pragma_update(None, "cache_size", -CACHE);
        cached.map_err(StoreError::from)?;
        Ok(Self::of(connection, file_lock))
    }

    fn of(connection: Connection, file_lock: Option<FileLock>) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            _file_lock: file_lock,
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CopyError> + Send + 'static,
    ) -> Result<T, CopyError> {
        let connection = Arc::clone(&self.connection);
        let worked = tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        worked.await.map_err(|_| StoreError::Stopped)?
    }

    pub(super) async fn texts(&self, sql: String) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        self.with(move |connection| Ok(texts(connection, &sql)?))
            .await
    }

    pub(super) async fn batch(&self, sql: String) -> Result<(), CopyError> {
        self.with(move |connection| Ok(connection.execute_batch(&sql)?))
            .await
    }

    /// Brings the schema up to date.
    pub(super) async fn migrate(&self) -> Result<(), CopyError> {
        self.with(|connection| Ok(sqlite::migrate(connection)?))
            .await
    }

    pub(super) async fn catalog(&self) -> Result<Catalog, CopyError> {
        self.with(|connection| Ok(catalog(connection)?)).await
    }

    pub(super) async fn read(
        &self,
        table: Arc<Table>,
        after: &[Key],
        size: BatchSize,
        batches: mpsc::Sender<Rows>,
    ) -> Result<(), CopyError> {
        let sql = select(&table, &table.list(), after, str::to_owned);
        self.with(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            send(&mut statement, &table, size, &batches)
        })
        .await
    }

    pub(super) async fn write(
        &self,
        table: Arc<Table>,
        rows: Rows,
        progress: String,
    ) -> Result<(), CopyError> {
        self.with(move |connection| Ok(write(connection, &table, &rows, &progress)?))
            .await
    }

    pub(super) async fn finish(&self) -> Result<(), CopyError> {
        let sql = format!("DROP TABLE {}", COPY_PROGRESS);
        self.batch(sql).await?;
        // The write-ahead log is merged, so that one file is left.
        self.texts("PRAGMA wal_checkpoint(TRUNCATE)".to_owned())
            .await?;
        Ok(())
    }

    /// Removes the write-ahead log; the next opening makes a new one.
    pub(super) async fn leave_one_file(&self) -> Result<(), CopyError> {
        self.texts("PRAGMA journal_mode = DELETE".to_owned())
            .await?;
        Ok(())
    }
}

fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Option<String>>>> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..width).map(|place| {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string()),
                other => Some(other.as_str()?.to_owned()),
            })
        });
        cells.collect()
    })?;
    rows.collect()
}

fn catalog(connection: &Connection) -> rusqlite::Result<Catalog> {
    let mut catalog = Catalog::new();
    let mut statement = connection.prepare(COLUMNS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, column, kind, place): (String, String, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if super::plan::UPKEEP.contains(&table.as_str()) {
            continue;
        }
        let listed = catalog.entry(table).or_default();
        let kind = match kind.as_str() {
            "INTEGER" => ColumnKind::Number,
            "TEXT" => ColumnKind::Text,
            _ => ColumnKind::Other,
        };
        if place > 0 {
            listed.key.insert(place, column.clone());
        }
        listed.columns.insert(column, kind);
    }
    let mut statement = connection.prepare(REFERENCES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, other): (String, String) = (row.get(0)?, row.get(1)?);
        if let Some(listed) = catalog.get_mut(&table) {
            listed.refers_to.insert(other);
        }
    }
    Ok(catalog)
}

fn send(
    statement: &mut Statement<'_>,
    table: &Table,
    size: BatchSize,
    batches: &mpsc::Sender<Rows>,
) -> Result<(), CopyError> {
    let width = table.columns.len();
    let mut batch = Rows::new(width);
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for place in 0..width {
            batch.push(match row.get_ref(place)? {
                ValueRef::Null => Value::Text(None),
                ValueRef::Integer(number) => Value::Number(Some(number)),
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text);
                    Value::Text(Some(text.map_err(|_| CopyError::no_text(table, place))?))
                }
                ValueRef::Real(_) | ValueRef::Blob(_) => {
                    return Err(CopyError::no_text(table, place));
                }
            });
        }
        if batch.is_full(size) {
            let full = std::mem::replace(&mut batch, Rows::new(width));
            if batches.blocking_send(full).is_err() {
                return Ok(());
            }
        }
    }
    if batch.len() > 0 {
        // The receiver is gone only after a failure, which is reported elsewhere.
        let _ = batches.blocking_send(batch);
    }
    Ok(())
}

fn write(
    connection: &mut Connection,
    table: &Table,
    rows: &Rows,
    progress: &str,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let places: Vec<_> = (1..=table.columns.len())
            .map(|number| format!("?{number}"))
            .collect();
        let (name, columns, places) = (quote(&table.name), table.list(), places.join(", "));
        let sql = format!("INSERT INTO {name} ({columns}) VALUES ({places})");
        let mut insert = transaction.prepare_cached(&sql)?;
        for row in rows.iter() {
            insert.execute(rusqlite::params_from_iter(row))?;
        }
    }
    transaction.execute_batch(progress)?;
    transaction.commit()
}
