//! A change as a list of compare-and-set statements that are made together or not at all, without a read in between. On
//! PostgreSQL such a list takes one round trip and no lock but those of its rows.

use std::borrow::Cow;

use rusqlite::ErrorCode;

use super::{
    Db, ServerError, StoreError,
    db::{Cell, OwnedValue, Value, insert_statement},
};

/// The values of a statement that keeps them, in their order.
macro_rules! kept {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::OwnedValue::of(&$value)),*] };
}
pub(super) use kept;

/// Tables that steps change, in the order in which their rows are locked, so that two groups of changes with rows in common
/// do not deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Payments,
    Debts,
    DemoTransfers,
    DemoBalances,
    Events,
}

/// Why a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The row is not as it has to be.
    Overtaken,
    /// A part of a payment's move, such as the activation of its lease, is refused.
    ChangeRefused,
    /// The transfer pays for another purchase.
    EvidenceTaken,
    /// There is too little money.
    Insufficient,
}

impl From<Unfit> for StoreError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Overtaken => Self::Overtaken,
            Unfit::ChangeRefused => Self::ChangeRefused,
            Unfit::EvidenceTaken => Self::EvidenceTaken,
            Unfit::Insufficient => Self::Insufficient,
        }
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The row that it changes, by which the steps of a group are sorted.
    pub(super) row: (Table, String),
    pub(super) sql: Cow<'static, str>,
    pub(super) values: Vec<OwnedValue>,
    /// The error if it changes no row; `None` where it may change none.
    pub(super) required: Option<Unfit>,
    /// The error if a unique index refuses it.
    pub(super) taken: Option<Unfit>,
}

impl Step {
    pub(super) fn new(
        table: Table,
        row: &str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<OwnedValue>,
    ) -> Self {
        Self {
            row: (table, row.to_owned()),
            sql: sql.into(),
            values,
            required: None,
            taken: None,
        }
    }

    /// Inserts a row; `or` is empty or an `ON CONFLICT` clause.
    pub(super) fn insert(
        place: (Table, &str),
        table: &'static str,
        row: &[Cell<'_>],
        or: &str,
    ) -> Self {
        let values = row
            .iter()
            .map(|(_, value)| OwnedValue::of(*value))
            .collect();
        Self::new(place.0, place.1, insert_statement(table, row, or), values)
    }

    /// Makes it an error to change no row.
    pub(super) fn or(mut self, unfit: Unfit) -> Self {
        self.required = Some(unfit);
        self
    }

    /// Turns a violated unique index into this error.
    pub(super) fn unless_taken(mut self, unfit: Unfit) -> Self {
        self.taken = Some(unfit);
        self
    }

    /// Executes it within a change that reads before it writes.
    pub(super) fn make(&self, db: Db<'_>) -> Result<(), StoreError> {
        let values: Vec<Value<'_>> = self.values.iter().map(OwnedValue::borrow).collect();
        match (db.execute(&self.sql, &values), self.required, self.taken) {
            (Ok(0), Some(unfit), _) => Err(unfit.into()),
            (Ok(_), ..) => Ok(()),
            (Err(error), _, Some(unfit)) if is_taken(&error) => Err(unfit.into()),
            (Err(error), ..) => Err(error),
        }
    }
}

/// Whether a unique index refused a statement.
fn is_taken(error: &StoreError) -> bool {
    match error {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
            error.code == ErrorCode::ConstraintViolation
                && [
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE,
                    rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
                ]
                .contains(&error.extended_code)
        }
        StoreError::Postgres(error) => matches!(error, ServerError::Taken(_)),
        _ => false,
    }
}
