//! The embedded driver: SQLite through rusqlite, inline while a statement is known to be quick.
//!
//! One writer behind a fair lock, always `BEGIN IMMEDIATE`; readers on read-only connections, taken last in, first
//! out, so that few caches stay warm. Writes that wait together share one commit, each in a savepoint of its own.

mod connection;
mod readers;
mod transaction;
mod workbench;

use super::dialect::Dialect;
use super::observe::{self, Ran};
use super::plan::Bench;
use super::query::{Answer, Call, Step};
use super::row::{Keep, OwnedRow, Row, Rows};
use super::statement::Class;
use super::wake::Wakes;
use super::{Driver, STREAM_AHEAD, STREAM_BATCH, Transaction, no_connection};
use crate::clock::{self, Ticks};
use crate::config::DatabaseSection;
use crate::error::{Error, Kind, Result};
use crate::lifecycle;
use crate::telemetry::{self, Holder, Holding, Operation, WaitKind};
use connection::{Connection, Waiting};
use futures_util::future::BoxFuture;
use readers::Readers;
use smallvec::{SmallVec, smallvec};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc, oneshot};
use transaction::SqliteTransaction;

/// Most writes that share one commit.
const MAX_GROUP: usize = 64;
/// Most writes that wait; more are refused.
const MAX_WAITING: usize = 10_000;
/// Most runs of one statement, or statements of one batch, on a thread of the runtime.
const MAX_INLINE: usize = 64;
/// The writer of a database that is not the application's own.
const ASIDE: &str = "sqlite writer, aside";
/// How often it is looked whether another process committed something, while somebody listens.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Sqlite(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    section: DatabaseSection,
    readers: Arc<Readers>,
    writer: Arc<AsyncMutex<Connection>>,
    /// Whose work the writer does, and for how long.
    writing: Holder,
    /// Who holds the writer, for the one who waited too long.
    holder: Mutex<Option<&'static Location<'static>>>,
    waiting: Mutex<VecDeque<Pending>>,
}

/// The writer in somebody's hands.
#[derive(Debug)]
struct Writer {
    // Dropped in this order: it is free before its time is booked.
    connection: OwnedMutexGuard<Connection>,
    held: Holding,
}

impl std::ops::Deref for Writer {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

type Done = Result<Answer>;
type Steps = SmallVec<[Step; 1]>;
type AllDone = Result<SmallVec<[Answer; 1]>>;

/// A write that waits for the writer: one statement, or the statements of a batch.
struct Pending {
    steps: Steps,
    done: oneshot::Sender<AllDone>,
    /// Set by whoever does the work first, or by the owner who gives up: only one of them can.
    begun: Arc<AtomicBool>,
    /// Whose write it is, whoever does the work.
    operation: Option<Operation>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(call, _)| call)).finish()
    }
}

impl Sqlite {
    pub(super) async fn open(section: &DatabaseSection) -> Result<Self> {
        let path = path_of(section.url.expose())?;
        let (for_open, section) = (path.clone(), section.clone());
        let copy = section.clone();
        let writer = telemetry::blocking("open the database", move || {
            if let Some(folder) = for_open.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(|error| {
                    Error::unavailable(format!("{} cannot be made", folder.display())).source(error)
                })?;
            }
            Connection::open(&for_open, &copy, false)
        });
        let shared = Shared {
            readers: Readers::new(path, section.clone()),
            writer: Arc::new(AsyncMutex::new(writer.await??)),
            writing: Holder::new(WaitKind::DatabasePool, if section.aside { ASIDE } else { "sqlite writer" }, 1),
            holder: Mutex::default(),
            waiting: Mutex::default(),
            section,
        };
        Ok(Self(Arc::new(shared)))
    }
}

/// The file that `sqlite:PATH` or `sqlite://PATH` names.
fn path_of(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    // Each connection would have a memory of its own, and a file is really called `app.db?mode=rwc` by nobody.
    if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
        return Err(Error::invalid("database.url names no file").hint("write sqlite:data/app.db"));
    }
    Ok(PathBuf::from(path))
}

impl Shared {
    /// Whether the statement may run on a thread of the runtime.
    fn is_quick(&self, call: &Call) -> bool {
        if call.runs() > MAX_INLINE {
            return false;
        }
        call.text.statement.keeps_to(self.section.inline_limit.0).unwrap_or(call.text.bounded)
    }

    /// Whether the writes may run on a thread of the runtime, all together.
    fn are_quick(&self, group: &[Pending]) -> bool {
        let calls = || group.iter().flat_map(|pending| pending.steps.iter().map(|(call, _)| call));
        group.len() <= 4
            && calls().all(|call| self.is_quick(call))
            && calls().map(Call::runs).sum::<usize>() <= MAX_INLINE
    }

    fn held_by(&self) -> String {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        holder.map_or(String::new(), |site| format!("; the writer is held by the transaction begun at {site}"))
    }

