//! One unit of work: a request, a job, a schedule, a command. What it did is its record, where its time went its account.

use super::account::Account;
use super::here::{self, Running};
use super::leaf::Leaf;
use super::ledger::Ledger;
use super::name::Name;
use super::record::Record;
use super::recorder::Recorder;
use super::redact;
use super::resource::Named;
use super::scope::Scope;
use super::stamped;
use super::trace::Trace;
use crate::clock::Ticks;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most leaves that one Operation keeps whole; more are counted only.
pub const MAX_LEAVES: usize = 500;

/// Most tasks of one Operation whose accounts are kept apart until it closes.
const MAX_TASKS: usize = 64;

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

/// Most closed Operations whose memory a thread keeps for later.
const MAX_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Operation>> = const { RefCell::new(Vec::new()) };
}

/// One of the same recorder that nobody has any more.
#[inline]
fn spare(recorder: &Recorder) -> Option<Operation> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    spare.filter(|operation| operation.0.recorder.is(recorder))
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
/// let closed = recorder.drain();
/// let record = closed[0].record();
/// assert_eq!(record.name.as_str(), "tidy up");
/// assert_eq!(record.account.booked(), record.account.wall);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Operation(Arc<State>);

#[derive(Debug)]
struct State {
    kind: OperationKind,
    trace: Trace,
    started: Ticks,
    /// Nanoseconds after the start; 0 is none.
    deadline: AtomicU64,
    /// Kind and name as a number.
    named: AtomicU16,
    /// Connections of the database that it holds, in transactions and streams.
    holding: AtomicU32,
    recorder: Recorder,
    place: Mutex<Place>,
}

/// What several threads may want at a time.
#[derive(Debug)]
struct Place {
    record: Record,
    /// The account, while nobody polls.
    ledger: Option<Box<Ledger>>,
    /// Queries that others did for it.
    beside: Vec<Leaf>,
    beside_count: u64,
    /// The accounts of tasks that have ended, until somebody asks for them.
    #[expect(clippy::vec_box, reason = "they come and go as boxes; a ledger is large to move")]
    tasks: Vec<Box<Ledger>>,
}

impl Operation {
    /// Opens an Operation of the framework with a trace of its own.
    pub fn open(kind: OperationKind, name: impl AsRef<str>, recorder: &Recorder) -> Self {
        Self::open_in(recorder.name(kind, "", name.as_ref()), Trace::new(), recorder)
    }

    /// Opens an Operation as a part of `trace`; the name is one of this recorder.
    pub fn open_in(name: Name, trace: Trace, recorder: &Recorder) -> Self {
        Self::open_at(Ticks::now(), name, trace, recorder)
    }

    /// Like [`Operation::open_in`] for work that is born in the poll at hand: it began when the task was woken for it.
    pub(crate) fn open_woken(name: Name, trace: Trace, recorder: &Recorder) -> Self {
        Self::open_at(stamped::born(Ticks::now()), name, trace, recorder)
    }

    fn open_at(started: Ticks, name: Name, trace: Trace, recorder: &Recorder) -> Self {
        let operation = Self::new(started, None, name, trace, recorder);
        if !recorder.is_off() {
            operation.place().ledger = Some(Ledger::open(started, name.is_sampled(trace.random())));
        }
        operation
    }

    pub(super) fn new(started: Ticks, limit: Option<Duration>, name: Name, trace: Trace, recorder: &Recorder) -> Self {
        let deadline = limit.map_or(0, |limit| nanoseconds(limit).max(1));
        if let Some(mut operation) = spare(recorder)
            && let Some(state) = Arc::get_mut(&mut operation.0)
        {
            (state.kind, state.trace, state.started) = (name.kind(), trace, started);
            *state.deadline.get_mut() = deadline;
            *state.named.get_mut() = name.number().number();
            *state.holding.get_mut() = 0;
            state.place.get_mut().unwrap_or_else(PoisonError::into_inner).begin_anew(name);
            return operation;
        }
        let place =
            Place { record: Record::new(name), ledger: None, beside: Vec::new(), beside_count: 0, tasks: Vec::new() };
        Self(Arc::new(State {
            kind: name.kind(),
            trace,
            started,
            deadline: AtomicU64::new(deadline),
            named: AtomicU16::new(name.number().number()),
            holding: AtomicU32::new(0),
            recorder: recorder.clone(),
            place: Mutex::new(place),
        }))
    }

