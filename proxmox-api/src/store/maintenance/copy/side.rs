//! One of the two databases of a copy: the operations of both, in SQL that both understand.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc;

use super::{
    CopyError,
    digest::{DigestBuilder, TableFigures},
    file::FileSide,
    plan::{Catalog, Table, quote},
    progress::{self, SourceMark, TableProgress},
    rows::{BatchSize, Key, Rows},
    server::ServerSide,
};
use crate::store::{
    StoreError,
    schema::{COPY_PROGRESS, STEPS},
};

/// Batches queued between the reader and the writer or the digest.
pub(super) const BATCHES: usize = 2;

/// A database that is read from or written to.
pub(super) enum CopySide {
    File(FileSide),
    Server(Box<ServerSide>),
}

impl CopySide {
    /// Every row of a query, all values as text.
    async fn texts(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        match self {
            Self::File(file) => file.texts(sql.to_owned()).await,
            Self::Server(server) => server.texts(sql).await,
        }
    }

    /// Statements without an answer.
    async fn batch(&self, sql: String) -> Result<(), CopyError> {
        match self {
            Self::File(file) => file.batch(sql).await,
            Self::Server(server) => server.batch(&sql).await,
        }
    }

    /// The database's tables.
    pub(super) async fn catalog(&self) -> Result<Catalog, CopyError> {
        match self {
            Self::File(file) => file.catalog().await,
            Self::Server(server) => server.catalog().await,
        }
    }

    /// Begins a snapshot in which everything is read; `still` keeps others from changing what it
    /// shows, where there are others.
    pub(super) async fn begin_snapshot(
        &self,
        tables: &[Arc<Table>],
        still: bool,
    ) -> Result<(), CopyError> {
        match self {
            Self::File(file) => file.batch("BEGIN".to_owned()).await,
            Self::Server(server) => server.begin_snapshot(tables, still).await,
        }
    }

    /// Goes on to the present, where the snapshot did not keep others from changing it.
    pub(super) async fn renew_snapshot(&self) -> Result<(), CopyError> {
        match self {
            Self::File(file) => file.batch("COMMIT; BEGIN".to_owned()).await,
            Self::Server(_) => Ok(()),
        }
    }

    /// The first table that has a row, of those that are there.
    pub(super) async fn first_filled(
        &self,
        names: impl Iterator<Item = &String>,
    ) -> Result<Option<String>, CopyError> {
        for name in names {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", quote(name));
            if !self.texts(&sql).await?.is_empty() {
                return Ok(Some(name.clone()));
            }
        }
        Ok(None)
    }

    pub(super) async fn mark(&self) -> Result<SourceMark, CopyError> {
        let mut state = Vec::new();
        for sql in progress::STATE {
            let text = first(self.texts(sql).await?);
            let number = text.and_then(|text| text.parse().ok());
            state.push(number.ok_or(StoreError::Unreadable("a time of the last change"))?);
        }
        let installation = first(self.texts(progress::INSTALLATION).await?);
        Ok(SourceMark {
            schema: STEPS.len(),
            installation: installation.unwrap_or_default(),
            state,
        })
    }

    /// The marks of an unfinished copy.
    pub(super) async fn progress(&self) -> Result<HashMap<String, String>, CopyError> {
        let sql = format!("SELECT name, value FROM {}", COPY_PROGRESS);
        let rows = self.texts(&sql).await?;
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Marks the database as an unfinished copy.
    pub(super) async fn begin_copy(&self, mark: &SourceMark) -> Result<(), CopyError> {
        let sql = format!(
            "BEGIN; {}; {}; COMMIT",
            progress::create(),
            progress::set(progress::SOURCE, mark)
        );
        self.batch(sql).await
    }

    /// Sends the rows after a key, in batches and in order, until they end or the receiver is
    /// dropped.
    pub(super) async fn read(
        &self,
        table: &Arc<Table>,
        after: &[Key],
        size: BatchSize,
        batches: mpsc::Sender<Rows>,
    ) -> Result<(), CopyError> {
        match self {
            Self::File(file) => file.read(Arc::clone(table), after, size, batches).await,
            Self::Server(server) => server.read(table, after, size, batches).await,
        }
    }

    /// Adds rows and says how far the table has come, both or neither.
    pub(super) async fn write(
        &self,
        table: &Arc<Table>,
        rows: Rows,
        reached: &TableProgress,
    ) -> Result<(), CopyError> {
        let progress = progress::set(&table.name, reached);
        match self {
            Self::File(file) => file.write(Arc::clone(table), rows, progress).await,
            Self::Server(server) => server.write(table, &rows, &progress).await,
        }
    }

    /// The figures of a table.
    pub(super) async fn figures(
        &self,
        table: &Arc<Table>,
        size: BatchSize,
    ) -> Result<TableFigures, CopyError> {
        let (batches, mut inbox) = mpsc::channel(BATCHES);
        let mut adding = DigestBuilder::new(table);
        let added = tokio::task::spawn_blocking(move || {
            while let Some(rows) = inbox.blocking_recv() {
                adding.add(&rows);
            }
            adding.finish()
        });
        self.read(table, &[], size, batches).await?;
        Ok(added.await.map_err(|_| StoreError::Stopped)?)
    }

    /// Finishes the copy, after which a service may use the database.
    pub(super) async fn finish(&self, tables: &[Arc<Table>]) -> Result<(), CopyError> {
        match self {
            Self::File(file) => file.finish().await,
            Self::Server(server) => server.finish(tables).await,
        }
    }
}

fn first(rows: Vec<Vec<Option<String>>>) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

fn pair(row: Vec<Option<String>>) -> Option<(String, String)> {
    let mut row = row.into_iter();
    Some((row.next()??, row.next()??))
}
