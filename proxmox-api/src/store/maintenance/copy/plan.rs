//! The tables to copy: all of the file's schema with all their columns, as both databases list
//! them. A table that a later migration adds needs no change here.

use std::collections::{BTreeMap, BTreeSet};

use super::CopyError;
use crate::store::schema::COPY_PROGRESS;

/// Tables of the schema's version and of a copy's progress, which are not copied.
pub(super) const UPKEEP: [&str; 2] = ["schema_version", COPY_PROGRESS];
/// Columns whose sum is printed beside the count: amounts in atomic units.
const AMOUNTS: [&str; 2] = ["amount", "balance"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Number,
    Text,
    /// A type that the store does not use; a foreign table may have it.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
}

/// A table as one of the databases lists it.
#[derive(Debug, Default, Clone)]
pub(super) struct ListedTable {
    pub(super) columns: BTreeMap<String, ColumnKind>,
    /// The columns of the primary key by their places in it.
    pub(super) key: BTreeMap<i64, String>,
    /// The column whose values PostgreSQL hands out.
    pub(super) identity: Option<String>,
    /// Tables whose rows have to be there first.
    pub(super) refers_to: BTreeSet<String>,
}

/// Tables by name.
pub(super) type Catalog = BTreeMap<String, ListedTable>;

/// A table to be copied.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    /// In the order of their names, which both databases have in common.
    pub(super) columns: Vec<Column>,
    /// The places of the columns by which rows are ordered.
    pub(super) key: Vec<usize>,
    /// The column whose values PostgreSQL hands out.
    pub(super) identity: Option<String>,
}

impl Table {
    /// The place of the column that is summed, if there is one.
    pub(super) fn amount(&self) -> Option<usize> {
        let is_amount = |column: &Column| AMOUNTS.contains(&column.name.as_str());
        self.columns.iter().position(is_amount)
    }

    /// The columns as SQL lists them.
    pub(super) fn list(&self) -> String {
        let quoted = self.columns.iter().map(|column| quote(&column.name));
        quoted.collect::<Vec<_>>().join(", ")
    }

    /// The columns by which rows are ordered.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|place| &self.columns[*place])
    }
}

/// A name as both databases take it.
pub(super) fn quote(name: &str) -> String {
    format!("\"{name}\"")
}

/// The tables in an order in which rows that others refer to come first.
///
/// # Errors
/// The databases do not have the same tables and columns.
pub(super) fn plan(file: &Catalog, server: &Catalog) -> Result<Vec<Table>, CopyError> {
    let mut planned = Vec::new();
    let mut left: BTreeSet<&String> = file.keys().collect();
    while let Some(next) = left.iter().copied().find(|name| {
        let mut first = file[*name].refers_to.iter();
        first.all(|other| other == *name || !left.contains(other))
    }) {
        left.remove(next);
        let listed = server.get(next).ok_or_else(|| {
            CopyError::Shape(format!("the table {next} is missing on PostgreSQL"))
        })?;
        planned.push(table(next, &file[next], listed)?);
    }
    match left.first() {
        None => Ok(planned),
        Some(name) => Err(CopyError::Shape(format!("{name} refers to itself"))),
    }
}

fn table(name: &str, file: &ListedTable, server: &ListedTable) -> Result<Table, CopyError> {
    let mut columns = file.columns.clone();
    // SQLite has it in every table; where PostgreSQL does, the order of rows matters to the store.
    if server.columns.contains_key("rowid") {
        columns.insert("rowid".to_owned(), ColumnKind::Number);
    }
    let unknown = columns.values().any(|kind| *kind == ColumnKind::Other);
    if unknown || columns != server.columns {
        let names = |columns: &BTreeMap<String, ColumnKind>| {
            columns.keys().cloned().collect::<Vec<_>>().join(", ")
        };
        return Err(CopyError::Shape(format!(
            "the columns of {name} differ: {} in the file, {} on PostgreSQL",
            names(&columns),
            names(&server.columns)
        )));
    }
    let key = match columns.contains_key("rowid") {
        true => vec!["rowid".to_owned()],
        false => file.key.values().cloned().collect(),
    };
    let columns: Vec<_> = columns
        .into_iter()
        .map(|(name, kind)| Column { name, kind })
        .collect();
    let place = |wanted: &String| columns.iter().position(|column| column.name == *wanted);
    let places: Option<Vec<_>> = key.iter().map(place).collect();
    let places = places.filter(|places| !places.is_empty());
    Ok(Table {
        name: name.to_owned(),
        key: places.ok_or_else(|| CopyError::Shape(format!("{name} has no primary key")))?,
        columns,
        identity: server.identity.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(columns: &[&str], refers_to: &[&str]) -> ListedTable {
        let named = |name: &&str| ((*name).to_owned(), ColumnKind::Text);
        ListedTable {
            columns: columns.iter().map(named).collect(),
            key: BTreeMap::from([(1, columns[0].to_owned())]),
            identity: None,
            refers_to: refers_to.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn catalog(tables: &[(&str, ListedTable)]) -> Catalog {
        let owned = |(name, listed): &(&str, ListedTable)| ((*name).to_owned(), listed.clone());
        tables.iter().map(owned).collect()
    }

    #[test]
    fn rows_that_others_refer_to_come_first() {
        let both = catalog(&[
            ("a", listed(&["id"], &["c"])),
            ("b", listed(&["id"], &[])),
            ("c", listed(&["id"], &["d"])),
            ("d", listed(&["id"], &["d"])),
        ]);
        let planned = plan(&both, &both).unwrap();
        let names: Vec<_> = planned.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["b", "d", "c", "a"]);
    }

    #[test]
    fn a_table_or_column_that_only_one_database_has_is_refused() {
        let file = catalog(&[("a", listed(&["id", "x"], &[]))]);
        for server in [
            catalog(&[]),
            catalog(&[("a", listed(&["id"], &[]))]),
            catalog(&[("a", listed(&["id", "x", "y"], &[]))]),
        ] {
            let refused = plan(&file, &server).unwrap_err();
            assert!(matches!(refused, CopyError::Shape(_)), "{refused}");
        }
    }
}
