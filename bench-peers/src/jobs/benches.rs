//! The benches, the same for every queue; `node/benches.js` is their twin.

use super::engine::{Engine, Worker};
use super::{Effects, Figure, Options};
use crate::report::progress;
use crate::rounds::percentile;
use crate::{Outcome, wrong};
use sarsen::{clock, lifecycle};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Enqueued by each client before the clock starts, so that every connection is there.
const WARM_UP: usize = 2;
/// In one call.
const BULK: usize = 1_000;
/// After so long without a job, the worker stands still.
const STALL: Duration = Duration::from_secs(20);
/// How long the last acknowledgements may take.
const SETTLE: Duration = Duration::from_secs(30);
/// How long one job may take to start on an idle worker.
const START: Duration = Duration::from_secs(35);
/// Jobs that start before the samples.
const FIRST_STARTS: usize = 5;

/// Single jobs of `concurrency` clients at once.
pub(super) async fn enqueue<E: Engine>(engine: &E, options: &Options) -> Outcome<Figure> {
    let number = Arc::new(AtomicUsize::new(0));
    let before = WARM_UP * options.concurrency;
    clients(engine, options.concurrency, &number, before).await?;
    number.store(before, Ordering::Relaxed);
    let since = clock::monotonic();
    clients(engine, options.concurrency, &number, before + options.count).await?;
    let took = seconds(since);
    expect_waiting(engine, before + options.count).await?;
    Ok(Figure::Rate { rate: options.count as f64 / took })
}

async fn clients<E: Engine>(engine: &E, clients: usize, number: &Arc<AtomicUsize>, until: usize) -> Outcome<()> {
    let client = |engine: E, number: Arc<AtomicUsize>| async move {
        loop {
            let next = number.fetch_add(1, Ordering::Relaxed);
            if next >= until {
                return Outcome::Ok(());
            }
            engine.enqueue(next).await?;
        }
    };
    let tasks: Vec<_> = (0..clients).map(|_| lifecycle::spawn(client(engine.clone(), number.clone()))).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// A thousand jobs in each call, one call after another.
pub(super) async fn enqueue_bulk<E: Engine>(engine: &E, options: &Options) -> Outcome<Figure> {
    let since = clock::monotonic();
    for from in (0..options.count).step_by(BULK) {
        engine.enqueue_many((from..options.count.min(from + BULK)).collect()).await?;
    }
    let took = seconds(since);
    expect_waiting(engine, options.count).await?;
    Ok(Figure::Rate { rate: options.count as f64 / took })
}

/// Runs the first `count` of the `waiting` jobs, or as many as there is time for.
pub(super) async fn drain<E: Engine>(engine: &E, options: &Options) -> Outcome<Figure> {
    let effects = Arc::new(Effects::new(options.waiting));
    let before = engine.unfinished().await?;
    let since = clock::monotonic();
    let mut worker = engine.work(options.concurrency, effects.clone()).await?;
    if let Err(reason) = watch(&mut worker, &effects, since, options).await {
        let done = before.saturating_sub(engine.unfinished().await?);
        return Err(wrong(format!("ran {} of {} jobs, acknowledged {done}: {reason}", effects.ran(), options.count)));
    }
    let ran = effects.ran().min(options.count);
    let Some(end) = effects.reached(ran) else {
        return Err(wrong(format!("ran none of {} jobs in {:?}", options.count, options.seconds)));
    };
    settle(engine, before, ran).await?;
    worker.stop().await?;
    if effects.again() > 0 {
        progress(&format!("{} jobs ran more than once", effects.again()));
    }
    Ok(Figure::Rate { rate: ran as f64 / (end - since).as_secs_f64() })
}

/// Waits until everything has run or the time is over; an error when the worker stands still.
async fn watch(worker: &mut impl Worker, effects: &Effects, since: Instant, options: &Options) -> Outcome<()> {
    let mut last = (0, since);
    while effects.ran() < options.count && clock::monotonic() - since < options.seconds {
        clock::pause(Duration::from_millis(5)).await;
        if effects.ran() > last.0 {
            last = (effects.ran(), clock::monotonic());
        }
        if let Some(reason) = worker.ended().await {
            return Err(wrong(format!("the worker ended: {reason}")));
        }
        if clock::monotonic() - last.1 > STALL {
            return Err(wrong(format!("then it stood still for {STALL:?}")));
        }
    }
    Ok(())
}

/// What ran must be acknowledged in the store too.
async fn settle<E: Engine>(engine: &E, before: usize, ran: usize) -> Outcome<()> {
    let since = clock::monotonic();
    loop {
        let done = before.saturating_sub(engine.unfinished().await?);
        if done >= ran {
            return Ok(());
        }
        if clock::monotonic() - since > SETTLE {
            return Err(wrong(format!("ran {ran} jobs, but acknowledged only {done} within {SETTLE:?}")));
        }
        clock::pause(Duration::from_millis(100)).await;
    }
}

/// From the call that enqueues a job to its first line, on a worker that has nothing else to do.
pub(super) async fn start_idle<E: Engine>(engine: &E, options: &Options) -> Outcome<Figure> {
    let effects = Arc::new(Effects::new(options.count + FIRST_STARTS));
    let worker = engine.work(options.concurrency, effects.clone()).await?;
    clock::pause(Duration::from_secs(1)).await;
    let since = clock::monotonic();
    let mut samples = Vec::new();
    for number in 0..options.count + FIRST_STARTS {
        if clock::monotonic() - since > options.seconds {
            break;
        }
        let called = clock::monotonic();
        engine.enqueue(number).await?;
        let started = clock::until(called + START, effects.start(number)).await;
        let started = started.map_err(|_| wrong(format!("an idle worker did not start a job within {START:?}")))?;
        if number >= FIRST_STARTS {
            samples.push((started - called).as_secs_f64() * 1e3);
        }
        clock::pause(Duration::from_millis(fastrand::u64(20..50))).await;
    }
    worker.stop().await?;
    if samples.is_empty() {
        return Err(wrong(format!("started fewer than {} jobs in {:?}", FIRST_STARTS + 1, options.seconds)));
    }
    samples.sort_by(f64::total_cmp);
    Ok(Figure::Latency { p50: percentile(&samples, 50), p99: percentile(&samples, 99), samples: samples.len() })
}

async fn expect_waiting<E: Engine>(engine: &E, expected: usize) -> Outcome<()> {
    match engine.unfinished().await? {
        found if found == expected => Ok(()),
        found => Err(wrong(format!("enqueued {expected} jobs, but the store has {found}"))),
    }
}

fn seconds(since: Instant) -> f64 {
    (clock::monotonic() - since).as_secs_f64()
}
