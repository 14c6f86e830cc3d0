//! The bodies of requests, with their limits, and of answers that end later than their handler.

use super::guard::Closing;
use super::problem::Refusal;
use crate::clock::{self, Ticks};
use crate::config::HttpSection;
use crate::error::Error;
use crate::telemetry::{self, Outcome, Wait, WaitKind};
use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::fmt;
use std::future::{Future, Pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A timer that costs nothing until something is really waited for.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Alarm {
    /// Whether the time has come; `start` makes the timer at the first question.
    pub(super) fn poll<F>(&mut self, context: &mut Context<'_>, start: impl FnOnce() -> F) -> Poll<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.get_or_insert_with(|| Box::pin(start())).as_mut().poll(context)
    }

    /// Forgets the timer: what was waited for has come.
    pub(super) fn stop(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Alarm(set)" } else { "Alarm" })
    }
}

/// Limits of the body of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    size: u64,
    pause: Duration,
    /// The key that says how large.
    key: &'static str,
}

impl BodyLimits {
    pub(super) fn new(section: &HttpSection) -> Self {
        Self { size: section.max_body.0, pause: section.body_pause.0, key: "[http] max_body" }
    }

    /// Of routes that take files: `most` and what a form puts around it.
    pub(super) fn of_uploads(section: &HttpSection, most: u64) -> Self {
        Self { size: most.saturating_add(AROUND), pause: section.body_pause.0, key: "[blobs] max_upload" }
    }

    /// Refuses at once what says itself that it is too large.
    #[inline]
    pub(super) fn check<B: http_body::Body>(self, body: &B) -> Result<(), Error> {
        if body.size_hint().lower() > self.size { Err(self.too_large()) } else { Ok(()) }
    }

    /// Puts the limits around `body`.
    #[inline]
    pub(super) fn limit<B>(self, body: B, deadline: Ticks) -> Body
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Body::empty();
        }
        let inner = Limited::new(body, usize::try_from(self.size).unwrap_or(usize::MAX));
        Body::new(Incoming { inner, pause: self.pause, deadline, alarm: Alarm::default() })
    }

    fn too_large(self) -> Error {
        let text = format!("the body is larger than {:?}", crate::config::Size(self.size));
        Refusal::TooLarge.error(text).hint(format!("send less, or raise {}", self.key))
    }
}

/// What the parts of a form may take beside the largest file.
const AROUND: u64 = 64 << 10;

/// The body of a request: never too large, never silent for too long; waiting for the client is booked.
struct Incoming<B> {
    inner: Limited<B>,
    pause: Duration,
    deadline: Ticks,
    alarm: Alarm,
}

impl<B> http_body::Body for Incoming<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.alarm.stop();
            return Poll::Ready(frame);
        }
        let (pause, deadline) = (this.pause, this.deadline);
        let patience = || {
            // A client that dribbles until the deadline is slow; the application is not: so this ends first.
            let left = deadline.left().saturating_sub(MARGIN);
            telemetry::wait(WaitKind::BodyIn, "request body", clock::pause(pause.min(left)))
        };
        ready!(this.alarm.poll(context, patience));
        Poll::Ready(Some(Err(Refusal::Slow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How long before the deadline of a request its body must have come.
const MARGIN: Duration = Duration::from_millis(5);

/// Reads the whole body; errors say which limit was broken.
pub(super) async fn read(body: Body) -> Result<Bytes, Error> {
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(explain(&error)),
    }
}

/// Like [`read`] with a limit of its own, where a route takes less than others.
pub(super) async fn read_at_most(body: Body, most: usize) -> Result<Bytes, Error> {
    let size = crate::config::Size(most as u64);
    if body.size_hint().lower() > size.0 {
        return Err(Refusal::TooLarge.error(format!("the body is larger than {size:?}, which this route takes")));
    }
    read(Body::new(Limited::new(body, most))).await
}

pub(super) fn explain(error: &axum::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Refusal::TooLarge.error("the body is too large").hint("send less");
        }
        if error.is::<Refusal>() {
            return Refusal::Slow.error("the body came too slowly");
        }
        cause = error.source();
    }
    Refusal::Malformed.error("the body ended before it was complete")
}

/// The body of an answer that goes on after its handler: the Operation closes at its end, or as cancelled when it is dropped.
pub(super) struct Outgoing<H> {
    inner: Body,
    closing: Option<Closing>,
    status: u16,
    sent: u64,
    client: Option<Wait<Pending<()>>>,
    _held: H,
}

impl<H> Outgoing<H> {
    pub(super) fn new(inner: Body, closing: Closing, status: u16, held: H) -> Self {
        Self { inner, closing: Some(closing), status, sent: 0, client: None, _held: held }
    }

    fn poll_inner(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The client has taken the last part: that wait is over.
        self.client = None;
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            let mut client = telemetry::wait(WaitKind::BodyOut, "response body", std::future::pending());
            let _ = Pin::new(&mut client).poll(context);
            self.client = Some(client);
        }
        Poll::Ready(frame)
    }

    fn end(&mut self, frame: Option<&Result<Frame<Bytes>, axum::Error>>) {
        let outcome = match frame {
            None => Outcome::Status(self.status),
            Some(Err(_)) => Outcome::Failed,
            Some(Ok(_)) if self.inner.is_end_stream() => Outcome::Status(self.status),
            Some(Ok(_)) => return,
        };
        if let Some(mut closing) = self.closing.take() {
            if let (Some(Err(error)), Some(operation)) = (frame, closing.operation()) {
                operation.set_error(&Error::internal(format!("the body of the answer failed: {error}")));
            }
            closing.close(outcome, self.sent);
        }
    }
}

impl<H: Unpin> http_body::Body for Outgoing<H> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = match this.closing.take() {
            Some(mut closing) => {
                let frame = closing.poll(context, |context| this.poll_inner(context));
                this.closing = Some(closing);
                ready!(frame)
            }
            None => ready!(Pin::new(&mut this.inner).poll_frame(context)),
        };
        this.end(frame.as_ref());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
