//! What is around a handler while it runs: its deadline, the net for its panics, and the Operation it works for.

use super::auth::Auth;
use super::body::Alarm;
use crate::clock;
use crate::error::{Error, Kind};
use crate::telemetry::{Operation, Outcome, Recorder};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use pin_project_lite::pin_project;
use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

pin_project! {
    /// A handler that works until it answers, panics, or its deadline comes. Polled and dropped within its Operation,
    /// so what it waited for in the end is booked.
    pub(super) struct Guarded {
        #[pin]
        handler: RouteFuture<Infallible>,
        deadline: Instant,
        alarm: Alarm,
        auth: Option<Arc<Auth>>,
    }
}

impl Guarded {
    /// `auth` is what the handler may change about who is there.
    #[inline]
    pub(super) fn new(handler: RouteFuture<Infallible>, deadline: Instant, auth: Option<Arc<Auth>>) -> Self {
        Self { handler, deadline, alarm: Alarm::default(), auth }
    }
}

impl Future for Guarded {
    type Output = Response;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        let handler = this.handler;
        let mut response = match catch_unwind(AssertUnwindSafe(|| handler.poll(context))) {
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Ready(Err(never))) => match never {},
            Ok(Poll::Pending) => {
                let deadline = *this.deadline;
                let left = || clock::pause(deadline.saturating_duration_since(clock::monotonic()));
                ready!(this.alarm.poll(context, left));
                Error::new(Kind::Timeout, "the request took too long").into_response()
            }
            Err(panic) => panicked(&*panic).into_response(),
        };
        if let Some(auth) = this.auth {
            auth.answer(response.headers_mut());
        }
        Poll::Ready(response)
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("panic: {}", message.unwrap_or("without a message")))
}

/// The duty to close an Operation: dropped before, it is cancelled.
#[derive(Debug, Default)]
pub(super) struct Closing(Option<Operation>);

impl Closing {
    pub(super) fn new(operation: Operation) -> Self {
        Self(Some(operation))
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.0.as_ref()
    }

    /// Makes `work` work for the Operation.
    #[inline]
    pub(super) fn enter<T>(&mut self, work: impl FnOnce() -> T) -> T {
        Operation::lend(&mut self.0, work)
    }

    pub(super) fn close(mut self, outcome: Outcome) {
        if let Some(operation) = self.0.take() {
            operation.close(outcome);
        }
    }

    /// Like [`Closing::close`] where the Operation's recorder is at hand, which is cheaper.
    #[inline]
    pub(super) fn close_into(&mut self, recorder: &Recorder, outcome: Outcome) {
        if let Some(operation) = self.0.take() {
            operation.close_into(recorder, outcome);
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(operation) = self.0.take() {
            operation.close(Outcome::Cancelled);
        }
    }
}
