//! Runs one job as an Operation of its own, and says what is to become of it.

use super::{GRACE, Shared};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::jobs::job::Policy;
use crate::jobs::payload;
use crate::jobs::registry::KindInfo;
use crate::jobs::run::{Cancelled, Run};
use crate::jobs::store::{Claimed, Ending, Failure, flag, is_last_chance};
use crate::lifecycle;
use crate::telemetry::{self, Operation, OperationKind, Outcome, Trace, WaitKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// A job that ran.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) job: Claimed,
    pub(super) end: End,
    /// How long it ran; zero when it did not.
    pub(super) took: Duration,
}

impl Finished {
    /// Whether it went well, and its end concerns nobody else.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.end, End::Completed) && self.job.flags & flag::TOLD == 0
    }
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    /// It went well.
    Completed,
    /// It went well, and is settled already.
    Settled,
    /// It did not.
    Not(Ending),
}

/// Runs the job; never panics.
pub(super) async fn execute(shared: &Arc<Shared>, mut job: Claimed) -> Finished {
    let started = clock::monotonic();
    let cancelled = shared.cancelled_of(job.id);
    let info = shared.jobs.registry().kind(&job.kind).copied();
    let policy = info.map_or(Policy::new(), |info| info.policy);
    let arguments = std::mem::take(&mut job.args);
    let run = Run::new(job.clone(), shared.id(), shared.store().clone(), cancelled.clone());
    let operation = open(shared, &job, info.as_ref());
    say_begun(shared, &job).await;
    let work = match prepared(shared, &job, &arguments, &run) {
        Ok(work) => operation.scope(bounded(shared, work, &policy, &cancelled)).await,
        Err(error) => Err(Stopped::Failed(error)),
    };
    lifecycle::fault("jobs.ran");
    let end = match work {
        Ok(()) if run.is_completed() => End::Settled,
        Ok(()) => End::Completed,
        Err(stopped) => End::Not(decide(shared, &policy, &job, info.is_some(), stopped, &operation)),
    };
    operation.close(if matches!(end, End::Not(_)) { Outcome::Failed } else { Outcome::Done });
    Finished { job, end, took: clock::monotonic() - started }
}

/// Why a run ended other than well.
enum Stopped {
    Failed(Error),
    Cancelled,
    /// The process stops.
    GivenBack,
}

/// Writes down that a job begins which the process may be about to die of.
async fn say_begun(shared: &Shared, job: &Claimed) {
    let limit = shared.jobs.registry().crashes(&job.kind);
    if is_last_chance(job.crashes, job.attempt, job.max_attempts, limit)
        && let Err(error) = shared.store().set_begun(job, shared.id()).await
    {
        tracing::warn!(job = %job.id, "should this process die of it, nobody knows: {}", error.report());
    }
}

fn open(shared: &Shared, job: &Claimed, info: Option<&KindInfo>) -> Operation {
    let trace = Trace::from_traceparent(&job.trace).unwrap_or_default();
    let module = info.map_or("", |info| info.module);
    Operation::open_in(shared.recorder.name(OperationKind::Job, module, &job.kind), trace, &shared.recorder)
}

/// The work of the job, once it is clear that it can be done.
fn prepared(shared: &Shared, job: &Claimed, arguments: &[u8], run: &Run) -> Result<BoxFuture<'static, Result<()>>> {
    if job.is_past_deadline(shared.store().now()) {
        return Err(Error::invalid("its deadline passed before it could run")
            .hint("retry it if it is still worth doing; or give the queue more workers"));
    }
    let handler = shared.jobs.registry().handler(&job.kind).ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("no module of this build does jobs of kind `{}`", job.kind))
            .hint("start a worker of the build that does, and retry the job; or discard it")
    })?;
    let plain = payload::plain(&shared.jobs.0.cipher, job.has(flag::ENCRYPTED), &job.kind, job.id, arguments)?;
    Ok(handler(job.version, plain, run.clone()))
}

/// The work within its time; on a thread of its own where it may block.
async fn bounded(
    shared: &Arc<Shared>,
    work: BoxFuture<'static, Result<()>>,
    policy: &Policy,
    cancelled: &Cancelled,
) -> std::result::Result<(), Stopped> {
    let work = if policy.blocking { threaded(shared, work).await } else { work };
    let late = clock::monotonic() + policy.timeout;
    Operation::with_current(|operation| operation.set_deadline(late));
    let mut work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
    let told = async {
        tokio::select! {
            () = cancelled.cancelled() => Stopped::Cancelled,
            () = shared.gone.stopping() => Stopped::GivenBack,
        }
    };
    let done = tokio::select! {
        biased;
        done = clock::until(late, work.as_mut()) => done,
        stopped = told => {
            cancelled.cancel();
            // It may end well on its own, knowing that it should stop.
            return match clock::until(clock::monotonic() + GRACE, work.as_mut()).await {
                Ok(Ok(Ok(()))) => Ok(()),
                _ => Err(stopped),
            };
        }
    };
    match done {
        Ok(Ok(done)) => done.map_err(Stopped::Failed),
        Ok(Err(panic)) => {
            let words = crate::telemetry::panic_words(&*panic);
            Err(Stopped::Failed(Error::internal(format!("panic: {words}"))))
        }
        Err(_) => {
            cancelled.cancel();
            let late = format!("it ran longer than {:?}", policy.timeout);
            Err(Stopped::Failed(
                Error::new(Kind::Timeout, late).hint("raise `timeout` of its policy, or do less in one job"),
            ))
        }
    }
}

/// Drives the work on a thread for blocking work. A thread cannot be stopped: its place stays taken until it ends.
async fn threaded(shared: &Arc<Shared>, work: BoxFuture<'static, Result<()>>) -> BoxFuture<'static, Result<()>> {
    let place = shared.blocking_places.waiting_for(shared.blocking.clone().acquire_owned());
    let place = telemetry::wait(WaitKind::Queue, "blocking jobs", place).await;
    let held = (place, shared.blocking_places.hold(), telemetry::hold_blocking_thread());
    let task = telemetry::spawn_driving("thread", async move {
        let _held = held;
        AssertUnwindSafe(work).catch_unwind().await
    });
    Box::pin(async move {
        match task.await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::internal("the thread of the job ended").source(error)),
        }
    })
}

/// Whether trying again may help, by the kind of the error alone.
fn is_worth_retrying(kind: Kind) -> bool {
    !matches!(kind, Kind::NotFound | Kind::Invalid | Kind::Unauthenticated | Kind::Forbidden | Kind::Unsupported)
}

fn decide(
    shared: &Shared,
    policy: &Policy,
    job: &Claimed,
    known: bool,
    stopped: Stopped,
    operation: &Operation,
) -> Ending {
    let error = match stopped {
        Stopped::Cancelled => return Ending::Cancel,
        Stopped::GivenBack => return Ending::GiveBack,
        Stopped::Failed(error) => error,
    };
    operation.set_error(&error);
    let failure = Failure::new(&error);
    // A build that does not know the kind may stand beside a newer one that does.
    if (known && !is_worth_retrying(error.kind())) || job.attempt >= job.max_attempts {
        return Ending::Discard(failure);
    }
    let wait = policy.backoff.after(job.attempt, fastrand::f64()).max(error.wait_time().unwrap_or_default());
    let at = shared.store().now() + wait;
    if job.is_past_deadline(at) { Ending::Discard(failure) } else { Ending::Retry(at, failure) }
}
