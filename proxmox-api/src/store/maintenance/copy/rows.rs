//! A batch of rows, bounded in rows and bytes.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::store::sql::Value;

/// How much one batch holds: a batch is one transaction of the target.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct BatchSize {
    /// Rows.
    pub(in crate::store) rows: usize,
    /// Bytes of text.
    pub(in crate::store) bytes: usize,
}

impl Default for BatchSize {
    /// Large enough to hide the flush of a commit, small enough for a few batches in memory.
    fn default() -> Self {
        Self {
            rows: 10_000,
            bytes: 8 << 20,
        }
    }
}

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Number(i64),
    /// A part of the batch's text.
    Text(Range<usize>),
}

/// Rows of one table, in the order of its key.
#[derive(Debug)]
pub(super) struct Rows {
    width: usize,
    cells: Vec<Cell>,
    text: String,
}

impl Rows {
    /// An empty batch of rows with so many columns.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            cells: Vec::new(),
            text: String::new(),
        }
    }

    /// Adds the next cell of the row in hand.
    pub(super) fn push(&mut self, value: Value<'_>) {
        self.cells.push(match value {
            Value::Number(Some(number)) => Cell::Number(number),
            Value::Text(Some(text)) => {
                let start = self.text.len();
                self.text.push_str(text);
                Cell::Text(start..self.text.len())
            }
            Value::Number(None) | Value::Text(None) => Cell::Null,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    pub(super) fn is_full(&self, size: BatchSize) -> bool {
        self.len() >= size.rows || self.text.len() >= size.bytes
    }

    /// The rows, as iterators over their cells. A missing value is `Text(None)` in every column.
    pub(super) fn iter(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = Value<'_>>> {
        self.cells.chunks_exact(self.width).map(|row| {
            row.iter().map(|cell| match cell {
                Cell::Null => Value::Text(None),
                Cell::Number(number) => Value::Number(Some(*number)),
                Cell::Text(range) => Value::Text(Some(&self.text[range.clone()])),
            })
        })
    }

    /// The key of the last row, whose columns stand at these places.
    pub(super) fn last_key(&self, places: &[usize]) -> Option<Vec<Key>> {
        let row: Vec<_> = self.iter().last()?.collect();
        places.iter().map(|place| Key::of(row[*place])).collect()
    }
}

/// A part of a row's key, which is never missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Number(number) => number.map(Self::Number),
            Value::Text(text) => text.map(|text| Self::Text(text.to_owned())),
        }
    }

    /// As SQL has it.
    pub(super) fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => literal(text),
        }
    }
}

/// A text as both databases take it in SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
