//! A database as the store's changes and looks see it: one set of SQL, SQLite or PostgreSQL behind it. Parameters are written
//! `?1`; numbers are 64 bits wide in both.

mod batch;
mod domain;
mod insert;
mod row;
#[cfg(test)]
pub(super) mod trace;
mod value;

use super::{StoreError, postgres::Session};
pub(super) use batch::{batches, parameters};
pub(super) use insert::{Cell, cells, insert_statement, taken_over};
pub(super) use row::Row;
pub(super) use value::{OwnedValue, ToValue, Value};

/// The values of a statement's parameters, in their order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::db::ToValue::to_value(&$value)),*] };
}
pub(super) use values;

/// A connection that is lent for one change or look.
#[derive(Clone, Copy)]
pub(super) enum Db<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a Session),
}

impl Db<'_> {
    /// Ends a `SELECT` that locks its rows until this change is committed; SQLite has one writer and needs no lock.
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
