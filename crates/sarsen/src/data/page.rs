//! Keyset pagination: a page costs the same at the end of a list as at its start, and new rows shift nothing.

use super::Db;
use super::row::{FromRow, Row, Rows};
use super::value::Value;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::borrow::Cow;
use std::fmt::Write;

/// Rows of a page where the request names no limit.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a page.
pub const MAX_LIMIT: u32 = 100;

/// A column to order by, and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    column: &'static str,
    descending: bool,
}

impl Order {
    /// Smallest first.
    pub const fn asc(column: &'static str) -> Self {
        Self { column, descending: false }
    }

    /// Largest first.
    pub const fn desc(column: &'static str) -> Self {
        Self { column, descending: true }
    }
}

/// Which page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct PageRequest {
    /// The `next` of the page before; absent for the first page.
    pub cursor: Option<String>,
    /// Most items on the page, 1 to 100; 50 when absent.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
}

/// Some items of a list, and the cursor of what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Asks for what follows; absent at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

impl PageRequest {
    /// The limit asked for, checked.
    pub fn limit(&self) -> Result<u32> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        Err(Error::invalid_field("limit", format!("is {limit}, not between 1 and {MAX_LIMIT}")))
    }

    /// The values after which the page starts.
    pub(super) fn after(&self, db: &Db, order: &[Order], list: u64) -> Result<Option<Vec<Value>>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let wrong =
            || Error::invalid_field("cursor", "was not given by this list").hint("start again without a cursor");
        let text = db.open_sealed(cursor).map_err(|_| wrong())?;
        let Position { list: of, values } = serde_json::from_str(&text).map_err(|_| wrong())?;
        if of != list || values.len() != order.len() {
            return Err(wrong());
        }
        values.into_iter().map(Key::into_value).collect::<Option<_>>().map(Some).ok_or_else(wrong)
    }
}

#[derive(Serialize, Deserialize)]
struct Position {
    list: u64,
    values: Vec<Key>,
}

/// A value inside a cursor, with its type.
#[derive(Serialize, Deserialize)]
enum Key {
    B(bool),
    I(i64),
    /// Its bits: decimal text would not bring each number back exactly.
    F(u64),
    T(String),
    X(Vec<u8>),
    U(uuid::Uuid),
    W(i64),
}

impl Key {
    fn new(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Null => {
                return Err(
                    Error::internal("a column to order by is NULL").hint("order by columns that are never NULL")
                );
            }
            Value::Bool(value) => Key::B(*value),
            Value::Int(value) => Key::I(*value),
            Value::Float(value) => Key::F(value.to_bits()),
            Value::Text(value) => Key::T(value.clone().into_owned()),
            Value::Json(value) => Key::T(value.clone()),
            Value::Bytes(value) => Key::X(value.clone()),
            Value::Uuid(value) => Key::U(*value),
            Value::Timestamp(value) => Key::W(value.as_micros()),
        })
    }

    fn into_value(self) -> Option<Value> {
        Some(match self {
            Key::B(value) => Value::Bool(value),
            Key::I(value) => Value::Int(value),
            Key::F(bits) => Value::Float(f64::from_bits(bits)),
            Key::T(value) => Value::Text(Cow::Owned(value)),
            Key::X(value) => Value::Bytes(value),
            Key::U(value) => Value::Uuid(value),
            Key::W(value) => Value::Timestamp(crate::clock::Timestamp::from_micros(value)),
        })
    }
}

/// The query of one page around the query of the list. Databases flatten it, so its indexes serve both.
pub(super) fn paged(sql: &str, order: &[Order], after: bool) -> String {
    let mut out = format!("SELECT * FROM ({}\n) AS page", sql.trim_end().trim_end_matches(';'));
    if after {
        let _ = write!(out, " WHERE {}", beyond(order));
    }
    let keys = order.iter().map(|key| format!("{}{}", key.column, if key.descending { " DESC" } else { "" }));
    let _ = write!(out, " ORDER BY {} LIMIT ?", keys.collect::<Vec<_>>().join(", "));
    out
}

fn same_direction(order: &[Order]) -> bool {
    order.iter().all(|key| key.descending == order[0].descending)
}

/// The condition for what comes after the cursor: one row comparison, or by hand where directions differ.
fn beyond(order: &[Order]) -> String {
    let sign = |key: &Order| if key.descending { "<" } else { ">" };
    if same_direction(order) {
        let columns = order.iter().map(|key| key.column).collect::<Vec<_>>().join(", ");
        let marks = vec!["?"; order.len()].join(", ");
        return format!("({columns}) {} ({marks})", sign(&order[0]));
    }
    let cases = order.iter().enumerate().map(|(index, key)| {
        let equal = order[..index].iter().map(|key| format!("{} = ? AND ", key.column)).collect::<String>();
        format!("({equal}{} {} ?)", key.column, sign(key))
    });
    cases.collect::<Vec<_>>().join(" OR ")
}

/// The values for the placeholders of [`beyond`].
pub(super) fn bound(order: &[Order], after: Vec<Value>) -> Vec<Value> {
    if after.is_empty() || same_direction(order) {
        return after;
    }
    (1..=after.len()).flat_map(|count| after[..count].to_vec()).collect()
}

/// Keeps the rows of a page and the place of its last row.
pub(super) struct PageRows<T> {
    order: Vec<Order>,
    limit: usize,
    items: Vec<T>,
    last: Vec<Value>,
    more: bool,
}

impl<T: FromRow> PageRows<T> {
    pub(super) fn new(order: Vec<Order>, limit: u32) -> Self {
        Self { order, limit: limit as usize, items: Vec::new(), last: Vec::new(), more: false }
    }

    pub(super) fn into_page(self, db: &Db, list: u64) -> Result<Page<T>> {
        if !self.more {
            return Ok(Page { items: self.items, next: None });
        }
        let values = self.last.iter().map(Key::new).collect::<Result<_>>()?;
        let text = serde_json::to_string(&Position { list, values });
        let text = text.map_err(|error| Error::internal("a cursor cannot be written").source(error))?;
        Ok(Page { items: self.items, next: Some(db.seal(&text)) })
    }
}

impl<T: FromRow> Rows for PageRows<T> {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        if self.items.len() == self.limit {
            self.more = true;
            return Ok(());
        }
        self.items.push(T::from_row(row)?);
        if self.items.len() == self.limit {
            self.last = self.order.iter().map(|key| row.value_of(key.column)).collect::<Result<_>>()?;
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_query_compares_rows_or_spells_it_out() {
        let same = paged("SELECT a, b FROM t;", &[Order::desc("a"), Order::desc("b")], true);
        assert_eq!(
            same,
            "SELECT * FROM (SELECT a, b FROM t\n) AS page WHERE (a, b) < (?, ?) ORDER BY a DESC, b DESC LIMIT ?"
        );
        let mixed = paged("SELECT a, b FROM t", &[Order::desc("a"), Order::asc("b")], true);
        assert!(mixed.contains("WHERE (a < ?) OR (a = ? AND b > ?)"), "{mixed}");
        let values = vec![Value::Int(1), Value::Int(2)];
        assert_eq!(bound(&[Order::desc("a"), Order::asc("b")], values).len(), 3);
    }
}
