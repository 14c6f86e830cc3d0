//! What is around a handler while it runs: its Operation, its deadline, and the net for its panics.

use super::auth::Auth;
use super::body::Alarm;
use crate::clock;
use crate::error::{Error, Kind};
use crate::telemetry::{Operation, Outcome};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use pin_project_lite::pin_project;
use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

pin_project! {
    /// A handler that works for its Operation until it answers, panics, or its deadline comes.
    ///
    /// It is dropped within the Operation too, so what it waited for in the end is booked.
    pub(super) struct Guarded<P> {
        #[pin]
        handler: Option<RouteFuture<Infallible>>,
        operation: Operation,
        deadline: Instant,
        alarm: Alarm,
        auth: Option<Arc<Auth>>,
        place: P,
    }

    impl<P> PinnedDrop for Guarded<P> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.handler.is_some() {
                this.operation.enter(|| this.handler.set(None));
            }
        }
    }
}

impl<P> Guarded<P> {
    /// `auth` is what the handler may change about who is there; `place` is held meanwhile.
    #[inline]
    pub(super) fn new(
        handler: RouteFuture<Infallible>,
        operation: Operation,
        deadline: Instant,
        auth: Option<Arc<Auth>>,
        place: P,
    ) -> Self {
        Self { handler: Some(handler), operation, deadline, alarm: Alarm::default(), auth, place }
    }
}

impl<P> Future for Guarded<P> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let mut this = self.project();
        let late = || Error::new(Kind::Timeout, "the request took too long").into_response();
        let polled = this.operation.enter(|| {
            let polled = match this.handler.as_mut().as_pin_mut() {
                Some(handler) => catch_unwind(AssertUnwindSafe(|| handler.poll(context))),
                None => Ok(Poll::Pending),
            };
            match polled {
                Ok(Poll::Ready(Ok(response))) => Poll::Ready(response),
                Ok(Poll::Ready(Err(never))) => match never {},
                Ok(Poll::Pending) => {
                    let deadline = *this.deadline;
                    let left = || clock::pause(deadline.saturating_duration_since(clock::monotonic()));
                    this.alarm.poll(context, left).map(|()| late())
                }
                Err(panic) => Poll::Ready(panicked(&*panic).into_response()),
            }
        });
        polled.map(|mut response| {
            if let Some(auth) = this.auth {
                auth.answer(response.headers_mut());
            }
            response
        })
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("panic: {}", message.unwrap_or("without a message")))
}

/// The duty to close an Operation: dropped before, it is cancelled.
#[derive(Debug)]
pub(super) struct Closing {
    operation: Operation,
    closed: bool,
}

impl Closing {
    pub(super) fn new(operation: Operation) -> Self {
        Self { operation, closed: false }
    }

    pub(super) fn operation(&self) -> &Operation {
        &self.operation
    }

    pub(super) fn close(mut self, outcome: Outcome) {
        self.closed = true;
        self.operation.close(outcome);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if !self.closed {
            self.operation.close(Outcome::Cancelled);
        }
    }
}
