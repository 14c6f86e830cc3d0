//! The Operation that the thread at hand works for, with its account while it is polled.

use super::ledger::Ledger;
use super::name::Name;
use super::operation::{Operation, Outcome};
use super::recorder::Recorder;
use super::resource::line;
use super::trace::Trace;
use super::{stamped, waker};
use crate::clock::Ticks;
use std::cell::RefCell;
use std::task::Context;
use std::time::Duration;

/// An Operation and its account, owned by whoever polls it. While it is polled both are in the thread's place, where the doors
/// find them; so no door locks anything, and there is no pointer that could dangle.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(super) operation: Option<Operation>,
    /// Nothing where another one has the account: on a thread that only does some work for the Operation.
    pub(super) ledger: Option<Box<Ledger>>,
    /// Whether the watchdog knows of the poll at hand.
    watched: bool,
}

thread_local! {
    static HERE: RefCell<Running> = const { RefCell::new(Running { operation: None, ledger: None, watched: false }) };
}

/// Looks at what the thread works for; nothing when the thread is about to end.
#[inline]
pub(super) fn look<T>(look: impl FnOnce(&Running) -> T) -> Option<T> {
    HERE.try_with(|here| look(&here.borrow())).ok()
}

/// Changes the account at hand, if there is one.
#[inline]
pub(super) fn ledger<T>(change: impl FnOnce(&mut Ledger, &Operation) -> T) -> Option<T> {
    let changed = HERE.try_with(|here| match &mut *here.borrow_mut() {
        Running { operation: Some(operation), ledger: Some(ledger), .. } => Some(change(ledger, operation)),
        _ => None,
    });
    changed.ok().flatten()
}

/// Takes the account at hand, if it is that of `operation`.
pub(super) fn take_ledger(operation: &Operation) -> Option<Box<Ledger>> {
    let taken = HERE.try_with(|here| {
        let mut here = here.borrow_mut();
        if here.operation.as_ref()?.is(operation) { here.ledger.take() } else { None }
    });
    taken.ok().flatten()
}

impl Running {
    pub(super) fn new(operation: Operation, ledger: Option<Box<Ledger>>) -> Self {
        Self { operation: Some(operation), ledger, watched: false }
    }

    /// A request that is read in the poll at hand, with its deadline `limit` after its beginning. That is when its connection was
    /// woken; and since its handler is polled at once, its first poll begins here.
    pub(crate) fn open_request(limit: Duration, name: Name, trace: Trace, recorder: &Recorder) -> Self {
        let now = Ticks::now();
        let mut running = Self::open(stamped::born(now), Some(limit), name, trace, recorder);
        if let Some(ledger) = &mut running.ledger {
            ledger.begin_first_poll(now, stamped::stretch());
        }
        running
    }

    #[inline]
    pub(crate) fn open(started: Ticks, limit: Option<Duration>, name: Name, trace: Trace, recorder: &Recorder) -> Self {
        let ledger = (!recorder.is_off()).then(|| Ledger::open(started, name.is_sampled(trace.random())));
        let operation = Operation::new(started, limit, name, trace, recorder);
        Self::new(operation, ledger)
    }

    /// Closes the Operation, if it is still open.
    #[inline]
    pub(crate) fn close(&mut self, outcome: Outcome, bytes_out: u64, now: Ticks) {
        self.unwatch(now);
        let Some(operation) = self.operation.take() else { return };
        operation.close_with(self.ledger.take(), outcome, bytes_out, now);
    }

    /// The Operation, while it is not at work.
    pub(crate) fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    /// The Operation with what it did so far, which is copied: nothing for every request.
    pub(crate) fn show<T>(&mut self, look: impl FnOnce(&Operation) -> T) -> Option<T> {
        let operation = self.operation.as_ref()?;
        let Some(ledger) = self.ledger.take() else { return Some(look(operation)) };
        operation.put_ledger(ledger);
        let seen = look(operation);
        self.ledger = operation.take_ledger();
        Some(seen)
    }

    /// Work for the Operation that is measured as a poll is.
    #[inline]
    pub(crate) fn work<T>(&mut self, work: impl FnOnce() -> T) -> T {
        Measured::begin(self).0.lend(work)
    }

    /// A poll, whose waker tells when it woke.
    #[inline]
    pub(crate) fn poll<T>(&mut self, context: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        Measured::begin(self).0.poll_unmeasured(context, poll)
    }

    /// The part of [`Running::poll`] between its times.
    #[inline]
    pub(crate) fn poll_unmeasured<T>(&mut self, context: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let Some(ledger) = &mut self.ledger else {
            return self.lend(|| poll(&mut Context::from_waker(context.waker())));
        };
        let mut kept = ledger.waker.take();
        let polled = waker::poll_with(&mut kept, context, |context| self.lend(|| poll(context)));
        if let Some(ledger) = &mut self.ledger {
            ledger.waker = kept;
        }
        polled
    }

    /// Like [`Running::begin`] for a request, whose first poll has begun already when nothing was polled since.
    #[inline]
    pub(crate) fn begin_request(&mut self) {
        let Some(ledger) = &mut self.ledger else { return };
        match ledger.continues(stamped::stretch()) {
            Some(began) => self.watch(began),
            None => self.begin(Ticks::now()),
        }
    }

    #[inline]
    fn begin(&mut self, now: Ticks) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin_poll(now);
        }
        self.watch(now);
    }

    #[inline]
    fn watch(&mut self, now: Ticks) {
        let Some(operation) = self.operation.as_ref().filter(|operation| operation.is_recorded()) else { return };
        self.watched = line::enter_at(operation.named(), now.as_nanos());
    }

    #[inline]
    fn unwatch(&mut self, now: Ticks) {
        if std::mem::take(&mut self.watched) {
            line::leave_at(now.as_nanos());
        }
    }

    #[inline]
    pub(crate) fn end(&mut self, now: Ticks) {
        self.unwatch(now);
        if let Some(ledger) = &mut self.ledger {
            ledger.end_poll(now);
        }
    }

    /// Does `work` with this in the thread's place.
    #[inline]
    pub(crate) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _swapped = Swapped::new(self);
        work()
    }
}

/// A poll that ends when this is dropped, also by a panic.
struct Measured<'a>(&'a mut Running);

impl<'a> Measured<'a> {
    #[inline]
    fn begin(running: &'a mut Running) -> Self {
        running.begin(Ticks::now());
        Self(running)
    }
}

impl Drop for Measured<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.end(Ticks::now());
    }
}

/// Puts an Operation into the thread's place, and what was there back when it is dropped.
struct Swapped<'a>(&'a mut Running);

impl<'a> Swapped<'a> {
    #[inline]
    fn new(mine: &'a mut Running) -> Self {
        HERE.with_borrow_mut(|here| std::mem::swap(here, mine));
        Self(mine)
    }
}

impl Drop for Swapped<'_> {
    #[inline]
    fn drop(&mut self) {
        HERE.with_borrow_mut(|here| std::mem::swap(here, self.0));
    }
}
