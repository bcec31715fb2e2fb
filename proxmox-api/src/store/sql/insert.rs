//! Inserts by name, so that a value cannot end up under another column's parameter number.

use std::fmt::Write as _;

use super::ToValue;

/// A column of a new row, and its value.
pub(in crate::store) type Cell<'a> = (&'static str, &'a dyn ToValue);

/// The cells of a new row, by column.
macro_rules! cells {
    ($($column:literal: $value:expr),* $(,)?) => {
        [$(($column, &$value as &dyn $crate::store::sql::ToValue)),*]
    };
}
pub(in crate::store) use cells;

/// The statement that inserts a row; `or` is empty or an `ON CONFLICT` clause.
pub(in crate::store) fn insert_statement(table: &str, row: &[Cell<'_>], or: &str) -> String {
    let (mut columns, mut parameters) = (String::new(), String::new());
    for (number, (column, _)) in (1..).zip(row) {
        let comma = if number == 1 { "" } else { ", " };
        columns.push_str(comma);
        columns.push_str(column);
        // Writing to a string cannot fail.
        let _ = write!(parameters, "{comma}?{number}");
    }
    format!("INSERT INTO {table} ({columns}) VALUES ({parameters}) {or}")
}

/// What an `ON CONFLICT … DO UPDATE SET` takes over from the new row: every column but those that
/// are kept.
pub(in crate::store) fn taken_over(row: &[Cell<'_>], kept: &[&str]) -> String {
    let columns = row.iter().map(|(column, _)| *column);
    let taken = columns.filter(|column| !kept.contains(column));
    let taken = taken.map(|column| format!("{column} = excluded.{column}"));
    taken.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_stands_under_its_column() {
        let row = cells! { "lease_id": "l", "vmid": 3_u32, "minutes": 60_u32 };
        assert_eq!(
            insert_statement("leases", &row, "ON CONFLICT DO NOTHING"),
            "INSERT INTO leases (lease_id, vmid, minutes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            taken_over(&row, &["lease_id"]),
            "vmid = excluded.vmid, minutes = excluded.minutes"
        );
    }
}
