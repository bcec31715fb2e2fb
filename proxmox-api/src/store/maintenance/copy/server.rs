//! A PostgreSQL as one side of a copy. Its session does not reconnect: a copy whose connection is
//! lost ends, and is resumed when it is started again.

use std::{fmt::Write as _, pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{
    CopyError,
    plan::{Catalog, ColumnKind, Table, quote},
    rows::{BatchSize, Key, Rows},
    select::select,
};
use crate::store::{
    Server, StoreError,
    postgres::{self, Session},
    schema::COPY_PROGRESS,
    sql::Value,
};

/// A copy waits for no limits that are meant for short statements, and sorts in memory what has no
/// index in its order.
const GREETING: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '20s'; SET standard_conforming_strings = on; SET work_mem = '128MB';
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'";
/// Text that is sent at once.
const CHUNK: usize = 64 << 10;

const COLUMNS: &str = "SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attidentity
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())";

pub(super) struct ServerSide {
    client: Client,
    /// Ends with this side.
    _driver: JoinSet<()>,
}

impl ServerSide {
    /// A session, which has the database to itself where it is `alone`.
    pub(super) async fn open(server: &Server, alone: bool) -> Result<Self, CopyError> {
        let (client, connection) = server.connect(|_| {}).await.map_err(StoreError::from)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %postgres::ServerError::of(&error), "a connection ended");
            }
        });
        let side = Self {
            client,
            _driver: driver,
        };
        side.batch(GREETING).await?;
        if alone {
            let taken = postgres::presence::take_alone(&side.client).await;
            taken.map_err(StoreError::from)?;
        }
        Ok(side)
    }

    /// Brings the schema up to date, by a session of the ordinary kind.
    pub(super) async fn migrate(server: &Server) -> Result<(), CopyError> {
        let server = server.clone();
        let migrated =
            tokio::task::spawn_blocking(move || postgres::bring_up_to_date(&Session::new(server)?));
        Ok(migrated.await.map_err(|_| StoreError::Stopped)??)
    }

    pub(super) async fn texts(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        let messages = self.client.simple_query(sql).await?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|place| row.get(place).map(str::to_owned));
                Some(cells.collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    pub(super) async fn batch(&self, sql: &str) -> Result<(), CopyError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    pub(super) async fn catalog(&self) -> Result<Catalog, CopyError> {
        let mut catalog = Catalog::new();
        for row in self.texts(COLUMNS).await? {
            let [Some(table), Some(column), Some(kind), identity] = &row[..] else {
                continue;
            };
            if super::plan::UPKEEP.contains(&table.as_str()) {
                continue;
            }
            let listed = catalog.entry(table.clone()).or_default();
            let kind = match kind.as_str() {
                "bigint" | "integer" => ColumnKind::Number,
                "text" => ColumnKind::Text,
                _ => ColumnKind::Other,
            };
            if identity.as_ref().is_some_and(|kind| !kind.is_empty()) {
                listed.identity = Some(column.clone());
            }
            listed.columns.insert(column.clone(), kind);
        }
        Ok(catalog)
    }

    pub(super) async fn begin_snapshot(
        &self,
        tables: &[Arc<Table>],
        still: bool,
    ) -> Result<(), CopyError> {
        let mut sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned();
        if still {
            let names: Vec<_> = tables.iter().map(|table| quote(&table.name)).collect();
            // A service that lost its sessions for a moment is not seen, and is kept from writing
            // all the same.
            let _ = write!(sql, "; LOCK TABLE {} IN SHARE MODE", names.join(", "));
        }
        self.batch(&sql).await
    }

    pub(super) async fn read(
        &self,
        table: &Table,
        after: &[Key],
        size: BatchSize,
        batches: mpsc::Sender<Rows>,
    ) -> Result<(), CopyError> {
        let bytewise = |column: &str| format!("{column} COLLATE \"C\"");
        let sql = select(table, &wide(table), after, bytewise);
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
        let rows = self.client.query_raw(&sql, parameters).await?;
        let mut rows = pin!(rows);
        let width = table.columns.len();
        let mut batch = Rows::new(width);
        while let Some(row) = rows.try_next().await? {
            for (place, column) in table.columns.iter().enumerate() {
                batch.push(match column.kind {
                    ColumnKind::Number => Value::Number(row.try_get(place)?),
                    ColumnKind::Text | ColumnKind::Other => Value::Text(row.try_get(place)?),
                });
            }
            if batch.is_full(size) {
                let full = std::mem::replace(&mut batch, Rows::new(width));
                if batches.send(full).await.is_err() {
                    return Ok(());
                }
            }
        }
        if batch.len() > 0 {
            // The receiver is gone only after a failure, which is reported elsewhere.
            let _ = batches.send(batch).await;
        }
        Ok(())
    }

    pub(super) async fn write(
        &self,
        table: &Table,
        rows: &Rows,
        progress: &str,
    ) -> Result<(), CopyError> {
        let (name, columns) = (quote(&table.name), table.list());
        self.batch("BEGIN").await?;
        let sql = format!("COPY {name} ({columns}) FROM STDIN");
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(&sql).await?);
        let mut text = String::with_capacity(CHUNK * 2);
        for row in rows.iter() {
            for (place, value) in row.enumerate() {
                if place > 0 {
                    text.push('\t');
                }
                push(&mut text, value).map_err(|()| CopyError::no_text(table, place))?;
            }
            text.push('\n');
            if text.len() >= CHUNK {
                sink.send(Bytes::from(std::mem::take(&mut text))).await?;
                text.reserve(CHUNK * 2);
            }
        }
        sink.send(Bytes::from(text)).await?;
        sink.finish().await?;
        self.batch(&format!("{progress}; COMMIT")).await
    }

    pub(super) async fn finish(&self, tables: &[Arc<Table>]) -> Result<(), CopyError> {
        let mut sql = String::new();
        for table in tables {
            // Without figures of the tables' sizes the first queries would be planned for empty
            // ones.
            let _ = write!(sql, "ANALYZE {};", quote(&table.name));
        }
        sql.push_str("BEGIN;");
        for (table, column) in tables
            .iter()
            .filter_map(|table| Some((quote(&table.name), table.identity.as_ref()?)))
        {
            let _ = write!(
                sql,
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({})) FROM {table}
                 HAVING max({0}) IS NOT NULL;",
                quote(column)
            );
        }
        let _ = write!(sql, "DROP TABLE {}; COMMIT", COPY_PROGRESS);
        // One statement after the other: within one text, all would be one transaction.
        for statement in sql.split(';') {
            self.batch(statement).await?;
        }
        Ok(())
    }
}

/// The columns, numbers as wide as the store has them.
fn wide(table: &Table) -> String {
    let columns = table.columns.iter().map(|column| match column.kind {
        ColumnKind::Number => format!("CAST({} AS BIGINT)", quote(&column.name)),
        ColumnKind::Text | ColumnKind::Other => quote(&column.name),
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// A value in the text form of `COPY`. A text with a NUL character cannot be kept by PostgreSQL.
fn push(text: &mut String, value: Value<'_>) -> Result<(), ()> {
    match value {
        Value::Number(Some(number)) => {
            // Writing to a string cannot fail.
            let _ = write!(text, "{number}");
        }
        Value::Text(Some(value)) => {
            let mut rest = value;
            while let Some(place) = rest.find(['\\', '\n', '\r', '\t', '\0']) {
                text.push_str(&rest[..place]);
                text.push_str(match rest.as_bytes()[place] {
                    b'\\' => "\\\\",
                    b'\n' => "\\n",
                    b'\r' => "\\r",
                    b'\t' => "\\t",
                    _ => return Err(()),
                });
                rest = &rest[place + 1..];
            }
            text.push_str(rest);
        }
        Value::Number(None) | Value::Text(None) => text.push_str("\\N"),
    }
    Ok(())
}
