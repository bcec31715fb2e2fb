//! Copies a store from a file to a server or back, while no service uses either: [`plan`] lists the
//! tables, [`side`] is one of the databases ([`file`], [`server`]), [`rows`] is a batch of rows,
//! [`progress`] is stored in the target, so that an interrupted copy is resumed, and [`digest`]
//! compares both at the end.

mod digest;
mod file;
mod plan;
mod progress;
mod rows;
mod select;
mod server;
mod side;

use std::{ops::ControlFlow, path::Path, sync::Arc};

use tokio::sync::mpsc;

use super::condition::database_condition;
use crate::store::{
    Database, DatabaseCondition, FileInUse, FileLock, Server, ServerError, StoreError,
};
pub use digest::TableFigures;
use file::FileSide;
use plan::Table;
use progress::{SourceMark, TableProgress};
pub(in crate::store) use rows::BatchSize;
use server::ServerSide;
use side::{BATCHES, CopySide};

/// Why a database was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Both databases are files, or both are servers.
    #[error(
        "a copy goes from a file to a PostgreSQL or back: a file is copied by proxmox-api \
         backup, a PostgreSQL to another one by pg_dump and pg_restore"
    )]
    SameKind,
    /// A service or another copy uses the file.
    #[error(transparent)]
    FileInUse(FileInUse),
    /// The source cannot be copied as it is.
    #[error("{0}")]
    Source(&'static str),
    /// The target is of a later release.
    #[error("the target's schema is of a later release than this program")]
    TargetNewer,
    /// The target has rows that are not from an unfinished copy.
    #[error(
        "the target is not empty: it has rows in {0}. Name an empty database, or a file that is \
         not there yet"
    )]
    NotEmpty(String),
    /// The target is a file of something else.
    #[error("the target is a file of something else: it has a table {0}")]
    Foreign(String),
    /// The target is an unfinished copy that cannot be resumed.
    #[error(
        "the target is an unfinished copy, {0}: remove the file, or drop and create the \
         database, and begin anew"
    )]
    CannotGoOn(&'static str),
    /// The databases do not have the same tables.
    #[error("the schemas do not fit: {0}")]
    Shape(String),
    /// A value that the other database cannot keep.
    #[error(
        "{table} has a value in {column} that the target cannot keep: no text, or a NUL \
         character in one"
    )]
    Value {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The comparison after the copy found a difference.
    #[error(
        "{table} is not the same in both: {source_rows} rows and {target_rows}. The source was \
         changed while it was copied, or the target: begin anew with an empty one"
    )]
    Different {
        /// The table.
        table: String,
        /// Rows of the source.
        source_rows: u64,
        /// Rows of the target.
        target_rows: u64,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<tokio_postgres::Error> for CopyError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(ServerError::in_use(&error).into())
    }
}

impl CopyError {
    fn no_text(table: &Table, place: usize) -> Self {
        Self::Value {
            table: table.name.clone(),
            column: table.columns[place].name.clone(),
        }
    }

    /// Whether the same command resumes the copy.
    pub fn can_go_on(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Store(_))
    }
}

/// The step that a copy has just finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyStep {
    /// So many rows of a table are in the target.
    Copied {
        /// The table.
        table: String,
        /// Its rows so far.
        rows: u64,
    },
    /// A table was found to be the same in both.
    Compared {
        /// The table.
        table: String,
    },
}

/// Called after each step; it may end the copy.
pub type Observer<'a> = &'a mut (dyn FnMut(CopyStep) -> ControlFlow<()> + Send);

/// Copies everything, or resumes an interrupted copy, and compares both at the end.
///
/// # Errors
/// Why it cannot be done; [`CopyError::can_go_on`] says whether the same command can resume it.
pub async fn copy(
    from: &Database,
    to: &Database,
    observe: Observer<'_>,
) -> Result<Vec<TableFigures>, CopyError> {
    copy_in(from, to, BatchSize::default(), observe).await
}

