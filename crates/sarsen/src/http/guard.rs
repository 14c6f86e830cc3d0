//! What is around a handler while it runs: its deadline, the net for its panics, and the Operation it works for.

use super::beside::Beside;
use super::body::Alarm;
use crate::clock::{self, Ticks};
use crate::error::{Error, Kind};
use crate::telemetry::{Operation, Outcome, Running};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A handler that works until it answers, panics, or its deadline comes. Polled and dropped within its Operation,
    /// so what it waited for in the end is booked.
    pub(super) struct Guarded {
        handler: BoxFuture<'static, Response>,
        deadline: Ticks,
        alarm: Alarm,
        beside: Beside,
    }
}

impl Guarded {
    #[inline]
    pub(super) fn new(handler: BoxFuture<'static, Response>, deadline: Ticks, beside: Beside) -> Self {
        Self { handler, deadline, alarm: Alarm::default(), beside }
    }
}

impl Future for Guarded {
    type Output = Response;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        let handler = this.handler;
        let poll = AssertUnwindSafe(|| handler.as_mut().poll(context));
        let mut response = match this.beside.lend(|| catch_unwind(poll)) {
            Ok(Poll::Ready(response)) => response,
            Ok(Poll::Pending) => {
                let deadline = *this.deadline;
                let left = || clock::pause(deadline.left());
                ready!(this.alarm.poll(context, left));
                Error::new(Kind::Timeout, "the request took too long").into_response()
            }
            Err(panic) => panicked(&*panic).into_response(),
        };
        if let Some(auth) = &this.beside.auth {
            auth.answer(&mut response);
        }
        Poll::Ready(response)
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("panic: {}", message.unwrap_or("without a message")))
}

/// The duty to close an Operation: dropped before, it is cancelled.
#[derive(Debug)]
pub(super) struct Closing(Running);

impl Closing {
    pub(super) fn new(running: Running) -> Self {
        Self(running)
    }

    /// What is left after it was handed on: a duty to nothing.
    pub(super) fn take(&mut self) -> Self {
        Self(std::mem::take(&mut self.0))
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.0.operation()
    }

    /// The Operation with what it did so far.
    pub(super) fn show<T>(&mut self, look: impl FnOnce(&Operation) -> T) -> Option<T> {
        self.0.show(look)
    }

    /// Makes `work` work for the Operation.
    pub(super) fn enter<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.0.work(work)
    }

    /// Polls for the Operation.
    pub(super) fn poll<T>(&mut self, context: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.0.poll(context, poll)
    }

    /// Polls a request; what follows when it is done, until it is closed, is part of the same poll.
    #[inline]
    pub(super) fn poll_request<T>(
        &mut self,
        context: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.0.begin_request();
        let polled = self.0.poll_unmeasured(context, poll);
        if polled.is_pending() {
            self.0.end(Ticks::now());
        }
        polled
    }

    /// The answer goes on, and is polled by somebody else.
    pub(super) fn hand_on(&mut self) -> Self {
        self.0.end(Ticks::now());
        self.take()
    }

    /// Makes `work` work for the Operation in the poll at hand.
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.0.lend(work)
    }

    #[inline]
    pub(super) fn close(&mut self, outcome: Outcome, bytes_out: u64) {
        self.0.close(outcome, bytes_out, Ticks::now());
    }
}

impl Drop for Closing {
    #[inline]
    fn drop(&mut self) {
        if self.0.operation().is_some() {
            self.close(Outcome::Cancelled, 0);
        }
    }
}
