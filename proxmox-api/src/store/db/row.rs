//! What is read from a row.

use super::super::StoreError;

/// A row of either database.
pub(in crate::store) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// The column at this place, from 0.
    pub(in crate::store) fn get<T: Column>(&self, place: usize) -> Result<T, StoreError> {
        T::read(self, place)
    }
}

/// What a column can be read as.
pub(in crate::store) trait Column: Sized {
    fn read(row: &Row<'_>, place: usize) -> Result<Self, StoreError>;
}

fn raw<T>(row: &Row<'_>, place: usize) -> Result<T, StoreError>
where
    T: rusqlite::types::FromSql + for<'a> tokio_postgres::types::FromSql<'a>,
{
    match row {
        Row::Sqlite(row) => Ok(row.get(place)?),
        Row::Postgres(row) => Ok(row.try_get(place)?),
    }
}

macro_rules! as_it_is {
    ($($kind:ty),*) => { $(impl Column for $kind {
        fn read(row: &Row<'_>, place: usize) -> Result<Self, StoreError> {
            raw(row, place)
        }
    })* };
}
as_it_is!(i64, String, Option<i64>, Option<String>);

macro_rules! narrower {
    ($($kind:ty),*) => { $(
        impl Column for $kind {
            fn read(row: &Row<'_>, place: usize) -> Result<Self, StoreError> {
                let number: i64 = raw(row, place)?;
                Self::try_from(number).map_err(|_| StoreError::Range("a stored number"))
            }
        }
        impl Column for Option<$kind> {
            fn read(row: &Row<'_>, place: usize) -> Result<Self, StoreError> {
                let number: Option<i64> = raw(row, place)?;
                let narrow = number.map(<$kind>::try_from).transpose();
                narrow.map_err(|_| StoreError::Range("a stored number"))
            }
        }
    )* };
}
narrower!(u16, u32, u64);
