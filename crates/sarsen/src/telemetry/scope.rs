//! Futures that work for an Operation.

use super::here::Running;
use super::ledger::Ledger;
use super::operation::Operation;
use crate::clock::Ticks;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Whose account a future has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Not polled yet.
    Fresh,
    /// That of the Operation, which is given back in the end.
    Whole,
    /// One of its own, as a task.
    Task,
}

pin_project! {
    /// A future that works for an Operation; see [`Operation::scope`]. It is dropped within the Operation too, so what
    /// it waited for in the end is booked.
    #[derive(Debug)]
    pub struct Scope<F> {
        #[pin]
        future: Option<F>,
        running: Running,
        part: Part,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                this.running.work(|| this.future.set(None));
            }
            give_back(this.running, *this.part);
        }
    }
}

impl<F> Scope<F> {
    pub(super) fn new(operation: Operation, future: F) -> Self {
        let running = Running::new(operation, None);
        Self { future: Some(future), running, part: Part::Fresh }
    }

    /// As a task of its own, which begins now; with the id under which its account is given to the Operation.
    pub(super) fn task(operation: Operation, future: F) -> (Self, u64) {
        let ledger = operation.is_recorded().then(|| Ledger::open(Ticks::now(), false));
        let id = ledger.as_ref().map_or(0, |ledger| ledger.id);
        let running = Running::new(operation, ledger);
        (Self { future: Some(future), running, part: Part::Task }, id)
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if *this.part == Part::Fresh {
            *this.part = take(this.running);
        }
        let polled = this.running.poll(context, |context| {
            let polled = this.future.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(context));
            if polled.is_ready() {
                // What it holds is dropped while the time is still its own.
                this.future.set(None);
            }
            polled
        });
        if polled.is_ready() {
            give_back(this.running, *this.part);
        }
        polled
    }
}

/// Takes the account of the Operation, or one of a task where somebody else has it.
fn take(running: &mut Running) -> Part {
    running.ledger = running.operation.as_ref().and_then(Operation::take_ledger);
    if running.ledger.is_some() {
        return Part::Whole;
    }
    let recorded = running.operation.as_ref().is_some_and(Operation::is_recorded);
    running.ledger = recorded.then(|| Ledger::open(Ticks::now(), false));
    Part::Task
}

fn give_back(running: &mut Running, part: Part) {
    let (Some(operation), Some(mut ledger)) = (&running.operation, running.ledger.take()) else { return };
    if part == Part::Task {
        ledger.finish(Ticks::now());
        operation.put_task(ledger);
    } else {
        operation.put_ledger(ledger);
    }
}
