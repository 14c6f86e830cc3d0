//! A transaction: queries that happen together or not at all.

use super::query::{Answer, Call, Query, Target};
use super::row::Rows;
use super::{Db, Transaction};
use crate::error::{Error, Result};
use crate::lifecycle;
use crate::telemetry;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{MutexGuard, PoisonError};
use tokio::sync::Mutex;

/// An open transaction. Dropped without [`Tx::commit`] it is rolled back.
///
/// After a statement failed outside a savepoint, only a rollback is possible: the same on every database.
#[derive(Debug)]
pub struct Tx {
    db: Db,
    open: Mutex<Box<dyn Transaction>>,
    failed: AtomicBool,
    depth: AtomicU32,
    /// The least depth of savepoints at which the lock of the commit log was taken; `u32::MAX` when it was not.
    log_locked: AtomicU32,
    /// Channels to wake once it is committed.
    wakes: std::sync::Mutex<SmallVec<[&'static str; 2]>>,
    /// What this process does once it is committed, before the caller hears of it.
    after: std::sync::Mutex<Vec<After>>,
    /// What it has changed of that which is kept elsewhere, as numbers that mean something to who keeps it.
    touched: std::sync::Mutex<SmallVec<[u64; 4]>>,
}

/// Something to be done after a commit.
struct After(Box<dyn FnOnce() + Send>);

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

impl Tx {
    pub(super) fn new(db: Db, open: Box<dyn Transaction>) -> Self {
        Self {
            db,
            open: Mutex::new(open),
            failed: AtomicBool::new(false),
            depth: AtomicU32::new(0),
            log_locked: AtomicU32::new(u32::MAX),
            wakes: std::sync::Mutex::default(),
            after: std::sync::Mutex::default(),
            touched: std::sync::Mutex::default(),
        }
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// A query of this text, with `?` for each value, inside the transaction.
    pub fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Query::new(Target::Tx(self), sql.into())
    }

    /// The clock of the application.
    pub fn clock(&self) -> &crate::clock::Clock {
        self.db.clock()
    }

    /// Wakes all who listen to `channel` when this is committed, once however often it is asked; see [`Db::wake`].
    pub fn wake(&self, channel: &'static str) {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakes.contains(&channel) {
            wakes.push(channel);
        }
    }

    /// Does `work` once this is committed, before [`Tx::commit`] returns: in this process only, and not when that future is
    /// dropped midway. What was asked for in a savepoint that is undone is not done. It must be quick and must not panic.
    pub(crate) fn after_commit(&self, work: impl FnOnce() + Send + 'static) {
        self.after().push(After(Box::new(work)));
    }

    fn after(&self) -> MutexGuard<'_, Vec<After>> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what this transaction has changed, or is about to; it stays noted when a savepoint is undone.
    pub(crate) fn touch(&self, things: impl Iterator<Item = u64>) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(things);
    }

    /// Whether it has changed this.
    pub(crate) fn has_touched(&self, thing: u64) -> bool {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).contains(&thing)
    }

    /// Whether this transaction holds the lock of the commit log.
    pub(super) fn holds_log(&self) -> bool {
        self.log_locked.load(Ordering::Relaxed) != u32::MAX
    }

    /// Notes that the lock was taken. A savepoint that is undone lets go of what was taken in it.
    pub(super) fn took_log(&self) {
        self.log_locked.fetch_min(self.depth.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) async fn run(&self, call: Call, rows: Box<dyn Rows>) -> Result<Answer> {
        self.check()?;
        let ran = self.open.lock().await.run(call, rows).await;
        self.failed.fetch_or(ran.is_err(), Ordering::Relaxed);
        ran
    }

    fn check(&self) -> Result<()> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::internal("a statement of this transaction failed earlier, so it can only be rolled back")
            .hint("return the first error, or run the statement that may fail inside `savepoint`"))
    }

    /// Makes everything since `begin` happen.
    pub async fn commit(self) -> Result<()> {
        match self.check() {
            Ok(()) => {
                self.open.into_inner().commit().await?;
                lifecycle::fault("data.committed");
                let after = self.after.into_inner().unwrap_or_else(PoisonError::into_inner);
                after.into_iter().for_each(|After(work)| work());
                let wakes = self.wakes.into_inner().unwrap_or_else(PoisonError::into_inner);
                wakes.into_iter().for_each(|channel| self.db.wake(channel));
                Ok(())
            }
            Err(error) => {
                self.open.into_inner().rollback().await?;
                Err(error)
            }
        }
    }

    /// Makes nothing since `begin` happen.
    pub async fn rollback(self) -> Result<()> {
        self.open.into_inner().rollback().await
    }

    /// Runs `work`; when it fails, what it did is undone and the transaction goes on. Can be nested, at most 16 deep.
    pub async fn savepoint<T>(&self, work: impl AsyncFnOnce(&Tx) -> Result<T>) -> Result<T> {
        let mut level = Level { tx: self, ended: false };
        let depth = self.depth.fetch_add(1, Ordering::Relaxed);
        let done = if depth < 16 {
            self.at_depth(depth, work).await
        } else {
            Err(Error::internal("savepoints nest too deep"))
        };
        level.ended = true;
        done
    }

    async fn at_depth<T>(&self, depth: u32, work: impl AsyncFnOnce(&Tx) -> Result<T>) -> Result<T> {
        self.check()?;
        self.script(&format!("SAVEPOINT sarsen_{depth}")).await?;
        let asked_before = self.after().len();
        let done = work(self).await;
        if done.is_ok() && !self.failed.load(Ordering::Relaxed) {
            self.script(&format!("RELEASE SAVEPOINT sarsen_{depth}")).await?;
            // What was locked in it is now held by what is around it.
            let _ = self.log_locked.compare_exchange(depth + 1, depth, Ordering::Relaxed, Ordering::Relaxed);
            return done;
        }
        // Until it is undone nothing may be committed. It is undone past the deadline too: the rest depends on it.
        self.failed.store(true, Ordering::Relaxed);
        self.after().truncate(asked_before);
        let undo = format!("ROLLBACK TO SAVEPOINT sarsen_{depth}; RELEASE SAVEPOINT sarsen_{depth}");
        let undone = self.open.lock().await.script(&undo).await;
        let _ = self.log_locked.compare_exchange(depth + 1, u32::MAX, Ordering::Relaxed, Ordering::Relaxed);
        self.failed.store(undone.is_err(), Ordering::Relaxed);
        // The first error says more than that nothing was left to undo.
        done.and_then(|value| undone.map(|()| value))
    }

    /// Runs several statements that give no rows.
    pub(super) async fn script(&self, sql: &str) -> Result<()> {
        let ran = match telemetry::check_deadline() {
            Ok(()) => self.open.lock().await.script(sql).await,
            late => late,
        };
        self.failed.fetch_or(ran.is_err(), Ordering::Relaxed);
        ran
    }
}

/// One level of savepoints. Left midway (dropped, or by a panic), what it did is neither kept nor undone, so the whole
/// transaction can only be rolled back.
struct Level<'t> {
    tx: &'t Tx,
    ended: bool,
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.tx.depth.fetch_sub(1, Ordering::Relaxed);
        self.tx.failed.fetch_or(!self.ended, Ordering::Relaxed);
    }
}
