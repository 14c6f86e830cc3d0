//! The four doors through which everything waits: [`wait`], [`sync`], [`blocking`] and [`spawn`].

use super::WaitKind;
use super::here;
use super::leaf::{Label, Leaf, QueryRecord};
use super::operation::Operation;
use super::resource::on_blocking_thread;
use super::scope::Scope;
use crate::clock::{self, Ticks};
use crate::error::{Error, Kind, Result};
use crate::lifecycle;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Waits for `future` and books the time on the Operation at hand, also when it is dropped before it is done.
///
/// Waits inside waits count for the innermost. One that is first polled in one task and then in another counts for the first.
pub fn wait<F: Future>(kind: WaitKind, label: impl Into<Label>, future: F) -> Wait<F> {
    Wait { future, booking: Booking { kind, label: label.into(), ledger: 0, place: 0, ended: false } }
}

/// Runs `work`, which blocks shortly, and books the time.
#[inline]
pub fn sync<T>(kind: WaitKind, label: &'static str, work: impl FnOnce() -> T) -> T {
    sync_query(Ticks::now(), kind, label, work, |_, _, _| None)
}

/// Like [`sync`] for an adapter that knows when the work begins, and that has more to say: `query` is given the result, the time
/// it took, and whether there is an Operation that wants to know which query it was.
#[inline]
pub(crate) fn sync_query<T>(
    began: Ticks,
    kind: WaitKind,
    label: &'static str,
    work: impl FnOnce() -> T,
    query: impl FnOnce(&T, Duration, bool) -> Option<QueryRecord>,
) -> T {
    let inside = here::ledger(|ledger, _| ledger.open_sync());
    let result = work();
    let ended = Ticks::now();
    let took = Duration::from_nanos(ended.since(began));
    let query = query(&result, took, Operation::is_at_hand());
    let leaf = |holding| Leaf { kind, label: Label::Static(label), holding, query, ..Leaf::default() };
    match inside {
        Some(inside) => {
            here::ledger(|ledger, operation| {
                ledger.close_sync(leaf(operation.holds_connection()), began, ended, inside)
            });
        }
        None => add_beside(leaf(false), ended.since(began), ended),
    }
    result
}

/// Books on the Operation at hand what is done for it by somebody who has not its account.
fn add_beside(leaf: Leaf, took: u64, ended: Ticks) {
    Operation::with_current(|operation| {
        if leaf.query.is_some() {
            let to = ended.since(operation.started());
            operation.add_beside(Leaf { from: to.saturating_sub(took), to, ..leaf });
        }
    });
}

/// Says of the wait for the database that ended last which query it was.
pub(crate) fn note_query(query: QueryRecord) {
    let mut query = Some(query);
    here::ledger(|ledger, _| query.take().map(|query| ledger.note_query(query)));
    if let Some(query) = query {
        let took = u64::try_from(query.execution.as_nanos()).unwrap_or(u64::MAX);
        add_beside(Leaf { kind: WaitKind::Database, query: Some(query), ..Leaf::default() }, took, Ticks::now());
    }
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

/// Runs `future` as a task of its own, which works for the Operation at hand. The task has an account of its own; of the time
/// in which the Operation waits for it each part counts as what the task did then.
pub fn spawn<F>(label: &'static str, future: F) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, ledger) = match Operation::current() {
        Some(operation) => {
            let (scope, ledger) = Scope::task(operation, future);
            (lifecycle::spawn(scope), ledger)
        }
        None => (lifecycle::spawn(future), 0),
    };
    Child { label, ledger, wait: wait(WaitKind::Child, label, task) }
}

/// Like [`spawn`], driven by a thread for blocking work, where it may block.
pub(crate) fn spawn_driving<F>(label: &'static str, future: F) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, ledger) = match Operation::current() {
        Some(operation) => {
            let (scope, ledger) = Scope::task(operation, future);
            (lifecycle::spawn_driving(scope), ledger)
        }
        None => (lifecycle::spawn_driving(future), 0),
    };
    Child { label, ledger, wait: wait(WaitKind::Child, label, task) }
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
    match Operation::with_current(Operation::deadline_ticks).flatten() {
        Some(deadline) if Ticks::now() >= deadline => Err(Error::new(Kind::Timeout, "the deadline passed")),
        _ => Ok(()),
    }
}

/// What is booked of a wait: nothing before the first poll, and nothing after its end.
#[derive(Debug)]
struct Booking {
    kind: WaitKind,
    label: Label,
    /// The account it is on; zero when it is on none.
    ledger: u64,
    place: u32,
    ended: bool,
}

impl Booking {
    /// Begins where it has not; gives the wait around it, which [`Booking::leave`] wants back.
    #[inline]
    fn enter(&mut self) -> Option<u32> {
        here::ledger(|ledger, operation| {
            if self.ledger == 0 {
                self.ledger = ledger.id;
                self.place = ledger.open_wait(self.kind, std::mem::take(&mut self.label), operation.holds_connection());
            } else if self.ledger != ledger.id {
                return None;
            }
            ledger.waits.enter(Some(self.place))
        })
        .flatten()
    }

    #[inline]
    fn leave(&mut self, around: Option<u32>, done: bool) {
        here::ledger(|ledger, _| {
            if self.ledger == ledger.id {
                ledger.waits.enter(around);
                if done {
                    self.ended = true;
                    ledger.close_wait(self.place, false);
                }
            }
        });
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if self.ledger != 0 && !self.ended {
            here::ledger(|ledger, _| {
                if self.ledger == ledger.id {
                    ledger.close_wait(self.place, true);
                }
            });
        }
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

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let around = this.booking.enter();
        let polled = this.future.poll(context);
        this.booking.leave(around, polled.is_ready());
        polled
    }
}

pin_project! {
    /// A task that works for this Operation; waiting for it is booked. Dropping it lets the task go on.
    #[derive(Debug)]
    pub struct Child<T> {
        label: &'static str,
        ledger: u64,
        #[pin]
        wait: Wait<JoinHandle<T>>,
    }
}

impl<T> Future for Child<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut this = self.project();
        let label = *this.label;
        let polled = this.wait.as_mut().poll(context);
        if polled.is_ready() {
            adopt(this.wait.project().booking, *this.ledger);
        }
        polled.map_err(|error| Error::internal(format!("the task `{label}` did not finish: {error}")))
    }
}

/// Puts what the task did in the place of the wait for it.
fn adopt(booking: &Booking, task: u64) {
    here::ledger(|ledger, operation| {
        if booking.ledger == ledger.id
            && let Some(task) = operation.take_task(task)
        {
            ledger.children.push((booking.place, task));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{OperationKind, Outcome, Recorder};

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
