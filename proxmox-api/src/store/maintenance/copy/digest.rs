//! A digest of a table's content, which is the same on either database.

use service::crypto::Sha256;

use super::{plan::Table, rows::Rows};
use crate::store::sql::Value;

/// The figures of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFigures {
    /// The table's name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of its amounts or balances in atomic units, where it has any.
    pub sum: Option<i128>,
    /// SHA-256 in hexadecimal over the names of its columns and all values, rows in the order of
    /// the key, columns in that of their names. A value is `-`, `i` with a number and `;`, or `t`
    /// with a length in bytes, `:` and a text.
    pub digest: String,
}

/// Figures that are still being added up.
pub(super) struct DigestBuilder {
    name: String,
    amount: Option<usize>,
    rows: u64,
    sum: i128,
    digest: Sha256,
    /// One row's part of the digest.
    row: Vec<u8>,
}

impl DigestBuilder {
    pub(super) fn new(table: &Table) -> Self {
        let mut digest = Sha256::default();
        for column in &table.columns {
            digest.update(column.name.as_bytes());
            digest.update(b"\n");
        }
        Self {
            name: table.name.clone(),
            amount: table.amount(),
            rows: 0,
            sum: 0,
            digest,
            row: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, rows: &Rows) {
        for row in rows.iter() {
            self.row.clear();
            for (place, value) in row.enumerate() {
                match value {
                    Value::Number(Some(number)) => {
                        self.row.extend_from_slice(format!("i{number};").as_bytes());
                        if self.amount == Some(place) {
                            self.sum += i128::from(number);
                        }
                    }
                    Value::Text(Some(text)) => {
                        let length = format!("t{}:", text.len());
                        self.row.extend_from_slice(length.as_bytes());
                        self.row.extend_from_slice(text.as_bytes());
                    }
                    Value::Number(None) | Value::Text(None) => self.row.push(b'-'),
                }
            }
            self.digest.update(&self.row);
            self.rows += 1;
        }
    }

    pub(super) fn finish(self) -> TableFigures {
        TableFigures {
            table: self.name,
            rows: self.rows,
            sum: self.amount.map(|_| self.sum),
            digest: self.digest.finish_hex(),
        }
    }
}
