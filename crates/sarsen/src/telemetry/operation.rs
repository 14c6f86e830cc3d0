//! One record per unit of work: what it is, what it did, and how it ended.

use super::WaitKind;
use super::recorder::Recorder;
use super::redact;
use super::trace::Trace;
use crate::clock;
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most queries whose details one Operation keeps; more are counted only.
pub(super) const MAX_QUERIES: usize = 500;
/// Most kinds and labels of waits that one Operation keeps apart.
const MAX_WAITS: usize = 64;

/// What an Operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// An HTTP request.
    #[default]
    Request,
    /// A run of a job.
    Job,
    /// A schedule that fires.
    Schedule,
    /// A command of the CLI, or a start and stop of the application.
    Command,
}

impl OperationKind {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            OperationKind::Request => "request",
            OperationKind::Job => "job",
            OperationKind::Schedule => "schedule",
            OperationKind::Command => "command",
        }
    }
}

/// How an Operation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It is still at work.
    #[default]
    Open,
    /// It did what it should.
    Done,
    /// An HTTP answer with this status.
    Status(u16),
    /// It failed.
    Failed,
    /// It was dropped before its end: the client hung up.
    Cancelled,
}

/// The facts about one SQL text, shared by all who run it.
#[derive(Debug)]
pub struct Statement {
    /// Hash of the normalised text.
    pub fingerprint: u64,
    /// The text with literals, lists and spaces squeezed.
    pub normalised: String,
    /// Runs so far, and their time in nanoseconds: the mean decides what leaves the async threads.
    pub runs: AtomicU64,
    /// Sum of execution time in nanoseconds.
    pub nanoseconds: AtomicU64,
}

impl Statement {
    /// Mean execution time, once there was a run.
    pub fn mean(&self) -> Option<Duration> {
        let runs = self.runs.load(Ordering::Relaxed);
        (runs > 0).then(|| Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed) / runs))
    }

    /// Adds a run. Old runs weigh less: at 1024 both sums are halved, so the mean follows the data as it grows.
    #[inline]
    pub fn add_run(&self, took: Duration) {
        let runs = self.runs.load(Ordering::Relaxed);
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed) + u64::try_from(took.as_nanos()).unwrap_or(0);
        let halve = u32::from(runs >= 1024);
        self.runs.store((runs >> halve) + 1, Ordering::Relaxed);
        self.nanoseconds.store(nanoseconds >> halve, Ordering::Relaxed);
    }
}

/// One run of a query.
#[derive(Clone, Debug)]
pub struct QueryRecord {
    /// What was run.
    pub statement: Arc<Statement>,
    /// The line of the application that asked for it.
    pub site: &'static Location<'static>,
    /// Time until a connection was free.
    pub pool_wait: Duration,
    /// Time of the database.
    pub execution: Duration,
    /// Rows returned or changed.
    pub rows: u64,
    /// Whether it failed.
    pub failed: bool,
    /// Whether it ran on a thread for blocking work.
    pub offloaded: bool,
}

/// The waits of one kind and label, added up.
#[derive(Clone, Debug)]
pub struct WaitRecord {
    /// What was waited for.
    pub kind: WaitKind,
    /// Which one.
    pub label: &'static str,
    /// How often.
    pub count: u32,
    /// How long, all together; waits at the same time count each.
    pub total: Duration,
}

/// The runs of queries of an Operation; the first two need no memory of their own.
pub type QueryRecords = SmallVec<[QueryRecord; 2]>;

/// The waits of an Operation; the first two need no memory of their own.
pub type WaitTotals = SmallVec<[WaitRecord; 2]>;

/// What an Operation did so far.
#[derive(Clone, Debug)]
pub struct Record {
    /// The route pattern, job kind or command; never the raw path.
    pub name: Arc<str>,
    /// The module that does the work; empty when it is the framework.
    pub module: &'static str,
    /// Who asked for it.
    pub actor: Option<Uuid>,
    /// The runs of queries, at most 500.
    pub queries: QueryRecords,
    /// Runs of queries in all.
    pub query_count: u64,
    /// Waits by kind and label.
    pub waits: WaitTotals,
    /// What went wrong, for the log; never for the client.
    pub error: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// From opening to closing.
    pub duration: Duration,
}

impl Record {
    fn new(name: Arc<str>, module: &'static str) -> Self {
        // Not by `..Record::default()`: that would make an empty name on the heap for each Operation.
        Self {
            name,
            module,
            actor: None,
            queries: QueryRecords::new(),
            query_count: 0,
            waits: WaitTotals::new(),
            error: None,
            outcome: Outcome::Open,
            duration: Duration::ZERO,
        }
    }

    /// Adds a wait.
    pub fn add_wait(&mut self, kind: WaitKind, label: &'static str, took: Duration) {
        let same =
            |wait: &&mut WaitRecord| wait.kind == kind && (std::ptr::eq(wait.label, label) || wait.label == label);
        if let Some(wait) = self.waits.iter_mut().find(same) {
            wait.count += 1;
            wait.total += took;
        } else if self.waits.len() < MAX_WAITS {
            self.waits.push(WaitRecord { kind, label, count: 1, total: took });
        }
    }

    /// Adds a run of a query.
    pub fn add_query(&mut self, query: QueryRecord) {
        self.query_count += 1;
        if self.queries.len() < MAX_QUERIES {
            self.queries.push(query);
        }
    }
}

