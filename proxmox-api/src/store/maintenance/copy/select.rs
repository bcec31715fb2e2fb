//! The query that reads a table in the order of its key.

use super::{
    plan::{ColumnKind, Table, quote},
    rows::Key,
};

/// A query for all rows after a key, in its order. `part` writes a column of the key so that its
/// order is that of its bytes.
pub(super) fn select(
    table: &Table,
    columns: &str,
    after: &[Key],
    part: impl Fn(&str) -> String,
) -> String {
    let parts: Vec<_> = table
        .key_columns()
        .map(|column| match column.kind {
            ColumnKind::Text => part(&quote(&column.name)),
            _ => quote(&column.name),
        })
        .collect();
    let parts = parts.join(", ");
    let literals: Vec<_> = after.iter().map(Key::literal).collect();
    let condition = match literals.is_empty() {
        true => String::new(),
        false => format!("WHERE ({parts}) > ({})", literals.join(", ")),
    };
    let name = quote(&table.name);
    format!("SELECT {columns} FROM {name} {condition} ORDER BY {parts}")
}