/// The same in batches of this size.
pub(in crate::store) async fn copy_in(
    from: &Database,
    to: &Database,
    size: BatchSize,
    observe: Observer<'_>,
) -> Result<Vec<TableFigures>, CopyError> {
    if matches!(
        (from, to),
        (Database::File(_), Database::File(_)) | (Database::Server(_), Database::Server(_))
    ) {
        return Err(CopyError::SameKind);
    }
    can_be_copied(from).await?;
    let source = match from {
        Database::File(path) => CopySide::File(FileSide::source(path)?),
        Database::Server(server) => {
            CopySide::Server(Box::new(ServerSide::open(server, true).await?))
        }
    };
    let target = target(to).await?;
    let tables = planned(&source, &target).await?;
    let mark = source.mark().await?;
    begin(&target, to, &tables, &mark).await?;
    source.begin_snapshot(&tables, true).await?;
    transfer(&source, &target, &tables, size, observe).await
}

/// Copies a server as it is at this moment into a file that is not there yet, while services work
/// on the server.
pub(in crate::store) async fn into_file(
    server: &Server,
    path: &Path,
    observe: Observer<'_>,
) -> Result<Vec<TableFigures>, CopyError> {
    can_be_copied(&Database::Server(Box::new(server.clone()))).await?;
    let source = CopySide::Server(Box::new(ServerSide::open(server, false).await?));
    let file = FileSide::target(path, None)?;
    file.migrate().await?;
    let target = CopySide::File(file);
    let tables = planned(&source, &target).await?;
    source.begin_snapshot(&tables, false).await?;
    target.begin_copy(&source.mark().await?).await?;
    let figures = transfer(&source, &target, &tables, BatchSize::default(), observe).await?;
    if let CopySide::File(file) = &target {
        file.leave_one_file().await?;
    }
    Ok(figures)
}

async fn can_be_copied(from: &Database) -> Result<(), CopyError> {
    Err(CopyError::Source(match database_condition(from).await? {
        DatabaseCondition::InOrder => return Ok(()),
        DatabaseCondition::Fresh => {
            "there is nothing to copy: no service ever started on the source"
        }
        DatabaseCondition::Older => {
            "the source is of an earlier release: start this release's service on it once"
        }
        DatabaseCondition::Newer => "the source is of a later release than this program",
        DatabaseCondition::HalfCopied => "the source is itself an unfinished copy",
    }))
}

/// Opens the target for this process alone and brings its schema up to date, unless it has rows.
async fn target(to: &Database) -> Result<CopySide, CopyError> {
    let hold = match to {
        Database::File(path) => Some(FileLock::take(path).map_err(CopyError::FileInUse)?),
        Database::Server(_) => None,
    };
    let found = database_condition(to).await?;
    if found == DatabaseCondition::Newer {
        return Err(CopyError::TargetNewer);
    }
    let (side, migrating) = match to {
        Database::File(path) => (CopySide::File(FileSide::target(path, hold)?), None),
        Database::Server(server) => {
            let side = ServerSide::open(server, true).await?;
            (CopySide::Server(Box::new(side)), Some(server))
        }
    };
    if found != DatabaseCondition::HalfCopied {
        refuse_filled(&side, found).await?;
        match (&side, migrating) {
            (CopySide::File(file), _) => file.migrate().await?,
            (CopySide::Server(_), Some(server)) => ServerSide::migrate(server).await?,
            (CopySide::Server(_), None) => {}
        }
    }
    Ok(side)
}

/// Tables that have rows wherever a service ever started.
const OURS: [&str; 2] = ["installation", "payments"];