    /// Gives it back to the thread, which has use for its memory, unless somebody else has it too.
    #[inline]
    pub(super) fn recycle(self) {
        // Whoever takes it looks again, and for certain.
        if Arc::strong_count(&self.0) > 1 {
            return;
        }
        // Not while the thread ends.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(self);
            }
        });
    }

    /// The Operation that the code at hand works for.
    pub fn current() -> Option<Operation> {
        here::look(|here| here.operation.clone()).flatten()
    }

    /// Looks at the Operation at hand, without a clone.
    #[inline]
    pub fn with_current<T>(look: impl FnOnce(&Operation) -> T) -> Option<T> {
        here::look(|here| here.operation.as_ref().map(look)).flatten()
    }

    /// Whether the code at hand works for an Operation that is recorded.
    #[inline]
    pub(crate) fn is_at_hand() -> bool {
        here::look(|here| here.operation.as_ref().is_some_and(Operation::is_recorded)) == Some(true)
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Operation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Makes `future` work for this Operation.
    ///
    /// What is polled first has the account of the Operation while it is; others at the same time have one each, as tasks do.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::new(self.clone(), future)
    }

    /// Makes `work` work for this Operation, on whatever thread. It books its queries, and no time: that is in the account of
    /// whoever waits for it.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        if Self::with_current(|current| current.is(self)) == Some(true) {
            return work();
        }
        Running::new(self.clone(), None).lend(work)
    }

    /// What it is.
    pub fn kind(&self) -> OperationKind {
        self.0.kind
    }

    /// Its place in the trace.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// When it began: for a request, when what brought it came in.
    pub fn started(&self) -> Ticks {
        self.0.started
    }

    /// When it must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline_ticks().map(Ticks::instant)
    }

    /// When it must have ended, on the clock that is read more cheaply.
    #[inline]
    pub fn deadline_ticks(&self) -> Option<Ticks> {
        let after = self.0.deadline.load(Ordering::Relaxed);
        (after > 0).then(|| self.0.started + Duration::from_nanos(after))
    }

    /// Sets the deadline; the first one holds.
    pub fn set_deadline(&self, deadline: Instant) {
        let after = Ticks::from(deadline).since(self.0.started).max(1);
        let _ = self.0.deadline.compare_exchange(0, after, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What it did so far: whole once it has closed, and until then without what is at work at this moment.
    pub fn record(&self) -> Recorded<'_> {
        let mut place = self.place();
        place.preview();
        Recorded(place)
    }

    /// Names it, once the route is known.
    pub fn set_name(&self, name: &str, module: &'static str) {
        let name = self.0.recorder.name(self.0.kind, module, name);
        self.0.named.store(name.number().number(), Ordering::Relaxed);
        self.place().record.name = name;
    }

    /// Says who asked for it.
    pub fn set_actor(&self, actor: Uuid) {
        self.place().record.actor = Some(actor);
    }

    /// Notes what went wrong.
    pub fn set_error(&self, error: &Error) {
        let mut place = self.place();
        (place.record.error, place.record.error_kind) =
            (Some(redact::error(&error.report()).into_owned()), Some(error.kind()));
    }

    /// Says how long it lay in a queue before it was opened.
    pub fn set_queued(&self, queued: Duration) {
        self.place().record.queued = queued;
    }

    /// Says how often it was tried before.
    pub fn set_retries(&self, retries: u64) {
        self.place().record.retries = retries;
    }

    /// Its kind and name as a number of this process.
    #[inline]
    pub(crate) fn named(&self) -> Named {
        Named::from_number(self.0.named.load(Ordering::Relaxed))
    }

    /// Whether it holds a connection of the database open now, in a transaction or a stream.
    #[inline]
    pub fn holds_connection(&self) -> bool {
        self.0.holding.load(Ordering::Relaxed) > 0
    }

    pub(super) fn begin_holding(&self) {
        self.0.holding.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_holding(&self) {
        self.0.holding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes it; the first close holds. The record goes to the recorder's queue.
    pub fn close(&self, outcome: Outcome) {
        if self.end(here::take_ledger(self), outcome, 0, Ticks::now()) {
            self.0.recorder.push(self.clone());
        }
    }

    /// Like [`Operation::close`] for one who is done with it.
    #[inline]
    pub(super) fn close_with(self, ledger: Option<Box<Ledger>>, outcome: Outcome, bytes_out: u64, now: Ticks) {
        if self.end(ledger, outcome, bytes_out, now) {
            let recorder = self.0.recorder.clone();
            recorder.push(self);
        } else {
            self.recycle();
        }
    }

    /// Notes the end, the first time; says whether somebody wants it whole.
    pub(super) fn end(&self, ledger: Option<Box<Ledger>>, outcome: Outcome, bytes_out: u64, now: Ticks) -> bool {
        let mut place = self.place();
        if place.record.outcome != Outcome::Open {
            return false;
        }
        let wall = now.since(self.0.started);
        (place.record.outcome, place.record.bytes_out) = (outcome, bytes_out);
        place.record.duration = Duration::from_nanos(wall);
        match ledger.or_else(|| place.ledger.take()) {
            Some(ledger) => place.settle(ledger, now),
            // Somebody else has the account, and is not done: nothing is known but how long it took.
            None => place.record.account = Account { wall, other: wall, ..Account::default() },
        }
        self.0.recorder.book(self, &place.record);
        self.0.recorder.wants(&place.record)
    }

    /// Takes the account, if nobody has it and the Operation is not closed.
    pub(super) fn take_ledger(&self) -> Option<Box<Ledger>> {
        self.place().ledger.take()
    }

    /// Gives the account back.
    pub(super) fn put_ledger(&self, ledger: Box<Ledger>) {
        let mut place = self.place();
        if place.record.outcome == Outcome::Open {
            place.ledger = Some(ledger);
        }
    }

    /// Keeps what a task did, which has ended.
    pub(super) fn put_task(&self, task: Box<Ledger>) {
        let mut place = self.place();
        if place.record.outcome != Outcome::Open {
            return;
        }
        let full = place.tasks.len() >= MAX_TASKS;
        match place.tasks.last_mut() {
            Some(last) if full => last.take_over(*task, 0, 0),
            _ => place.tasks.push(task),
        }
    }

    /// What the task with this ledger did.
    pub(super) fn take_task(&self, id: u64) -> Option<Box<Ledger>> {
        let mut place = self.place();
        let task = place.tasks.iter().position(|task| task.id == id)?;
        Some(place.tasks.swap_remove(task))
    }

    /// Whether what it does is recorded.
    #[inline]
    pub(super) fn is_recorded(&self) -> bool {
        !self.0.recorder.is_off()
    }

    /// Books a query that somebody else did for it.
    pub(super) fn add_beside(&self, leaf: Leaf) {
        let mut place = self.place();
        if place.record.outcome == Outcome::Open {
            place.beside_count += 1;
            if place.beside.len() < MAX_LEAVES {
                place.beside.push(leaf);
            }
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Place {
    /// As if it were new, with the memory it has.
    fn begin_anew(&mut self, name: Name) {
        self.record.begin_anew(name);
        (self.ledger, self.beside_count) = (None, 0);
        self.beside.clear();
        self.tasks.clear();
    }

    /// Puts the account into the record.
    fn settle(&mut self, mut ledger: Box<Ledger>, now: Ticks) {
        ledger.finish(now);
        if ledger.cpu_wall > 0 {
            self.record.name.set_cost(ledger.account.polls, ledger.cpu_wall);
        }
        for task in self.tasks.drain(..) {
            ledger.take_over(*task, 0, 0);
        }
        let record = &mut self.record;
        record.account = ledger.account;
        (record.cpu, record.cpu_wall) = (ledger.cpu, ledger.cpu_wall);
        (record.allocated, record.kept) = (ledger.allocated, ledger.kept);
        self.show(&mut ledger.leaves, ledger.leaf_count, ledger.query_count);
        ledger.recycle();
    }

    /// Shows what is known before the end.
    fn preview(&mut self) {
        if self.record.outcome != Outcome::Open {
            return;
        }
        let ledger = self.ledger.as_ref();
        let (leaf_count, query_count) = ledger.map_or((0, 0), |ledger| (ledger.leaf_count, ledger.query_count));
        let mut leaves = ledger.map(|ledger| ledger.leaves.clone()).unwrap_or_default();
        // What tasks did that have ended, and threads for blocking work.
        let done = |count: fn(&Ledger) -> u64| self.tasks.iter().map(|task| count(task)).sum::<u64>();
        let (leaf_count, query_count) =
            (leaf_count + done(|task| task.leaf_count), query_count + done(|task| task.query_count));
        let room = MAX_LEAVES.saturating_sub(leaves.len());
        leaves.extend(self.tasks.iter().flat_map(|task| &task.leaves).take(room).cloned());
        self.show(&mut leaves, leaf_count, query_count);
    }

    fn show(&mut self, leaves: &mut Vec<Leaf>, leaf_count: u64, query_count: u64) {
        let record = &mut self.record;
        if !leaves.is_empty() {
            std::mem::swap(&mut record.leaves, leaves);
        }
        (record.leaf_count, record.query_count) = (leaf_count, query_count);
        if !self.beside.is_empty() {
            let room = MAX_LEAVES.saturating_sub(record.leaves.len());
            record.leaves.extend(self.beside.iter().take(room).cloned());
            (record.leaf_count, record.query_count) = (leaf_count + self.beside_count, query_count + self.beside_count);
        }
        if !record.leaves.is_sorted_by_key(|leaf| leaf.from) {
            record.leaves.sort_by_key(|leaf| leaf.from);
        }
    }
}

/// The record of an Operation, for as long as this is held.
#[derive(Debug)]
pub struct Recorded<'a>(MutexGuard<'a, Place>);

impl Deref for Recorded<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0.record
    }
}

impl DerefMut for Recorded<'_> {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.0.record
    }
}
