//! When the event came that led to the poll at hand: a request that is born in it began then, not when a thread had time for it.

use super::waker::{self, Kept};
use crate::clock::Ticks;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// When the task at hand was woken, until somebody takes it; zero when nobody knows.
    static WOKEN: Cell<u64> = const { Cell::new(0) };
    /// Which poll of such a task this is.
    static STRETCH: Cell<u64> = const { Cell::new(0) };
}

pin_project! {
    /// The task of a connection or of a stream, which knows when it was woken.
    #[derive(Debug)]
    pub(crate) struct Stamped<F> {
        #[pin]
        future: F,
        kept: Option<Kept>,
        // When it was made, until the first poll.
        born: u64,
    }
}

impl<F> Stamped<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, kept: None, born: super::stamp() }
    }
}

impl<F: Future> Future for Stamped<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let woken = this.kept.as_ref().map_or(0, Kept::take);
        let woken = if woken == 0 { std::mem::take(this.born) } else { woken };
        WOKEN.set(woken);
        STRETCH.set(STRETCH.get().wrapping_add(1));
        let polled = waker::poll_with(this.kept, context, |context| this.future.poll(context));
        WOKEN.set(0);
        polled
    }
}

/// When the task at hand was woken, or `now`. The second request of one poll begins when it is read.
#[inline]
pub(super) fn born(now: Ticks) -> Ticks {
    match WOKEN.replace(0) {
        0 => now,
        woken => Ticks::from_nanos(woken).min(now),
    }
}

/// Which poll of a connection or stream this is: what is the same without a poll between has not waited.
#[inline]
pub(super) fn stretch() -> u64 {
    STRETCH.get()
}
