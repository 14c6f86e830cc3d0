//! One record per unit of work: what it is, what it did, and how it ended.

use super::WaitKind;
use super::account::Account;
use super::leaf::{Leaf, QueryRecord, WaitRecord};
use super::name::Name;
use super::recorder::Recorder;
use super::redact;
use super::resource::{Named, line};
use super::trace::Trace;
use crate::clock;
use crate::error::{Error, Kind};
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most leaves that one Operation keeps whole; more are counted only.
pub const MAX_LEAVES: usize = 500;

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

/// What an Operation did. While it is at work, its account and its leaves are elsewhere: they are here once it has closed, and
/// between its scopes.
#[derive(Clone, Debug)]
pub struct Record {
    /// The route pattern, job kind or command, and whose it is.
    pub name: Name,
    /// Who asked for it.
    pub actor: Option<Uuid>,
    /// Where its time went.
    pub account: Account,
    /// CPU time by the kernel, of those `cpu_wall` nanoseconds inside polls that were sampled.
    pub cpu: u64,
    /// See `cpu`.
    pub cpu_wall: u64,
    /// Its waits, sync sections and queries in the order in which they began, at most 500.
    pub leaves: Vec<Leaf>,
    /// All of them, also those that are counted only.
    pub leaf_count: u64,
    /// Runs of queries in all.
    pub query_count: u64,
    /// Bytes taken from the heap; zero where the program does not count them.
    pub allocated: u64,
    /// Bytes taken and not given back until the end.
    pub kept: i64,
    /// How long it lay in a queue before it began.
    pub queued: Duration,
    /// How often it was tried before.
    pub retries: u64,
    /// Bytes of the answer, where that is known.
    pub bytes_out: u64,
    /// What went wrong, for the log; never for the client.
    pub error: Option<String>,
    /// What kind of error that is.
    pub error_kind: Option<Kind>,
    /// How it ended.
    pub outcome: Outcome,
    /// From opening to closing.
    pub duration: Duration,
}

impl Record {
    fn new(name: Name) -> Self {
        Self {
            name,
            actor: None,
            account: Account::default(),
            cpu: 0,
            cpu_wall: 0,
            leaves: Vec::new(),
            leaf_count: 0,
            query_count: 0,
            allocated: 0,
            kept: 0,
            queued: Duration::ZERO,
            retries: 0,
            bytes_out: 0,
            error: None,
            error_kind: None,
            outcome: Outcome::Open,
            duration: Duration::ZERO,
        }
    }

