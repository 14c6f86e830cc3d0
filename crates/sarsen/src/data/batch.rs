//! Several statements as one transaction, in one round trip where the database is a server.

use super::Db;
use super::query::{Answer, MAX_ROWS, Query, Step, Target};
use super::row::{Collect, FromRow, Ignore, Row, Rows};
use super::run::taken;
use super::value::Value;
use crate::error::{Error, Result};
use std::any::{Any, TypeId};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most statements of one batch.
pub const MAX_BATCH: usize = 1000;

/// Tells batches apart, so that the slot of one is not taken from the answers of another.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Statements that happen together or not at all, and are sent together.
///
/// ```
/// # async fn example(db: sarsen::Db, id: uuid::Uuid) -> sarsen::Result<()> {
/// let mut batch = db.batch();
/// let left = batch.execute(db.query("DELETE FROM members WHERE id = ?").bind(id));
/// let names = batch.all::<(String,)>(db.query("SELECT name FROM members"));
/// let mut answers = batch.run().await?;
/// let (left, names) = (answers.take(left)?, answers.take(names)?);
/// # Ok(()) }
/// ```
///
/// They run in order, in one transaction that writes. None can use what another gave, and all of them are prepared
/// before any runs, so a batch does not make the tables that it uses. When one fails nothing happened, and the first
/// error is given. Limit: [`MAX_BATCH`] statements.
#[must_use = "a batch does nothing until it is run"]
pub struct Batch<'d> {
    db: &'d Db,
    number: u64,
    steps: Vec<Step>,
    error: Option<Error>,
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(call, _)| &call.text.statement.normalised)).finish()
    }
}

/// The place of one statement's answer in [`Answers`].
pub struct Slot<T> {
    batch: u64,
    index: usize,
    read: fn(Answer) -> Result<T>,
}

impl<T> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({} of {})", self.index, self.batch)
    }
}

/// What a batch gave, once it is committed.
pub struct Answers {
    batch: u64,
    answers: Vec<Option<Answer>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answers", self.answers.len())
    }
}

impl<'d> Batch<'d> {
    pub(super) fn new(db: &'d Db) -> Self {
        Self { db, number: LAST.fetch_add(1, Ordering::Relaxed), steps: Vec::new(), error: None }
    }

    /// Adds a statement; its answer is how many rows it changed.
    #[track_caller]
    pub fn execute(&mut self, query: Query<'_>) -> Slot<u64> {
        self.add(query, Ignore, |(_, changed)| Ok(changed))
    }

    /// Adds a statement that runs once for each row of values, as [`Query::execute_many`] does.
    #[track_caller]
    pub fn execute_many(&mut self, query: Query<'_>, rows: Vec<Vec<Value>>) -> Slot<u64> {
        self.add(query.with_rows(rows), Ignore, |(_, changed)| Ok(changed))
    }

    /// Adds a statement; its answer is its rows, at most 100,000.
    ///
    /// They are read before the end of the transaction, but a row that does not fit `T` is an error of
    /// [`Answers::take`]: by then all has happened.
    #[track_caller]
    pub fn all<T: FromRow>(&mut self, query: Query<'_>) -> Slot<Vec<T>> {
        let rows = Later { rows: Collect::<T>::new(MAX_ROWS), error: None };
        self.add(query, rows, |(rows, _)| {
            let later = taken::<Later<T>>(rows)?;
            later.error.map_or(Ok(later.rows.rows), Err)
        })
    }

    #[track_caller]
    fn add<T>(&mut self, query: Query<'_>, rows: impl Rows, read: fn(Answer) -> Result<T>) -> Slot<T> {
        let index = self.steps.len();
        match self.step(query, rows) {
            Ok(step) => self.steps.push(step),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
        Slot { batch: self.number, index, read }
    }

    #[track_caller]
    fn step(&self, query: Query<'_>, rows: impl Rows) -> Result<Step> {
        let site = Location::caller();
        if self.steps.len() >= MAX_BATCH {
            return Err(Error::invalid(format!("{site}: a batch has at most {MAX_BATCH} statements"))
                .hint("run it in parts, or use execute_many"));
        }
        let (target, call) = query.into_call(site)?;
        match target {
            Target::Db(db) if Arc::ptr_eq(&db.shared, &self.db.shared) => Ok((call, Box::new(rows))),
            _ => Err(Error::internal(format!("{site}: the query belongs to a transaction or to another database"))
                .hint("make it of the Db that the batch is of")),
        }
    }

    /// Runs all of it. Dropped before its end it is rolled back, unless the end was on its way to the server already.
    #[track_caller]
    pub fn run(self) -> impl Future<Output = Result<Answers>> + Send + 'd {
        let Batch { db, number: batch, steps, error } = self;
        async move {
            let answers = match error {
                Some(error) => return Err(error),
                None if steps.is_empty() => Vec::new(),
                None => db.driver().batch(steps).await?,
            };
            Ok(Answers::new(batch, answers))
        }
    }

    /// Runs all of it, each statement in a transaction of its own: each sees what was committed before it began.
    pub(super) async fn run_each(self) -> Result<Answers> {
        let steps = self.error.map_or(Ok(self.steps), Err)?;
        Ok(Answers::new(self.number, self.db.driver().each(steps).await?))
    }
}

impl Answers {
    fn new(batch: u64, answers: Vec<Answer>) -> Self {
        Self { batch, answers: answers.into_iter().map(Some).collect() }
    }

    /// The answer to one of the statements; an error when it was taken already, or when a row does not fit its type.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is taken once, and so is its slot")]
    pub fn take<T>(&mut self, slot: Slot<T>) -> Result<T> {
        let answer = self.answers.get_mut(slot.index).filter(|_| slot.batch == self.batch).and_then(Option::take);
        (slot.read)(answer.ok_or_else(|| Error::internal("the answer belongs to another batch"))?)
    }
}

/// Keeps rows, and the first error until somebody asks: what a row is read as must not decide what is committed.
struct Later<T> {
    rows: Collect<T>,
    error: Option<Error>,
}

impl<T: FromRow> Rows for Later<T> {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        if self.error.is_none() {
            self.error = self.rows.row(row).err();
        }
        Ok(())
    }
    fn item(&self) -> Option<TypeId> {
        self.rows.item()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
