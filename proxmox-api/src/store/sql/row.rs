//! Reads a row's columns by name.

use super::super::StoreError;

/// A row of either database.
pub(in crate::store) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// The column of this name; what is computed needs an `AS` in the statement.
    ///
    /// # Errors
    /// There is no such column, or it holds something else; both name the column.
    pub(in crate::store) fn get<T: Column>(&self, name: &'static str) -> Result<T, StoreError> {
        T::read(self, name)
    }
}

/// A type that a column can be read as.
pub(in crate::store) trait Column: Sized {
    fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError>;
}

fn raw<T>(row: &Row<'_>, name: &'static str) -> Result<T, StoreError>
where
    T: rusqlite::types::FromSql + for<'a> tokio_postgres::types::FromSql<'a>,
{
    match row {
        Row::Sqlite(row) => {
            let place = row.as_ref().column_index(name);
            let place = place.map_err(|_| StoreError::NoColumn(name))?;
            row.get(place).map_err(|_| StoreError::Unreadable(name))
        }
        Row::Postgres(row) => {
            let place = row
                .columns()
                .iter()
                .position(|column| column.name() == name);
            let place = place.ok_or(StoreError::NoColumn(name))?;
            row.try_get(place).map_err(|_| StoreError::Unreadable(name))
        }
    }
}

macro_rules! as_it_is {
    ($($kind:ty),*) => { $(impl Column for $kind {
        fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
            raw(row, name)
        }
    })* };
}
as_it_is!(i64, String, Option<i64>, Option<String>);

macro_rules! narrower {
    ($($kind:ty),*) => { $(
        impl Column for $kind {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let number: i64 = raw(row, name)?;
                Self::try_from(number).map_err(|_| StoreError::Range(name))
            }
        }
        impl Column for Option<$kind> {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let number: Option<i64> = raw(row, name)?;
                let narrow = number.map(<$kind>::try_from).transpose();
                narrow.map_err(|_| StoreError::Range(name))
            }
        }
    )* };
}
narrower!(u16, u32, u64);