/// Refuses a database with rows before its schema is touched.
async fn refuse_filled(side: &CopySide, found: DatabaseCondition) -> Result<(), CopyError> {
    let there = side.catalog().await?;
    let is_file = matches!(side, CopySide::File(_));
    if let Some(table) = there.keys().next()
        && (is_file && found == DatabaseCondition::Fresh)
    {
        return Err(CopyError::Foreign(table.clone()));
    }
    // On a server, tables of others may lie beside the store's.
    let ours = there
        .keys()
        .filter(|name| is_file || OURS.contains(&name.as_str()));
    match side.first_filled(ours).await? {
        Some(table) => Err(CopyError::NotEmpty(table)),
        None => Ok(()),
    }
}

async fn planned(source: &CopySide, target: &CopySide) -> Result<Vec<Arc<Table>>, CopyError> {
    let (one, other) = (source.catalog().await?, target.catalog().await?);
    let planned = match source {
        CopySide::File(_) => plan::plan(&one, &other)?,
        CopySide::Server(_) => plan::plan(&other, &one)?,
    };
    Ok(planned.into_iter().map(Arc::new).collect())
}

/// Marks an empty target as a copy of this source, or sees that it is one already.
async fn begin(
    target: &CopySide,
    to: &Database,
    tables: &[Arc<Table>],
    mark: &SourceMark,
) -> Result<(), CopyError> {
    if database_condition(to).await? != DatabaseCondition::HalfCopied {
        let names = tables.iter().map(|table| &table.name);
        return match target.first_filled(names).await? {
            Some(table) => Err(CopyError::NotEmpty(table)),
            None => target.begin_copy(mark).await,
        };
    }
    let progress = target.progress().await?;
    let begun = progress.get(progress::SOURCE);
    let begun: Option<SourceMark> = begun.and_then(|text| serde_json::from_str(text).ok());
    Err(CopyError::CannotGoOn(match begun {
        Some(begun) if begun == *mark => return Ok(()),
        Some(begun) if begun.installation != mark.installation => "of another database",
        Some(begun) if begun.schema == mark.schema => "and the source was changed since",
        Some(_) | None => "begun by another release",
    }))
}

async fn transfer(
    source: &CopySide,
    target: &CopySide,
    tables: &[Arc<Table>],
    size: BatchSize,
    observe: Observer<'_>,
) -> Result<Vec<TableFigures>, CopyError> {
    let progress = target.progress().await?;
    for table in tables {
        let reached = progress.get(&table.name);
        let reached = reached.and_then(|text| serde_json::from_str(text).ok());
        let reached: TableProgress = reached.unwrap_or_default();
        copy_table(source, target, table, reached, size, observe).await?;
    }
    source.renew_snapshot().await?;
    let mut figures = Vec::new();
    for table in tables {
        let (here, there) =
            tokio::try_join!(source.figures(table, size), target.figures(table, size))?;
        if here != there {
            return Err(CopyError::Different {
                table: here.table,
                source_rows: here.rows,
                target_rows: there.rows,
            });
        }
        let step = CopyStep::Compared {
            table: here.table.clone(),
        };
        figures.push(here);
        if observe(step).is_break() {
            return Err(CopyError::Interrupted);
        }
    }
    target.finish(tables).await?;
    Ok(figures)
}

async fn copy_table(
    source: &CopySide,
    target: &CopySide,
    table: &Arc<Table>,
    mut reached: TableProgress,
    size: BatchSize,
    observe: Observer<'_>,
) -> Result<(), CopyError> {
    let (batches, mut inbox) = mpsc::channel(BATCHES);
    let after = reached.key.clone();
    let reading = source.read(table, &after, size, batches);
    let writing = async {
        while let Some(rows) = inbox.recv().await {
            reached.rows += rows.len() as u64;
            reached.key = rows.last_key(&table.key).unwrap_or_default();
            target.write(table, rows, &reached).await?;
            let step = CopyStep::Copied {
                table: table.name.clone(),
                rows: reached.rows,
            };
            if observe(step).is_break() {
                return Err(CopyError::Interrupted);
            }
        }
        Ok(())
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}
