//! Requests of a router that is none of ours as Operations: the two outer steps of [`Stack::call`], and nothing of the others.

use super::body::Outgoing;
use super::budget::{self, Audience};
use super::guard::Closing;
use super::routes::name_by_match;
use super::stack::{Stack, trace_of};
use crate::clock::Ticks;
use crate::telemetry::{OperationKind, Outcome, Running};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http_body::Body as _;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl Stack {
    /// The same routes, each request of which is an Operation: named by the pattern that axum matched, in the trace of its
    /// caller, closed when the answer has gone out, or as cancelled when the client hangs up.
    pub(crate) fn measured(&self, router: Router) -> Router {
        let (recorder, audience) = (self.recorder().clone(), self.audience());
        router.layer(from_fn(move |request: Request, next: Next| {
            let name = recorder.name(OperationKind::Request, "", "(no route)");
            let running = Running::open(Ticks::now(), None, name, trace_of(request.headers()), &recorder);
            let mut closing = Closing::new(running);
            closing.enter(|| name_by_match(&request, ""));
            Measured { work: Some(next.run(request)), closing, audience }
        }))
    }
}

pin_project! {
    /// A request that works for its Operation, and is dropped within it.
    struct Measured<F> {
        #[pin]
        work: Option<F>,
        closing: Closing,
        audience: Option<Audience>,
    }

    impl<F> PinnedDrop for Measured<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.closing.enter(|| this.work.set(None));
        }
    }
}

impl<F: Future<Output = Response>> Future for Measured<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let mut this = self.project();
        let polled = this.closing.poll(context, |context| match this.work.as_mut().as_pin_mut() {
            Some(work) => work.poll(context),
            None => Poll::Pending,
        });
        let mut response = ready!(polled);
        if let Some(audience) = *this.audience {
            budget::tell(&mut response, this.closing, audience);
        }
        let (status, mut closing) = (response.status().as_u16(), this.closing.take());
        if let Some(length) = response.body().size_hint().exact() {
            closing.close(Outcome::Status(status), length);
            return Poll::Ready(response);
        }
        Poll::Ready(response.map(|body| Body::new(Outgoing::new(body, closing, status, ()))))
    }
}
