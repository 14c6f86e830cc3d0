//! One query: its text, what is bound, and the ways to run it. The same on [`Db`] and [`Tx`].

use super::page::{Order, Page, PageRequest, PageRows};
use super::row::{Collect, First, FromRow, Ignore, Layout, Only, Row, Rows};
use super::run::Run;
use super::statement::Text;
use super::value::{FromValue, IntoValue, Value};
use super::{Db, MAX_MANY, Tx, observe};
use crate::clock::Ticks;
use crate::error::{Error, Result};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;

/// Most rows that `all` gives; more is an error that names the ways out.
pub(super) const MAX_ROWS: usize = 100_000;

/// What is bound to one placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    One(Value),
    List(Vec<Value>),
}

/// One run of a text, ready for a driver.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) text: Arc<Text>,
    pub(crate) binds: Vec<Bind>,
    /// It runs once for each of these rows, instead of with `binds`.
    pub(crate) many: Option<Vec<Vec<Value>>>,
    pub(crate) site: &'static Location<'static>,
    /// When it was asked for.
    pub(crate) asked: Ticks,
    /// When it must have ended, where the Operation or the configuration says so.
    pub(crate) deadline: Ticks,
}

impl Call {
    /// How often the statement runs.
    pub(crate) fn runs(&self) -> usize {
        self.many.as_ref().map_or(1, Vec::len)
    }
}

/// A call, and where its rows go.
pub(crate) type Step = (Call, Box<dyn Rows>);

/// The rows of a call, and how many there were or were changed.
pub(crate) type Answer = (Box<dyn Rows>, u64);

/// Something that queries can be asked of: [`Db`] or [`Tx`].
pub trait Queryable {
    /// A query of this text, with `?` for each value.
    fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_>;
}

impl Queryable for Db {
    fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Db::query(self, sql)
    }
}

impl Queryable for Tx {
    fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Tx::query(self, sql)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'c> {
    Db(&'c Db),
    Tx(&'c Tx),
}

impl<'c> Target<'c> {
    pub(super) fn db(self) -> &'c Db {
        match self {
            Target::Db(db) => db,
            Target::Tx(tx) => tx.db(),
        }
    }
}

/// A query being put together. Nothing runs until one of `all`, `one`, `optional`, `scalar`, `execute`, `execute_many`,
/// `stream`, `group_by`, `index_by` or `page_by` is awaited.
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query<'c> {
    target: Target<'c>,
    sql: Cow<'static, str>,
    binds: Vec<Bind>,
    many: Option<Vec<Vec<Value>>>,
    of_framework: bool,
    error: Option<Error>,
}

impl<'c> Query<'c> {
    pub(super) fn new(target: Target<'c>, sql: Cow<'static, str>) -> Self {
        Self { target, sql, binds: Vec::new(), many: None, of_framework: false, error: None }
    }

