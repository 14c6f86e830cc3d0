//! What was done and where the time went: one [`Operation`] per unit of work, and the four doors through which everything waits.
//!
//! Adapters never read a clock themselves. They go through [`wait`], [`sync`], [`blocking`] or [`spawn`], so the exact
//! accounting that a later version puts behind these doors sees every wait there is.

mod account;
mod budget;
mod cause;
mod counters;
mod distinct;
mod estimate;
mod histogram;
mod leaf;
mod log;
mod name;
mod operation;
mod promise;
mod reading;
mod recorder;
pub mod redact;
pub(crate) mod resource;
mod sampling;
mod shard;
mod snapshot;
mod squeeze;
mod trace;

pub use account::{Account, KINDS};
pub use budget::{Budget, kb, ms};
pub(crate) use cause::Cause;
pub(crate) use counters::{CauseValues, OverValues, SumValues, part, sum};
pub(crate) use distinct::{REGISTERS, Registers, estimate as estimate_distinct, merge as merge_registers};
pub(crate) use histogram::Histogram;
pub use leaf::{Label, Leaf, QueryRecord, Statement, WaitRecord};
pub use log::{init_logging, write_operations};
pub use name::{MAX_NAMES, Name, OTHERS};
pub use operation::{MAX_LEAVES, Operation, OperationKind, Outcome, Record, Scope};
pub use promise::{Broken, Budgets, Promise, Spent};
pub(crate) use reading::Collected;
pub use recorder::Recorder;
pub use resource::{Facts, Holder, Holding, Lock, Locked, Named, Waiting, WaitingFor, line_of_code};
pub(crate) use resource::{hold_blocking_thread, job, on_blocking_thread};
pub use snapshot::{
    CauseSpan, ErrorGroup, Held, HolderSpan, LeafSample, OperationMeans, OperationSpan, Over, ProcessFacts, QueueState,
    Reason, Sample, Snapshot, Stall, Sums,
};
pub(crate) use squeeze::squeeze;
pub use trace::Trace;

use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::lifecycle;
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What an Operation can wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum WaitKind {
    /// A free database connection.
    DatabasePool,
    /// The database at work.
    #[default]
    Database,
    /// The cache.
    Cache,
    /// Another service over HTTP.
    Http,
    /// A mail server.
    Mail,
    /// A lock.
    Lock,
    /// A place in a queue.
    Queue,
    /// Time itself.
    Sleep,
    /// The client, sending.
    BodyIn,
    /// The client, receiving.
    BodyOut,
    /// A file.
    File,
    /// A thread for blocking work, and the work.
    Blocking,
    /// A task of its own.
    Child,
    /// Something else that was named.
    Named,
}

impl WaitKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [WaitKind; 14] = [
        WaitKind::DatabasePool,
        WaitKind::Database,
        WaitKind::Cache,
        WaitKind::Http,
        WaitKind::Mail,
        WaitKind::Lock,
        WaitKind::Queue,
        WaitKind::Sleep,
        WaitKind::BodyIn,
        WaitKind::BodyOut,
        WaitKind::File,
        WaitKind::Blocking,
        WaitKind::Child,
        WaitKind::Named,
    ];

    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitKind::DatabasePool => "database_pool",
            WaitKind::Database => "database",
            WaitKind::Cache => "cache",
            WaitKind::Http => "http",
            WaitKind::Mail => "mail",
            WaitKind::Lock => "lock",
            WaitKind::Queue => "queue",
            WaitKind::Sleep => "sleep",
            WaitKind::BodyIn => "body_in",
            WaitKind::BodyOut => "body_out",
            WaitKind::File => "file",
            WaitKind::Blocking => "blocking",
            WaitKind::Child => "child",
            WaitKind::Named => "named",
        }
    }
}

/// Waits for `future` and books the time on the Operation at hand, also when it is dropped before it is done.
pub fn wait<F: Future>(kind: WaitKind, label: impl Into<Label>, future: F) -> Wait<F> {
    Wait { future, booking: Booking { kind, label: label.into(), started: None } }
}

/// Runs `work`, which blocks shortly, and books the time.
#[inline]
pub fn sync<T>(kind: WaitKind, label: &'static str, work: impl FnOnce() -> T) -> T {
    sync_query(clock::monotonic(), kind, label, work, |_, _, _| None)
}

/// Like [`sync`] for an adapter that knows when the work begins, and that has more to say: `book` is given the result, the time
/// it took, and whether there is an Operation that wants to know the query.
#[inline]
pub(crate) fn sync_query<T>(
    started: Instant,
    kind: WaitKind,
    label: &'static str,
    work: impl FnOnce() -> T,
    book: impl FnOnce(&T, Duration, bool) -> Option<QueryRecord>,
) -> T {
    let result = work();
    let took = clock::monotonic() - started;
    let query = book(&result, took, Operation::is_at_hand());
    Operation::with_current(|operation| {
        let (from, to) = operation.span(started, took);
        let label = Label::Static(label);
        operation.record().add_leaf(Leaf {
            kind,
            label,
            from,
            to,
            share: to - from,
            sync: true,
            query,
            ..Leaf::default()
        });
    });
    result
}

/// Says of the wait for the database that ended last which query it was.
pub(crate) fn note_query(query: QueryRecord) {
    Operation::with_current(|operation| operation.record().note_query(query));
}