    /// The module that does the work; empty when it is the framework.
    pub fn module(&self) -> &'static str {
        self.name.module()
    }

    /// The runs of queries, in the order in which they began.
    pub fn queries(&self) -> impl Iterator<Item = &QueryRecord> {
        self.leaves.iter().filter_map(|leaf| leaf.query.as_ref())
    }

    /// The waits by kind and label, in the order in which the first of each began.
    pub fn waits(&self) -> Vec<WaitRecord> {
        let mut waits: Vec<WaitRecord> = Vec::new();
        for leaf in &self.leaves {
            let took = Duration::from_nanos(leaf.wall());
            match waits.iter_mut().find(|wait| wait.kind == leaf.kind && wait.label == leaf.label) {
                Some(wait) => (wait.count, wait.total) = (wait.count + 1, wait.total + took),
                None => waits.push(WaitRecord { kind: leaf.kind, label: leaf.label.clone(), count: 1, total: took }),
            }
        }
        waits
    }

    /// Whether it failed: a status from 500, or a failure.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::Status(500..))
    }

    /// Says of the last leaf which query it was; where that is not a wait for the database, it is a leaf of its own.
    pub(super) fn note_query(&mut self, query: QueryRecord) {
        match self.leaves.last_mut() {
            Some(last) if last.kind == WaitKind::Database && last.query.is_none() => {
                last.query = Some(query);
                self.query_count += 1;
            }
            _ => self.add_leaf(Leaf { kind: WaitKind::Database, query: Some(query), ..Leaf::default() }),
        }
    }

    /// Adds a part that is over.
    pub(super) fn add_leaf(&mut self, leaf: Leaf) {
        self.leaf_count += 1;
        self.query_count += u64::from(leaf.query.is_some());
        if self.leaves.len() < MAX_LEAVES {
            self.leaves.push(leaf);
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
    /// Kind and name as a number.
    named: AtomicU16,
    /// Transactions that it holds open now.
    holding: AtomicU32,
}

thread_local! {
    static CURRENT: RefCell<Option<Operation>> = const { RefCell::new(None) };
}

impl Operation {
    /// Opens an Operation of the framework with a trace of its own.
    pub fn open(kind: OperationKind, name: impl AsRef<str>, recorder: &Recorder) -> Self {
        Self::open_in(recorder.name(kind, "", name.as_ref()), Trace::new(), recorder)
    }

    /// Opens an Operation as a part of `trace`; the name is one of this recorder.
    pub fn open_in(name: Name, trace: Trace, recorder: &Recorder) -> Self {
        Self::open_within(None, name, trace, recorder)
    }

    /// Like [`Operation::open_in`], with its deadline `limit` after the start.
    pub(crate) fn open_within(limit: Option<Duration>, name: Name, trace: Trace, recorder: &Recorder) -> Self {
        Self(Arc::new(State {
            kind: name.kind(),
            trace,
            started: clock::monotonic(),
            deadline: AtomicU64::new(limit.map_or(0, |limit| nanoseconds(limit).max(1))),
            recorder: recorder.clone(),
            named: AtomicU16::new(name.number().number()),
            holding: AtomicU32::new(0),
            record: Mutex::new(Record::new(name)),
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

    /// Whether the code at hand works for an Operation.
    #[inline]
    pub(crate) fn is_at_hand() -> bool {
        CURRENT.with_borrow(Option::is_some)
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
        let _polled = place.as_ref().and_then(|operation| line::enter(operation.named()));
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

    /// Its kind and name as a number of this process.
    pub(crate) fn named(&self) -> Named {
        Named::from_number(self.0.named.load(Ordering::Relaxed))
    }

    /// Whether it holds a connection of the database open now, in a transaction or a stream.
    pub fn holds_connection(&self) -> bool {
        self.0.holding.load(Ordering::Relaxed) > 0
    }

    pub(super) fn begin_holding(&self) {
        self.0.holding.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_holding(&self) {
        self.0.holding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Names it, once the route is known.
    pub fn set_name(&self, name: &str, module: &'static str) {
        let name = self.0.recorder.name(self.0.kind, module, name);
        self.0.named.store(name.number().number(), Ordering::Relaxed);
        self.record().name = name;
    }

    /// Says who asked for it.
    pub fn set_actor(&self, actor: Uuid) {
        self.record().actor = Some(actor);
    }

    /// Notes what went wrong, without the secrets in it: this is the one door, and all that is told of errors comes from here.
    pub fn set_error(&self, error: &Error) {
        let text = redact::error(&error.report()).into_owned();
        let mut record = self.record();
        (record.error, record.error_kind) = (Some(text), Some(error.kind()));
    }

    /// Says how long it lay in a queue before it was opened.
    pub fn set_queued(&self, queued: Duration) {
        self.record().queued = queued;
    }

    /// Says how often it was tried before.
    pub fn set_retries(&self, retries: u64) {
        self.record().retries = retries;
    }

    /// Says how many bytes went out.
    pub fn set_bytes_out(&self, bytes: u64) {
        self.record().bytes_out = bytes;
    }

    /// Closes it; the first close holds. The record goes to the recorder's queue.
    pub fn close(&self, outcome: Outcome) {
        if self.end(outcome, &self.0.recorder) {
            self.0.recorder.push(self.clone());
        }
    }

    /// Like [`Operation::close`] for one who is done with it, and has its recorder at hand: nothing is cloned.
    #[inline]
    pub(crate) fn close_into(self, recorder: &Recorder, outcome: Outcome) {
        if self.end(outcome, recorder) {
            recorder.push(self);
        }
    }

    /// Nanoseconds from the start to the beginning and to the end.
    pub(super) fn span(&self, started: Instant, took: Duration) -> (u64, u64) {
        let from = nanoseconds(started.saturating_duration_since(self.0.started));
        (from, from + nanoseconds(took))
    }

    /// Notes the end; false when it was closed before.
    fn end(&self, outcome: Outcome, recorder: &Recorder) -> bool {
        let duration = clock::monotonic() - self.0.started;
        let mut record = self.record();
        let first = record.outcome == Outcome::Open;
        if first {
            (record.outcome, record.duration) = (outcome, duration);
            recorder.book(self, &mut record);
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
        let _polled = this.operation.as_ref().and_then(|operation| line::enter(operation.named()));
        let _swapped = Swapped::new(this.operation);
        match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => Poll::Pending,
        }
    }
}