    /// Binds the value of the next `?`.
    pub fn bind(mut self, value: impl IntoValue) -> Self {
        match value.into_value() {
            Ok(value) => self.binds.push(Bind::One(value)),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Binds the list of the next `IN (?)` or `NOT IN (?)`; it may be empty. Limit: `database.max_list`.
    pub fn bind_list<V: IntoValue>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        let values: Result<Vec<Value>> = values.into_iter().map(IntoValue::into_value).collect();
        let most = self.target.db().section().max_list;
        match values {
            Ok(values) if values.len() <= most => self.binds.push(Bind::List(values)),
            Ok(values) => {
                let error = Error::invalid(format!("a list of {} values is longer than {most}", values.len()));
                self.error = Some(error.hint("read in parts, or raise database.max_list"));
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Touches the framework's own tables, whichever module asks.
    pub(crate) fn of_framework(mut self) -> Self {
        self.of_framework = true;
        self
    }

    /// Runs once for each of `rows`.
    pub(super) fn with_rows(mut self, rows: Vec<Vec<Value>>) -> Self {
        if rows.len() > MAX_MANY {
            let error = Error::invalid(format!("{} rows of values are more than {MAX_MANY}", rows.len()));
            self.error = Some(error.hint("call execute_many for parts of them"));
        }
        self.many = Some(rows);
        self
    }

    pub(super) fn into_call(self, site: &'static Location<'static>) -> Result<(Target<'c>, Call)> {
        let db = self.target.db();
        if let Some(error) = self.error {
            return Err(error);
        }
        let text = db.text(&self.sql, self.of_framework)?;
        let bound = |bound: usize| text.placeholders == bound;
        let wrong = match &self.many {
            None => Some(self.binds.len()).filter(|count| !bound(*count)),
            Some(_) if !self.binds.is_empty() => Some(self.binds.len()),
            Some(rows) => rows.iter().map(Vec::len).find(|count| !bound(*count)),
        };
        if let Some(wrong) = wrong {
            return Err(Error::internal(format!(
                "{site}: the query has {} placeholders, but {wrong} values are bound{}: {}",
                text.placeholders,
                if self.many.is_some() { " to one of its rows, or beside them" } else { "" },
                text.statement.normalised
            )));
        }
        let asked = Ticks::now();
        let deadline = observe::deadline(asked, db.section().statement_timeout.0);
        Ok((self.target, Call { text, binds: self.binds, many: self.many, site, asked, deadline }))
    }

    /// All rows, at most 100,000.
    #[track_caller]
    pub fn all<T: FromRow>(self) -> impl Future<Output = Result<Vec<T>>> + Send + 'c {
        self.run(Location::caller(), Collect::<T>::new(MAX_ROWS)).map(|ran| Ok(ran?.0.rows))
    }

    /// The row, if there is one; a second row is an error.
    #[track_caller]
    pub fn optional<T: FromRow>(self) -> impl Future<Output = Result<Option<T>>> + Send + 'c {
        self.run(Location::caller(), Only::<T>(None)).map(|ran| Ok(ran?.0.0))
    }

    /// The one row; an error of kind `NotFound` when there is none.
    #[track_caller]
    pub fn one<T: FromRow>(self) -> impl Future<Output = Result<T>> + Send + 'c {
        let one = |row: Option<T>| row.ok_or_else(|| Error::not_found("there is no such row"));
        self.run(Location::caller(), Only::<T>(None)).map(move |ran| one(ran?.0.0))
    }

    /// The first column of the first row.
    #[track_caller]
    pub fn scalar<V: FromValue + Send + 'static>(self) -> impl Future<Output = Result<V>> + Send + 'c {
        let one = |value: Option<V>| value.ok_or_else(|| Error::not_found("there is no such row"));
        self.run(Location::caller(), First(None)).map(move |ran| one(ran?.0.0))
    }

    /// Runs it and says how many rows it changed.
    #[track_caller]
    pub fn execute(self) -> impl Future<Output = Result<u64>> + Send + 'c {
        self.run(Location::caller(), Ignore).map(|ran| Ok(ran?.1))
    }