/// Runs `work` on a thread for blocking work; the Operation goes along, and the time is booked.
pub async fn blocking<T: Send + 'static>(label: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let operation = Operation::current();
    let work = on_blocking_thread(work);
    let task = lifecycle::spawn_blocking(move || match operation {
        Some(operation) => operation.enter(work),
        None => work(),
    });
    let failed = |error: tokio::task::JoinError| Error::internal(format!("`{label}` did not finish: {error}"));
    wait(WaitKind::Blocking, label, task).await.map_err(failed)
}

/// Runs `future` as a task of its own, which works for the Operation at hand.
pub fn spawn<F>(label: &'static str, future: F) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = match Operation::current() {
        Some(operation) => lifecycle::spawn(operation.scope(future)),
        None => lifecycle::spawn(future),
    };
    Child { label, wait: wait(WaitKind::Child, label, task) }
}

/// Waits for `future` no longer than the Operation's deadline, if it has one.
pub async fn within_deadline<F: Future>(future: F) -> Result<F::Output> {
    match Operation::with_current(Operation::deadline).flatten() {
        Some(deadline) => clock::until(deadline, future).await,
        None => Ok(future.await),
    }
}

/// Fails when the Operation's deadline has passed.
pub fn check_deadline() -> Result<()> {
    match Operation::with_current(Operation::deadline).flatten() {
        Some(deadline) if clock::monotonic() >= deadline => Err(Error::new(Kind::Timeout, "the deadline passed")),
        _ => Ok(()),
    }
}

/// What a panic said.
pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[derive(Debug)]
struct Booking {
    kind: WaitKind,
    label: Label,
    started: Option<Instant>,
}

impl Drop for Booking {
    fn drop(&mut self) {
        let Some(started) = self.started else { return };
        let (kind, label) = (self.kind, self.label.clone());
        let took = clock::monotonic() - started;
        Operation::with_current(|operation| {
            let (from, to) = operation.span(started, took);
            operation.record().add_leaf(Leaf { kind, label, from, to, share: to - from, ..Leaf::default() });
        });
    }
}

pin_project! {
    /// A future whose time is booked; see [`wait`].
    #[derive(Debug)]
    pub struct Wait<F> {
        #[pin]
        future: F,
        booking: Booking,
    }
}

impl<F: Future> Future for Wait<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.booking.started.is_none() {
            this.booking.started = Some(clock::monotonic());
        }
        let polled = this.future.poll(context);
        if polled.is_ready() {
            let (kind, label) = (this.booking.kind, this.booking.label.clone());
            drop(std::mem::replace(this.booking, Booking { kind, label, started: None }));
        }
        polled
    }
}

pin_project! {
    /// A task that works for this Operation; waiting for it is booked. Dropping it lets the task go on.
    #[derive(Debug)]
    pub struct Child<T> {
        label: &'static str,
        #[pin]
        wait: Wait<JoinHandle<T>>,
    }
}

impl<T> Future for Child<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.project();
        let label = *this.label;
        this.wait.poll(context).map_err(|error| Error::internal(format!("the task `{label}` did not finish: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_doors_book_on_the_operation_and_children_work_for_it() {
        let recorder = Recorder::new(8);
        let operation = Operation::open(OperationKind::Command, "test", &recorder);
        let inside = async {
            wait(WaitKind::Sleep, "nap", clock::pause(Duration::from_millis(5))).await;
            sync(WaitKind::File, "read", || ());
            blocking("work", || Operation::current().expect("carried").trace().id()).await.expect("runs");
            spawn("child", async { Operation::current().expect("carried").trace().id() }).await.expect("runs")
        };
        let trace = operation.trace().id();
        assert_eq!(operation.scope(inside).await, trace);
        operation.close(Outcome::Done);
        let closed = recorder.drain();
        let kinds = closed[0].record().waits();
        let kinds: Vec<_> = kinds.iter().map(|wait| (wait.kind, wait.label.as_str())).collect();
        let expected = [
            (WaitKind::Sleep, "nap"),
            (WaitKind::File, "read"),
            (WaitKind::Blocking, "work"),
            (WaitKind::Child, "child"),
        ];
        assert_eq!(kinds, expected);
        assert!(closed[0].record().waits()[0].total >= Duration::from_millis(5));
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_is_booked() {
        let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
        operation
            .scope(async {
                let slow = wait(WaitKind::Lock, "never", std::future::pending::<()>());
                let _ = clock::until(clock::monotonic() + Duration::from_millis(2), slow).await;
            })
            .await;
        assert_eq!(operation.record().waits()[0].label, "never");
    }

    #[tokio::test]
    async fn a_scope_that_is_dropped_books_what_it_waited_for() {
        let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
        let inside = operation.scope(wait(WaitKind::Lock, "never", std::future::pending::<()>()));
        let _ = clock::until(clock::monotonic() + Duration::from_millis(2), inside).await;
        assert_eq!(operation.record().waits()[0].label, "never");
    }

    #[tokio::test]
    async fn a_panic_leaves_no_operation_behind() {
        let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
        let panics = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(
            operation.scope(async { panic!("on purpose") }),
        ));
        assert!(panics.await.is_err());
        assert!(Operation::current().is_none());
    }
}