    fn set_holder(&self, site: Option<&'static Location<'static>>) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = site;
    }

    async fn get_writer(&self) -> Result<Writer> {
        if let Ok(connection) = self.writer.clone().try_lock_owned() {
            return Ok(Writer { connection, held: self.writing.hold() });
        }
        let started = Ticks::now();
        let deadline = observe::deadline(started, self.section.acquire_timeout.0);
        let lock = self.writing.waiting_for(clock::until(deadline, self.writer.clone().lock_owned()));
        let lock = telemetry::wait(WaitKind::DatabasePool, "sqlite writer", lock).await;
        let connection = lock.map_err(|_| no_connection(started, &self.held_by()))?;
        Ok(Writer { connection, held: self.writing.hold() })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Pending>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(self: Arc<Self>, call: Call, mut rows: Box<dyn Rows>) -> Done {
        let waited = Ticks::now();
        let reader = self.readers.take().await?;
        let pool_wait = Ticks::now() - waited;
        if self.is_quick(&call) {
            let changed = run_here(reader.connection(), &call, rows.as_mut(), waited + pool_wait, pool_wait)?;
            return Ok((rows, changed));
        }
        let waiting = Waiting::default();
        let gone = waiting.gone();
        let work = move || {
            let ran = reader.connection().timed(&call, rows.as_mut(), &gone);
            (ran, rows, call)
        };
        let ((ran, took), rows, call) = offload(work).await?;
        drop(waiting);
        book(&call, &ran, took, pool_wait);
        Ok((rows, ran?))
    }

    /// Queues the write; whoever gets the writer first does the work of all who wait.
    async fn write(self: Arc<Self>, steps: Steps) -> AllDone {
        let waited = Ticks::now();
        let (done, mut mine) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MAX_WAITING {
                return Err(Error::new(Kind::TooMany, format!("{MAX_WAITING} writes wait already")));
            }
            waiting.push_back(Pending { steps, done, begun: begun.clone(), operation: Operation::current() });
        }
        loop {
            let led = tokio::select! {
                biased;
                answer = &mut mine => return answer.map_err(|_| lost())?,
                writer = self.get_writer() => match writer {
                    Ok(writer) => self.lead(writer, waited).await,
                    Err(error) => Err(error),
                },
            };
            let Err(error) = led else { continue };
            if begun.swap(true, Ordering::AcqRel) {
                // Another does this write at this moment: giving up now would deny what may yet be committed.
                return mine.await.map_err(|_| lost())?;
            }
            return Err(error);
        }
    }

    /// Runs the writes that wait, in one commit.
    async fn lead(&self, mut writer: Writer, waited: Ticks) -> Result<()> {
        if self.waiting().is_empty() {
            return Ok(());
        }
        let pool_wait = Ticks::now() - waited;
        begin_write(&mut writer, waited + self.section.acquire_timeout.0).await?;
        let group: Vec<Pending> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(MAX_GROUP);
            waiting.drain(..count).collect()
        };
        if self.section.durability == crate::config::Durability::Normal && self.are_quick(&group) {
            transaction::run_group(&mut writer, group, pool_wait, false);
            return Ok(());
        }
        offload(move || transaction::run_group(&mut writer, group, pool_wait, true)).await
    }
}

