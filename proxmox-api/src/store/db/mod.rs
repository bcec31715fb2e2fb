//! The connections to either database, and how changes and reads use them: [`Db`] runs the same SQL
//! on both, [`pool`] lends connections, [`writer`] makes changes.

mod pool;
#[cfg(test)]
pub(super) mod trace;
mod writer;

use rusqlite::ErrorCode;

use super::{
    ServerError, StoreError,
    postgres::Session,
    sql::{Cell, OwnedValue, Row, Step, Value, batches, insert_many_statement, insert_statement},
};
pub(super) use pool::Pool;
pub(super) use writer::{PostgresWriters, SqliteWriter, Writer};

/// A connection that is lent for one change or look.
#[derive(Clone, Copy)]
pub(super) enum Db<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a Session),
}

impl Db<'_> {
    /// Ends a `SELECT` that locks its rows until this change is committed; SQLite has one writer
    /// and needs no lock.
    pub(super) fn and_hold(self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// Changes rows and says how many.
    pub(super) fn execute(self, sql: &str, values: &[Value<'_>]) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let changed = statement.execute(rusqlite::params_from_iter(values));
                #[cfg(test)]
                trace::ran(connection, &statement, sql, values);
                Ok(changed?)
            }
            Self::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Every row.
    pub(super) fn all<T, C: FromIterator<T>>(
        self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<C, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let all = std::iter::from_fn(|| match rows.next() {
                    Ok(row) => row.map(|row| read(&Row::Sqlite(row))),
                    Err(error) => Some(Err(error.into())),
                })
                .collect();
                drop(rows);
                #[cfg(test)]
                trace::ran(connection, &statement, sql, values);
                all
            }
            Self::Postgres(session) => {
                let rows = session.query(sql, values)?;
                rows.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The first row, if there is one.
    pub(super) fn optional<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let changes = !statement.readonly();
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let first = rows.next()?;
                let found = first.map(|row| read(&Row::Sqlite(row))).transpose()?;
                // A change that returns its row is done only when it was stepped to its end.
                while changes && rows.next()?.is_some() {}
                drop(rows);
                #[cfg(test)]
                trace::ran(connection, &statement, sql, values);
                Ok(found)
            }
            Self::Postgres(session) => {
                let rows = session.query(sql, values)?;
                rows.first()
                    .map(|row| read(&Row::Postgres(row)))
                    .transpose()
            }
        }
    }

    /// The one row that there is for certain.
    pub(super) fn one<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.optional(sql, values, read)?
            .ok_or(StoreError::Unreadable("a row that has to be there"))
    }

    /// Inserts a row; `or` is empty or an `ON CONFLICT` clause. Says how many rows changed.
    pub(super) fn insert(
        self,
        table: &'static str,
        row: &[Cell<'_>],
        or: &str,
    ) -> Result<usize, StoreError> {
        let values: Vec<Value<'_>> = row.iter().map(|(_, value)| value.to_value()).collect();
        self.execute(&insert_statement(table, row, or), &values)
    }

    /// Inserts rows of the same columns; `or` is empty or an `ON CONFLICT` clause.
    pub(super) fn insert_all(
        self,
        table: &'static str,
        rows: &[Vec<Cell<'_>>],
        or: &str,
    ) -> Result<(), StoreError> {
        for rows in batches(rows) {
            let values: Vec<Value<'_>> = rows
                .iter()
                .flat_map(|row| row.iter().map(|(_, value)| value.to_value()))
                .collect();
            self.execute(&insert_many_statement(table, rows, or), &values)?;
        }
        Ok(())
    }

    /// Makes a step within a change that reads before it writes.
    pub(super) fn make(self, step: &Step) -> Result<(), StoreError> {
        let values: Vec<Value<'_>> = step.values.iter().map(OwnedValue::borrow).collect();
        match (self.execute(&step.sql, &values), step.required, step.taken) {
            (Ok(0), Some(unfit), _) => Err(unfit.into()),
            (Ok(_), ..) => Ok(()),
            (Err(error), _, Some(unfit)) if is_unique_violation(&error) => Err(unfit.into()),
            (Err(error), ..) => Err(error),
        }
    }

    /// Whether there is any row.
    pub(super) fn exists(self, sql: &str, values: &[Value<'_>]) -> Result<bool, StoreError> {
        Ok(self.optional(sql, values, |_| Ok(()))?.is_some())
    }
}

/// A connection that is kept.
pub(super) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

impl Connection {
    /// Lends it.
    pub(super) fn lend(&self) -> Db<'_> {
        match self {
            Self::Sqlite(connection) => Db::Sqlite(connection),
            Self::Postgres(session) => Db::Postgres(session),
        }
    }
}

/// Whether a unique index refused a statement.
fn is_unique_violation(error: &StoreError) -> bool {
    match error {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
            error.code == ErrorCode::ConstraintViolation
                && [
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE,
                    rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
                ]
                .contains(&error.extended_code)
        }
        StoreError::Postgres(error) => matches!(error, ServerError::UniqueViolation(_)),
        _ => false,
    }
}
