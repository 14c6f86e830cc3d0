//! One call through a handle: its deadline, its panics, its count, and how it can fail.

use super::api::{BoxFuture, Slot};
use crate::clock;
use crate::error::{Error, Kind};
use crate::telemetry::{self, Operation};
use futures_util::FutureExt;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Why a call of another module failed.
///
/// The two cases are apart on purpose: the first is an answer, the second is none. Here or in another process, the type is
/// the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The module answered with its own error.
    App(E),
    /// The call itself failed.
    Failed(CallFailure),
}

/// How a call itself can fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallFailure {
    /// The module has not started yet; its name.
    NotReady(&'static str),
    /// The module cannot be reached; why.
    Unavailable(String),
    /// The Operation's or the method's deadline passed.
    DeadlineExceeded,
    /// The module panicked; with these words.
    Panicked(String),
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallFailure::NotReady(module) => write!(f, "module `{module}` has not started"),
            CallFailure::Unavailable(why) => write!(f, "the module cannot be reached: {why}"),
            CallFailure::DeadlineExceeded => f.write_str("the deadline of the call passed"),
            CallFailure::Panicked(words) => write!(f, "the module panicked: {words}"),
        }
    }
}

impl std::error::Error for CallFailure {}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::App(error) => error.fmt(f),
            CallError::Failed(failure) => failure.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::App(error) => error.source(),
            CallError::Failed(_) => None,
        }
    }
}

impl<E: Into<Error>> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::App(error) => error.into(),
            CallError::Failed(failure) => failure.into(),
        }
    }
}

impl From<CallFailure> for Error {
    fn from(failure: CallFailure) -> Self {
        let kind = match failure {
            CallFailure::NotReady(_) | CallFailure::Unavailable(_) => Kind::Unavailable,
            CallFailure::DeadlineExceeded => Kind::Timeout,
            CallFailure::Panicked(_) => Kind::Internal,
        };
        Error::new(kind, failure.to_string())
    }
}

/// How often one method was called through a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCount {
    /// The method.
    pub method: &'static str,
    /// Calls that ended, in whatever way.
    pub calls: u64,
    /// Those of them that failed, by the module's own error or otherwise.
    pub errors: u64,
    /// The time of all of them together.
    pub total: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counter {
    fn add(&self, started: Instant, failed: bool) {
        let took = (clock::monotonic() - started).as_nanos();
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(failed), Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn read(&self, method: &'static str) -> CallCount {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let total = Duration::from_nanos(read(&self.nanoseconds));
        CallCount { method, calls: read(&self.calls), errors: read(&self.errors), total }
    }
}

/// Calls method number `index` of the module behind `slot`: what every method of a generated handle does.
#[doc(hidden)]
pub async fn call<'a, D, T, E>(
    slot: &'a Slot<D>,
    index: usize,
    invoke: impl FnOnce(&'a D) -> BoxFuture<'a, Result<T, E>>,
) -> Result<T, CallError<E>>
where
    D: ?Sized,
{
    let (method, counter) = slot.method(index);
    let started = clock::monotonic();
    let result = match slot.module() {
        None => Err(CallError::Failed(CallFailure::NotReady(slot.name()))),
        Some(module) => match deadline(started, method.deadline) {
            Deadline::Passed => Err(CallError::Failed(CallFailure::DeadlineExceeded)),
            Deadline::None => caught(async { invoke(module).await }).await,
            Deadline::At(at) => clock::until(at, caught(async { invoke(module).await }))
                .await
                .unwrap_or(Err(CallError::Failed(CallFailure::DeadlineExceeded))),
        },
    };
    counter.add(started, result.is_err());
    result
}

enum Deadline {
    None,
    At(Instant),
    Passed,
}

/// The method's own limit needs a timer. The Operation's has one already, around all of it, so it is looked at only.
fn deadline(started: Instant, limit: Option<Duration>) -> Deadline {
    let of_operation = Operation::with_current(Operation::deadline).flatten();
    if of_operation.is_some_and(|deadline| deadline <= started) {
        return Deadline::Passed;
    }
    let own = limit.map(|limit| started + limit);
    own.map_or(Deadline::None, |own| Deadline::At(of_operation.map_or(own, |deadline| deadline.min(own))))
}

async fn caught<T, E>(call: impl Future<Output = Result<T, E>>) -> Result<T, CallError<E>> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(CallError::App),
        Err(panic) => Err(CallError::Failed(CallFailure::Panicked(telemetry::panic_words(&*panic)))),
    }
}