    /// Runs it once for each row of values, all or none, and says how many rows were changed in all.
    ///
    /// Each row has a value for each `?`, and nothing else is bound. Asked of a [`Db`] it is one transaction. Where the
    /// database is a server, a plain `INSERT … VALUES (?, …)` becomes one statement, and anything else is sent without
    /// waiting in between; so many rows cost about as many round trips as one. Limit: [`MAX_MANY`] rows.
    ///
    /// ```
    /// # async fn example(db: sarsen::Db, ids: Vec<uuid::Uuid>) -> sarsen::Result<()> {
    /// use sarsen::data::Value;
    /// let rows = ids.into_iter().map(|id| vec![Value::Uuid(id), Value::Int(1)]).collect();
    /// db.query("INSERT INTO seen (id, times) VALUES (?, ?) ON CONFLICT (id) DO NOTHING").execute_many(rows).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn execute_many(self, rows: Vec<Vec<Value>>) -> impl Future<Output = Result<u64>> + Send + 'c {
        let site = Location::caller();
        async move {
            let nothing = rows.is_empty();
            let (target, call) = self.with_rows(rows).into_call(site)?;
            if nothing { Ok(0) } else { Ok(Run::of_call(target, call, Ignore).await?.1) }
        }
    }

    /// The rows in lists by a key: mends an N+1 together with `bind_list`.
    #[track_caller]
    pub fn group_by<T, K, F>(self, key: F) -> impl Future<Output = Result<HashMap<K, Vec<T>>>> + Send + 'c
    where
        T: FromRow,
        K: Eq + Hash + Send + 'c,
        F: Fn(&T) -> K + Send + 'c,
    {
        let site = Location::caller();
        async move {
            let rows = self.run(site, Collect::<T>::new(MAX_ROWS)).await?.0.rows;
            let mut groups: HashMap<K, Vec<T>> = HashMap::new();
            for row in rows {
                groups.entry(key(&row)).or_default().push(row);
            }
            Ok(groups)
        }
    }

    /// The rows by a key that each has for itself.
    #[track_caller]
    pub fn index_by<T, K, F>(self, key: F) -> impl Future<Output = Result<HashMap<K, T>>> + Send + 'c
    where
        T: FromRow,
        K: Eq + Hash + Send + 'c,
        F: Fn(&T) -> K + Send + 'c,
    {
        let site = Location::caller();
        async move {
            let rows = self.run(site, Collect::<T>::new(MAX_ROWS)).await?.0.rows;
            Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
        }
    }

    /// One page by keyset: the text ends before ORDER BY, and selects the columns of `order`, which are never NULL
    /// and together unique. The cursor is opaque, signed, and of this list only.
    #[track_caller]
    pub fn page_by<T: FromRow>(
        self,
        order: &[Order],
        request: &PageRequest,
    ) -> impl Future<Output = Result<Page<T>>> + Send + use<'c, T> {
        let site = Location::caller();
        let (order, request) = (order.to_vec(), request.clone());
        async move {
            let db = self.target.db();
            let limit = request.limit()?;
            // The list is its text and its order: a cursor of one order is of no use to another.
            let list = super::page::paged(&self.sql, &order, false);
            let list = db.text(&list, self.of_framework)?.statement.fingerprint;
            let after = request.after(db, &order, list)?;
            let mut query = self;
            query.sql = super::page::paged(&query.sql, &order, after.is_some()).into();
            for value in super::page::bound(&order, after.unwrap_or_default()) {
                query.binds.push(Bind::One(value));
            }
            query.binds.push(Bind::One(Value::Int(i64::from(limit) + 1)));
            let rows = query.run(site, PageRows::<T>::new(order, limit)).await?.0;
            rows.into_page(db, list)
        }
    }

    /// The rows one after another, in constant memory. Dropping the stream ends the query.
    #[track_caller]
    pub fn stream<T: FromRow>(self) -> impl Stream<Item = Result<T>> + Send + 'c {
        let site = Location::caller();
        let batches = async move {
            let (target, call) = self.into_call(site)?;
            match target {
                Target::Db(db) => Ok(db.driver().stream(call)),
                Target::Tx(_) => Err(Error::new(crate::error::Kind::Unsupported, "a transaction cannot stream")
                    .hint("read in pages inside a transaction, or stream from the Db")),
            }
        };
        stream::once(batches).flat_map(|batches| match batches {
            Ok(batches) => stream::unfold(batches, |mut batches| async move { Some((batches.recv().await?, batches)) })
                .flat_map(|batch| stream::iter(decode::<T>(batch)))
                .boxed(),
            Err(error) => stream::once(async move { Err(error) }).boxed(),
        })
    }

    fn run<R: Rows>(self, site: &'static Location<'static>, rows: R) -> Run<'c, R> {
        Run::new(self, site, rows)
    }
}

fn decode<T: FromRow>(batch: Result<Vec<super::row::OwnedRow>>) -> Vec<Result<T>> {
    let layout = Layout::default();
    match batch {
        Ok(rows) => rows.iter().map(|row| T::from_row(&Row::new(row, &layout))).collect(),
        Err(error) => vec![Err(error)],
    }
}