/// `BEGIN IMMEDIATE`, waiting asynchronously while another process writes.
async fn begin_write(writer: &mut Writer, deadline: Ticks) -> Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match writer.script("BEGIN IMMEDIATE") {
            Err(error) if error.kind() == Kind::Unavailable && Ticks::now() < deadline => {
                telemetry::wait(WaitKind::Lock, "another process writes", clock::pause(pause)).await;
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Runs `work` on a thread for blocking work; the time counts as the database's.
async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let task = lifecycle::spawn_blocking(telemetry::on_blocking_thread(work));
    let task = telemetry::wait(WaitKind::Database, "offloaded", task).await;
    task.map_err(|error| Error::internal(format!("a database task did not finish: {error}")))
}

/// Runs a statement on this thread; `since` is when it began to.
fn run_here(
    connection: &Connection,
    call: &Call,
    rows: &mut dyn Rows,
    since: Ticks,
    pool_wait: Duration,
) -> Result<u64> {
    let work = || connection.execute(call, rows);
    telemetry::sync_query(since, WaitKind::Database, "inline", work, |ran, took, wanted| {
        observe::recorded(call, Ran::new(pool_wait, took, ran), wanted)
    })
}

/// Books a run on a thread for blocking work.
fn book(call: &Call, ran: &Result<u64>, execution: Duration, pool_wait: Duration) {
    observe::record(call, Ran { offloaded: true, ..Ran::new(pool_wait, execution, ran) });
}

fn lost() -> Error {
    Error::unavailable("the write was not done: the one that did the work ended before it").hint("try again")
}

impl Driver for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn try_inline(&self, call: &Call, rows: &mut dyn Rows) -> Option<Result<u64>> {
        if call.text.class != Class::Read || !self.0.is_quick(call) {
            return None;
        }
        let readers = &self.0.readers;
        readers.with_idle(|connection| {
            let work = || connection.execute(call, rows);
            telemetry::sync_query(call.asked, WaitKind::Database, "inline", work, |ran, took, wanted| {
                readers.reading.book(took);
                observe::recorded(call, Ran::new(Duration::ZERO, took, ran), wanted)
            })
        })
    }

    fn run(&self, call: Call, rows: Box<dyn Rows>) -> BoxFuture<'_, Done> {
        match call.text.class {
            Class::Read => Box::pin(self.0.clone().read(call, rows)),
            Class::Write => Box::pin(async move {
                let mut answers = self.0.clone().write(smallvec![(call, rows)]).await?;
                answers.pop().ok_or_else(lost)
            }),
        }
    }

    fn batch(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>> {
        Box::pin(async move { Ok(self.0.clone().write(steps.into()).await?.into_vec()) })
    }

    fn each(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(steps.len());
            for (call, rows) in steps {
                answers.push(self.run(call, rows).await?);
            }
            Ok(answers)
        })
    }

    fn stream(&self, call: Call) -> mpsc::Receiver<Result<Vec<OwnedRow>>> {
        let (sender, receiver) = mpsc::channel(STREAM_AHEAD);
        let shared = self.0.clone();
        let work = async move {
            let reader = match shared.readers.take().await {
                Ok(reader) => reader.for_long(),
                Err(error) => return drop(sender.send(Err(error)).await),
            };
            let (waiting, listener) = (Waiting::default(), sender.clone());
            let gone = waiting.gone();
            let work = move || {
                let mut rows = Batches { sender, batch: Keep::default() };
                let (ran, took) = reader.connection().timed(&call, &mut rows, &gone);
                book(&call, &ran, took, Duration::ZERO);
                rows.finish(ran.err());
            };
            tokio::select! {
                _ = offload(work) => {}
                () = listener.closed() => {}
            }
            drop(waiting);
        };
        drop(telemetry::spawn("stream", work));
        receiver
    }

    fn begin(&self, site: &'static Location<'static>) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(async move {
            let started = Ticks::now();
            let mut writer = self.0.get_writer().await?;
            begin_write(&mut writer, started + self.0.section.acquire_timeout.0).await?;
            self.0.set_holder(Some(site));
            writer.held.tell_operation();
            let open = SqliteTransaction::new(self.0.clone(), writer);
            Ok(Box::new(open) as Box<dyn Transaction>)
        })
    }

    fn workbench(&self, tables: Vec<String>, rows: u64) -> BoxFuture<'_, Result<Box<dyn Bench>>> {
        Box::pin(async move {
            let live = path_of(self.0.section.url.expose())?;
            Ok(Box::new(workbench::copy(live, tables, rows).await?) as Box<dyn Bench>)
        })
    }

    /// The others look for themselves.
    fn tell(&self, _: &'static str) {}

    fn listen(&self, wakes: Arc<Wakes>) -> BoxFuture<'static, ()> {
        Box::pin(watch(self.0.clone(), wakes))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.readers.close_idle();
            if let Ok(writer) = self.0.get_writer().await {
                let _ = writer.script("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
            }
        })
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let writer = self.0.get_writer().await?;
            offload(move || writer.script("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")).await?
        })
    }
}

/// Wakes everybody when another process committed something.
///
/// The writer is asked, because it does not count its own commits, and what reads never commits: so what this process
/// does is not mistaken for another's. While the writer is held nobody else can commit, so nothing is missed.
async fn watch(shared: Arc<Shared>, wakes: Arc<Wakes>) {
    let mut known = None;
    loop {
        if let Ok(writer) = shared.writer.try_lock() {
            let now = writer.foreign_commits();
            if known.is_some() && now.is_some() && known != now {
                wakes.wake_all();
            }
            known = now.or(known);
        }
        clock::pause(LOOK_EVERY).await;
    }
}

/// Sends rows in batches to the reader of a stream; its hanging up ends the statement.
struct Batches {
    sender: mpsc::Sender<Result<Vec<OwnedRow>>>,
    batch: Keep,
}

impl Batches {
    fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch.0);
        self.sender.blocking_send(Ok(batch)).map_err(|_| Error::new(Kind::Timeout, "nobody reads the stream"))
    }

    fn finish(mut self, error: Option<Error>) {
        let _ = self.send();
        if let Some(error) = error {
            let _ = self.sender.blocking_send(Err(error));
        }
    }
}

impl Rows for Batches {
    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        self.batch.row(row)?;
        if self.batch.0.len() >= STREAM_BATCH { self.send() } else { Ok(()) }
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file() {
        for (url, path) in [("sqlite:a.db", "a.db"), ("sqlite:///x/a.db", "/x/a.db"), ("sqlite:////x/a.db", "//x/a.db")]
        {
            assert_eq!(path_of(url).expect("a file"), PathBuf::from(path));
        }
        for url in ["sqlite:", "sqlite::memory:", "sqlite:a.db?mode=rwc"] {
            assert!(path_of(url).is_err(), "{url}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_make_one_file_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..10 {
            let url = crate::config::Url::embedded(&folder.path().join(format!("{round}.db")).display().to_string());
            let section = DatabaseSection { url, ..DatabaseSection::default() };
            let opened = futures_util::future::join_all((0..8).map(|_| Sqlite::open(&section))).await;
            let failed = opened.into_iter().find_map(Result::err);
            assert!(failed.is_none(), "{failed:?}");
        }
    }
}
