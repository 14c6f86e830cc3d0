//! The indexes that could help a query: columns that are compared for equality first, then those of a range or an order.

use super::shape::{Column, Resolved};
use crate::data::TableFacts;
use serde::{Deserialize, Serialize};

/// Most columns of an index, and most that are tried for one query and table.
const MOST_COLUMNS: usize = 4;
const MOST: usize = 16;

/// An index that may be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The table.
    pub table: String,
    /// Its columns, the first one first; `DESC` stands behind one where the directions differ.
    pub columns: Vec<String>,
    /// Which rows it has; empty where it has all.
    pub predicate: String,
}

impl Draft {
    /// A name that says what it is.
    pub fn name(&self) -> String {
        let columns = self.columns.iter().map(|column| column.replace(' ', "_").to_lowercase());
        let partial = if self.predicate.is_empty() { "" } else { "_some" };
        let mut name = format!("{}_{}{partial}", self.table, columns.collect::<Vec<_>>().join("_"));
        name.truncate(60);
        name
    }

    /// The statement that makes it.
    pub fn sql(&self) -> String {
        let only = if self.predicate.is_empty() { String::new() } else { format!(" WHERE {}", self.predicate) };
        format!("CREATE INDEX {} ON {} ({}){only}", self.name(), self.table, self.columns.join(", "))
    }

    /// Whether this says less than another: all rows, fewer columns.
    pub(super) fn simpler(&self, other: &Draft) -> bool {
        (!self.predicate.is_empty(), self.columns.len()) < (!other.predicate.is_empty(), other.columns.len())
    }

    /// Whether it does all that a shorter one does.
    pub(super) fn covers(&self, shorter: &Draft) -> bool {
        self.table == shorter.table && self.predicate == shorter.predicate && self.columns.starts_with(&shorter.columns)
    }
}

/// What is worth trying for a query on `table`.
pub(super) fn of(shape: &Resolved, table: &TableFacts) -> Vec<Draft> {
    let own = |columns: &[Column]| {
        let mut names: Vec<String> = Vec::new();
        for column in columns.iter().filter(|column| column.table == table.name) {
            if !names.contains(&column.name) {
                names.push(column.name.clone());
            }
        }
        names
    };
    let (equal, nulls, ranges) = (own(&shape.equal), own(&shape.nulls), own(&shape.ranges));
    let orders: Vec<Vec<String>> = shape
        .orders
        .iter()
        .filter(|order| order.iter().all(|(column, _)| column.table == table.name))
        .map(|order| directed(order))
        .collect();
    let mut lists = Vec::new();
    let mut starts = vec![equal.clone()];
    if equal.len() > 1 {
        starts.extend(equal.iter().map(|column| vec![column.clone()]));
        starts.push(equal.iter().rev().cloned().collect());
    }
    // A range or an order alone is worth an index only where nothing narrows the rows down first.
    if equal.iter().all(|column| is_unique(table, column)) {
        starts.push(Vec::new());
    }
    for start in &starts {
        lists.extend(orders.iter().map(|order| joined(start, order)));
        lists.extend(ranges.iter().map(|range| joined(start, std::slice::from_ref(range))));
        lists.push(start.clone());
        if !nulls.is_empty() {
            let start = joined(start, &nulls);
            lists.extend(orders.iter().map(|order| joined(&start, order)));
        }
    }
    let predicate = nulls.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" AND ");
    let mut drafts: Vec<Draft> = Vec::new();
    for (columns, predicate) in lists.iter().flat_map(|columns| [(columns, ""), (columns, predicate.as_str())]) {
        let draft = Draft { table: table.name.clone(), columns: columns.clone(), predicate: predicate.to_owned() };
        let names_itself = !predicate.is_empty() && nulls.iter().any(|column| columns.contains(column));
        if !columns.is_empty()
            && columns.len() <= MOST_COLUMNS
            && !names_itself
            && !drafts.contains(&draft)
            && !is_there(table, &draft)
        {
            drafts.push(draft);
        }
    }
    drafts.truncate(MOST);
    drafts
}

/// Columns as they are ordered; only where the directions differ do they matter.
fn directed(order: &[(Column, bool)]) -> Vec<String> {
    let mixed = order.iter().any(|(_, descends)| *descends != order[0].1);
    order
        .iter()
        .map(
            |(column, descends)| if mixed && *descends { format!("{} DESC", column.name) } else { column.name.clone() },
        )
        .collect()
}

fn joined(start: &[String], end: &[String]) -> Vec<String> {
    let rest = end.iter().filter(|column| !start.contains(column));
    start.iter().chain(rest).cloned().collect()
}

/// Whether rows are found by that column alone.
fn is_unique(table: &TableFacts, column: &str) -> bool {
    table.indexes.iter().any(|index| index.unique && index.columns.len() == 1 && index.columns[0] == column)
}

fn is_there(table: &TableFacts, draft: &Draft) -> bool {
    table
        .indexes
        .iter()
        .any(|index| (!index.partial && index.columns.starts_with(&draft.columns)) || index.name == draft.name())
}