/// One unit of work: a request, a job, a schedule, a command. Clones are the same Operation.
///
/// ```
/// use sarsen::telemetry::{Operation, OperationKind, Outcome, Recorder};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let recorder = Recorder::new(16);
/// let operation = Operation::open(OperationKind::Command, "tidy up", &recorder);
/// operation.scope(async { assert!(Operation::current().is_some()) }).await;
/// operation.close(Outcome::Done);
/// assert_eq!(&*recorder.drain()[0].record().name, "tidy up");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Operation(Arc<State>);

#[derive(Debug)]
struct State {
    kind: OperationKind,
    trace: Trace,
    started: Instant,
    /// Nanoseconds after the start; 0 is none.
    deadline: AtomicU64,
    recorder: Recorder,
    record: Mutex<Record>,
}

thread_local! {
    static CURRENT: RefCell<Option<Operation>> = const { RefCell::new(None) };
}

impl Operation {
    /// Opens an Operation with a trace of its own.
    pub fn open(kind: OperationKind, name: impl Into<Arc<str>>, recorder: &Recorder) -> Self {
        Self::open_in(kind, name.into(), "", Trace::new(), recorder)
    }

    /// Opens an Operation of `module` as a part of `trace`.
    pub fn open_in(
        kind: OperationKind,
        name: Arc<str>,
        module: &'static str,
        trace: Trace,
        recorder: &Recorder,
    ) -> Self {
        Self::open_within(None, kind, name, module, trace, recorder)
    }

    /// Like [`Operation::open_in`], with its deadline `limit` after the start.
    pub(crate) fn open_within(
        limit: Option<Duration>,
        kind: OperationKind,
        name: Arc<str>,
        module: &'static str,
        trace: Trace,
        recorder: &Recorder,
    ) -> Self {
        Self(Arc::new(State {
            kind,
            trace,
            started: clock::monotonic(),
            deadline: AtomicU64::new(limit.map_or(0, |limit| nanoseconds(limit).max(1))),
            recorder: recorder.clone(),
            record: Mutex::new(Record::new(name, module)),
        }))
    }

    /// The Operation that the code at hand works for.
    pub fn current() -> Option<Operation> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Looks at the Operation at hand, without a clone.
    #[inline]
    pub fn with_current<T>(look: impl FnOnce(&Operation) -> T) -> Option<T> {
        CURRENT.with_borrow(|current| current.as_ref().map(look))
    }

    /// Makes `future` work for this Operation.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope { future: Some(future), operation: Some(self.clone()) }
    }

    /// Makes `work` work for this Operation.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut mine = Some(self.clone());
        let _swapped = Swapped::new(&mut mine);
        work()
    }

    /// Like [`Operation::enter`] for one who owns it, without a clone: while `work` runs, it is not in its `place`.
    #[inline]
    pub(crate) fn lend<T>(place: &mut Option<Operation>, work: impl FnOnce() -> T) -> T {
        let _swapped = Swapped::new(place);
        work()
    }

    /// What it is.
    pub fn kind(&self) -> OperationKind {
        self.0.kind
    }

    /// Its place in the trace.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// When it was opened.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// When it must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        let after = self.0.deadline.load(Ordering::Relaxed);
        (after > 0).then(|| self.0.started + Duration::from_nanos(after))
    }

    /// Sets the deadline; the first one holds.
    pub fn set_deadline(&self, deadline: Instant) {
        let after = nanoseconds(deadline.saturating_duration_since(self.0.started)).max(1);
        let _ = self.0.deadline.compare_exchange(0, after, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What it did so far.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names it, once the route is known.
    pub fn set_name(&self, name: Arc<str>, module: &'static str) {
        let mut record = self.record();
        (record.name, record.module) = (name, module);
    }

    /// Says who asked for it.
    pub fn set_actor(&self, actor: Uuid) {
        self.record().actor = Some(actor);
    }

    /// Notes what went wrong, without the secrets in it: this is the one door, and all that is told of errors comes from here.
    pub fn set_error(&self, error: &str) {
        self.record().error = Some(redact::error(error).into_owned());
    }

    /// Closes it; the first close holds. The record goes to the recorder's queue.
    pub fn close(&self, outcome: Outcome) {
        if self.end(outcome) {
            self.0.recorder.push(self.clone());
        }
    }

    /// Like [`Operation::close`] for one who is done with it, and has its recorder at hand: nothing is cloned.
    #[inline]
    pub(crate) fn close_into(self, recorder: &Recorder, outcome: Outcome) {
        if self.end(outcome) {
            recorder.push(self);
        }
    }

    /// Notes the end; false when it was closed before.
    fn end(&self, outcome: Outcome) -> bool {
        let duration = clock::monotonic() - self.0.started;
        let mut record = self.record();
        let first = record.outcome == Outcome::Open;
        if first {
            (record.outcome, record.duration) = (outcome, duration);
        }
        first
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Puts an Operation into the thread's place, and what was there back when it is dropped.
struct Swapped<'a>(&'a mut Option<Operation>);

impl<'a> Swapped<'a> {
    #[inline]
    fn new(mine: &'a mut Option<Operation>) -> Self {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, mine));
        Self(mine)
    }
}

impl Drop for Swapped<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

pin_project! {
    /// A future that works for an Operation; see [`Operation::scope`]. It is dropped within the Operation too, so what
    /// it waited for in the end is booked.
    #[derive(Debug)]
    pub struct Scope<F> {
        #[pin]
        future: Option<F>,
        operation: Option<Operation>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _swapped = Swapped::new(this.operation);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _swapped = Swapped::new(this.operation);
        match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => Poll::Pending,
        }
    }
}
