//! A step of a change: a compare-and-set statement. The steps of a list are made together or not at
//! all, without a read in between. On PostgreSQL a list takes one round trip and no lock but those
//! of its rows.

use std::borrow::Cow;

use super::{Cell, OwnedValue, insert_statement};
use crate::store::StoreError;

/// The owned values of a statement, in order.
macro_rules! owned_values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::OwnedValue::of(&$value)),*] };
}
pub(in crate::store) use owned_values;

/// Tables that steps change, in the order in which their rows are locked, so that two groups of
/// changes with rows in common do not deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum StepTable {
    Payments,
    Debts,
    Credit,
    ApiKeys,
    Holds,
    Ledger,
    DemoTransfers,
    DemoBalances,
    Events,
}

/// Why a step refuses the whole change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum StepRefusal {
    /// The row is not in the expected state.
    Overtaken,
    /// A change that belongs to a payment's transition does not fit.
    ChangeRefused,
    /// The transfer pays for another purchase.
    EvidenceTaken,
    /// There is too little money.
    Insufficient,
}

impl From<StepRefusal> for StoreError {
    fn from(unfit: StepRefusal) -> Self {
        match unfit {
            StepRefusal::Overtaken => Self::Overtaken,
            StepRefusal::ChangeRefused => Self::ChangeRefused,
            StepRefusal::EvidenceTaken => Self::EvidenceTaken,
            StepRefusal::Insufficient => Self::Insufficient,
        }
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub(in crate::store) struct Step {
    /// The row that it changes, by which the steps of a group are sorted.
    pub(in crate::store) row: (StepTable, String),
    pub(in crate::store) sql: Cow<'static, str>,
    pub(in crate::store) values: Vec<OwnedValue>,
    /// The error if it changes no row; `None` where it may change none.
    pub(in crate::store) required: Option<StepRefusal>,
    /// The error if a unique index refuses it.
    pub(in crate::store) taken: Option<StepRefusal>,
}

impl Step {
    pub(in crate::store) fn new(
        table: StepTable,
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
    pub(in crate::store) fn insert(
        place: (StepTable, &str),
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
    pub(in crate::store) fn or(mut self, unfit: StepRefusal) -> Self {
        self.required = Some(unfit);
        self
    }

    /// Turns a violated unique index into this error.
    pub(in crate::store) fn unless_taken(mut self, unfit: StepRefusal) -> Self {
        self.taken = Some(unfit);
        self
    }
}
