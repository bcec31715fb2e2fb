//! Inserts of many rows. Statements stay prepared by their text, so lists are cut to a few lengths.

use std::fmt::Write as _;

use super::Cell;

/// The lengths that lists are cut into.
const LENGTHS: [usize; 5] = [256, 64, 16, 4, 1];

/// Cuts a list into pieces of few different lengths, at most 256 long.
pub(in crate::store) fn batches<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = LENGTHS.into_iter().find(|length| *length <= rest.len())?;
        let (piece, left) = rest.split_at(length);
        rest = left;
        Some(piece)
    })
}

/// Parameters from number `first` on, for `IN (…)`.
pub(in crate::store) fn parameters(first: usize, count: usize) -> String {
    let mut list = String::new();
    for number in first..first + count {
        let comma = if number == first { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(list, "{comma}?{number}");
    }
    list
}

/// The statement that inserts rows of the same columns; `or` is empty or an `ON CONFLICT` clause.
pub(in crate::store) fn insert_many_statement(
    table: &str,
    rows: &[Vec<Cell<'_>>],
    or: &str,
) -> String {
    let columns: Vec<&str> = rows[0].iter().map(|(column, _)| *column).collect();
    let width = columns.len();
    let tuples: Vec<String> = (0..rows.len())
        .map(|row| format!("({})", parameters(row * width + 1, width)))
        .collect();
    format!(
        "INSERT INTO {table} ({}) VALUES {} {or}",
        columns.join(", "),
        tuples.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{super::cells, *};

    #[test]
    fn pieces_of_few_lengths_make_up_the_whole_list() {
        let all: Vec<usize> = (0..5_000).collect();
        let pieces: Vec<&[usize]> = batches(&all).collect();
        assert_eq!(pieces.concat(), all);
        assert_eq!(pieces.len(), 19 + 2 + 2);
        assert_eq!(batches(&all[..0]).count(), 0);
    }

    #[test]
    fn each_value_of_each_row_stands_under_its_column() {
        let rows: [Vec<Cell<'_>>; 2] = [
            cells! { "lease_id": "l", "vmid": 3_u32 }.into(),
            cells! { "lease_id": "m", "vmid": 4_u32 }.into(),
        ];
        assert_eq!(
            insert_many_statement("leases", &rows, "ON CONFLICT DO NOTHING"),
            "INSERT INTO leases (lease_id, vmid) VALUES (?1, ?2), (?3, ?4) ON CONFLICT DO NOTHING"
        );
    }
}
