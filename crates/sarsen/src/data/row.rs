//! Rows: one look at a driver's row, and how a type is read from it.

use super::statement::Text;
use super::value::{FromValue, Value, ValueRef};
use crate::error::{Error, Result};
use std::any::{Any, TypeId};
use std::cell::Cell;

/// What a driver gives of the row at hand.
pub(crate) trait RowSource {
    fn columns(&self) -> usize;
    fn column_name(&self, index: usize) -> &str;
    fn value(&self, index: usize) -> Result<ValueRef<'_>>;
}

/// One row of a result, while the driver stands on it.
pub struct Row<'a> {
    source: &'a dyn RowSource,
    /// Whether the names of the columns were found in the order in which the type asks for them.
    layout: &'a Layout,
}

/// What the first row of a result taught about the order of its columns.
#[derive(Default)]
pub(crate) struct Layout {
    known: Cell<bool>,
    moved: Cell<bool>,
}

impl Layout {
    /// The columns of `text` as the type behind `rows` asks for them: known, where an earlier run found them in order.
    pub(crate) fn of(text: &Text, rows: &dyn Rows) -> Self {
        let known = text.in_order.get().is_some_and(|known| Some(*known) == rows.item());
        Self { known: Cell::new(known), moved: Cell::new(false) }
    }

    /// Keeps for later runs that the columns were in order. Not of a text with `*`: its columns can change.
    pub(crate) fn keep(&self, text: &Text, rows: &dyn Rows) {
        let in_order = self.known.get() && !self.moved.get() && text.names_columns;
        if let Some(item) = rows.item().filter(|_| in_order) {
            let _ = text.in_order.set(item);
        }
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries((0..self.source.columns()).map(|index| self.source.column_name(index))).finish()
    }
}

impl<'a> Row<'a> {
    pub(crate) fn new(source: &'a dyn RowSource, layout: &'a Layout) -> Self {
        Self { source, layout }
    }

    /// After the first row: the order of the columns is known.
    pub(crate) fn learned(&self) {
        self.layout.known.set(true);
    }

    /// The value of the column of this name.
    pub fn get<V: FromValue>(&self, column: &str) -> Result<V> {
        let index = self.index_of(column)?;
        self.read(index, column)
    }

    /// Like [`Row::get`], trying column number `hint` first: what `#[derive(FromRow)]` calls, with the same hints for each row.
    #[inline]
    pub fn get_at<V: FromValue>(&self, hint: usize, column: &str) -> Result<V> {
        if self.layout.known.get() && !self.layout.moved.get() {
            return self.read(hint, column);
        }
        if hint < self.source.columns() && self.source.column_name(hint) == column {
            return self.read(hint, column);
        }
        self.layout.moved.set(true);
        self.get(column)
    }

    /// The value of column number `index`, counted from 0.
    pub fn at<V: FromValue>(&self, index: usize) -> Result<V> {
        if index >= self.source.columns() {
            return Err(Error::internal(format!("the row has {} columns, not {}", self.source.columns(), index + 1)));
        }
        self.read(index, "")
    }

    pub(crate) fn value_of(&self, column: &str) -> Result<Value> {
        Ok(self.source.value(self.index_of(column)?)?.to_value())
    }

    pub(crate) fn to_owned(&self) -> Result<OwnedRow> {
        let columns = (0..self.source.columns()).map(|index| self.source.column_name(index).to_owned());
        let values = (0..self.source.columns()).map(|index| Ok(self.source.value(index)?.to_value()));
        Ok(OwnedRow { columns: columns.collect(), values: values.collect::<Result<_>>()? })
    }

    fn index_of(&self, column: &str) -> Result<usize> {
        let found = (0..self.source.columns()).find(|index| self.source.column_name(*index) == column);
        found.ok_or_else(|| {
            Error::internal(format!("the row has no column `{column}`"))
                .hint(format!("it has: {self:?}; name it with AS"))
        })
    }

    #[inline]
    fn read<V: FromValue>(&self, index: usize, column: &str) -> Result<V> {
        let value = self.source.value(index)?;
        V::from_value(value).map_err(|error| {
            let name = if column.is_empty() { self.source.column_name(index) } else { column };
            let hint = error.hint_text().unwrap_or_default().to_owned();
            Error::internal(format!("column `{name}` {}", error.message())).hint(hint)
        })
    }
}

/// A row that outlives its driver's.
#[derive(Clone, Debug)]
pub(crate) struct OwnedRow {
    columns: Vec<String>,
    values: Vec<Value>,
}

impl RowSource for OwnedRow {
    fn columns(&self) -> usize {
        self.columns.len()
    }
    fn column_name(&self, index: usize) -> &str {
        &self.columns[index]
    }
    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        Ok(self.values[index].as_ref())
    }
}

/// A type that is read from a row. `#[derive(sarsen::FromRow)]` writes it, by the names of the fields.
///
/// ```
/// #[derive(sarsen::FromRow)]
/// struct Message { id: uuid::Uuid, text: String, edited_at: Option<sarsen::Timestamp> }
/// ```
pub trait FromRow: Sized + Send + 'static {
    /// Reads one row.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

macro_rules! tuples {
    ($($name:ident $index:tt),*) => {
        impl<$($name: FromValue + Send + 'static),*> FromRow for ($($name,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.at::<$name>($index)?,)*))
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// Where the rows of one run go; it can change threads.
pub(crate) trait Rows: Send + 'static {
    fn row(&mut self, row: &Row<'_>) -> Result<()>;
    /// The type that rows are read as, when it is one.
    fn item(&self) -> Option<TypeId> {
        None
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Keeps rows as `T`, at most `limit` of them.
pub(crate) struct Collect<T> {
    pub(crate) rows: Vec<T>,
    limit: usize,
}

impl<T> Collect<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), limit }
    }
}

impl<T: FromRow> Rows for Collect<T> {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        if self.rows.len() >= self.limit {
            return Err(too_many(self.limit));
        }
        self.rows.push(T::from_row(row)?);
        Ok(())
    }
    fn item(&self) -> Option<TypeId> {
        Some(TypeId::of::<T>())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Keeps the only row as `T`.
pub(crate) struct Only<T>(pub(crate) Option<T>);

impl<T: FromRow> Rows for Only<T> {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        if self.0.is_some() {
            return Err(too_many(1));
        }
        self.0 = Some(T::from_row(row)?);
        Ok(())
    }
    fn item(&self) -> Option<TypeId> {
        Some(TypeId::of::<T>())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn too_many(limit: usize) -> Error {
    Error::internal(format!("the query gives more than {limit} rows"))
        .hint("page it with page_by, read it with stream, or add a LIMIT")
}

/// Reads one value: the first column of the first row.
pub(crate) struct First<V>(pub(crate) Option<V>);

impl<V: FromValue + Send + 'static> Rows for First<V> {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        if self.0.is_none() {
            self.0 = Some(row.at(0)?);
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Keeps rows as they are.
#[derive(Default)]
pub(crate) struct Keep(pub(crate) Vec<OwnedRow>);

impl Rows for Keep {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        self.0.push(row.to_owned()?);
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Takes no rows.
pub(crate) struct Ignore;

impl Rows for Ignore {
    fn row(&mut self, _: &Row<'_>) -> Result<()> {
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
