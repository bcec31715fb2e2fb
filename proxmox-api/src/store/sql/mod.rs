//! SQL for both databases: values, columns by name, and statements as text. Parameters are written
//! `?1`; numbers are 64 bits wide in both.

mod batch;
mod domain;
mod insert;
mod row;
mod step;
mod value;

pub(super) use batch::{batches, insert_many_statement, parameters};
pub(super) use insert::{Cell, cells, insert_statement, taken_over};
pub(super) use row::Row;
pub(super) use step::{Step, StepRefusal, StepTable, owned_values};
pub(super) use value::{OwnedValue, ToValue, Value};

/// The values of a statement's parameters, in their order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::ToValue::to_value(&$value)),*] };
}
pub(super) use values;
