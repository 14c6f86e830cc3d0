//! Carries things to another service in the background: gathered, bounded, tried again, never waited for.

use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::http::client::{Address, Outbound, post};
use crate::lifecycle::Lifecycle;
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long is waited for more to send together.
const GATHER: Duration = Duration::from_millis(500);
/// How often one batch is tried.
const ATTEMPTS: u32 = 4;
/// The first wait between two attempts; it doubles.
const WAIT: Duration = Duration::from_millis(500);
/// Longest wait that the other side may ask for.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the last batch may take when the application stops.
const LAST: Duration = Duration::from_secs(2);

/// A place where things are sent.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// The kind of service, in the waits of Operations and in the log.
    pub(super) label: &'static str,
    pub(super) to: Address,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// How long sending once may take.
    pub(super) timeout: Duration,
}

impl Receiver {
    /// Sends `body`, trying again what may help; gives up with the last error.
    pub(super) async fn deliver(&self, body: Bytes, lifecycle: &Lifecycle) -> Result<()> {
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.send(body.clone(), lifecycle).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if attempt >= ATTEMPTS || !error.kind().is_transient() || lifecycle.is_stopping() {
                return Err(error);
            }
            let doubled = WAIT * 2_u32.pow(attempt - 1);
            let pause = wait.unwrap_or(doubled.mul_f64(0.5 + fastrand::f64() / 2.0)).min(LONGEST);
            // A stop ends the wait; then there is one more attempt.
            let _ = clock::until(clock::monotonic() + pause, lifecycle.stopping()).await;
            attempt += 1;
        }
    }

    /// The error, and how long the other side wants to be left alone.
    async fn send(&self, body: Bytes, lifecycle: &Lifecycle) -> Result<(), (Error, Option<Duration>)> {
        let limit = if lifecycle.is_stopping() { self.timeout.min(LAST) } else { self.timeout };
        let outbound = Outbound { to: self.to.clone(), headers: self.headers.clone(), body };
        let answer = post(self.label, limit, outbound).await.map_err(|error| (error, None))?;
        if answer.status.is_success() {
            return Ok(());
        }
        let again = answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status.is_server_error();
        let kind = if again { Kind::Unavailable } else { Kind::Invalid };
        Err((Error::new(kind, format!("{} answered {}", self.label, answer.status)), answer.retry_after))
    }
}

/// Things on their way to a receiver. Clones are the same.
pub(super) struct Ship<T>(Arc<Queue<T>>);

struct Queue<T> {
    waiting: ArrayQueue<T>,
    come: Notify,
    /// Most that are sent together.
    batch: usize,
    dropped: AtomicU64,
}

impl<T> Clone for Ship<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Ship<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ship").field("waiting", &self.0.waiting.len()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Ship<T> {
    pub(super) fn new(capacity: usize, batch: usize) -> Self {
        let waiting = ArrayQueue::new(capacity.max(1));
        Self(Arc::new(Queue { waiting, come: Notify::new(), batch, dropped: AtomicU64::new(0) }))
    }

    /// Takes `thing` along; where there is no room it is dropped and counted.
    pub(super) fn push(&self, thing: T) {
        match self.0.waiting.push(thing) {
            Ok(()) => self.0.come.notify_one(),
            Err(_) => drop(self.0.dropped.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// How many never arrived: there was no room, or nobody took them.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Sends what comes, written down by `encode`, until the application stops and nothing is left.
    pub(super) async fn run(self, receiver: Receiver, lifecycle: Lifecycle, encode: impl Fn(&[T]) -> Bytes) {
        let queue = &*self.0;
        loop {
            if queue.waiting.is_empty() {
                if lifecycle.is_stopping() {
                    return;
                }
                let _ = tokio::select! {
                    () = queue.come.notified() => clock::until(clock::monotonic() + GATHER, lifecycle.stopping()).await,
                    () = lifecycle.stopping() => Ok(()),
                };
            }
            let batch: Vec<T> = std::iter::from_fn(|| queue.waiting.pop()).take(queue.batch).collect();
            if batch.is_empty() {
                continue;
            }
            if let Err(error) = receiver.deliver(encode(&batch), &lifecycle).await {
                queue.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
                tracing::warn!(to = ?receiver.to, lost = batch.len(), "{}: {}", receiver.label, error.report());
            }
        }
    }
}
