//! Whether anything moves: queues in which work waits while nobody does any.

use super::Jobs;
use super::admin::WorkerState;
use crate::clock::Timestamp;
use crate::error::Result;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A queue in which work waits longer than `jobs.stall_after`, and nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// Its name.
    pub queue: String,
    /// Since when the oldest of its jobs is due.
    pub since: Timestamp,
    /// How long that is, in seconds.
    pub waits_s: u64,
    /// What is wrong.
    pub why: Standstill,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standstill {
    /// No process lives that does jobs.
    NoWorker,
    /// Processes that do jobs live, and none knows this queue.
    NotServed,
    /// Live processes serve it, and lately have neither begun nor ended a job of it.
    NothingEnds,
}

impl Standstill {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Standstill::NoWorker => "start a process with the role `worker` (process.roles), and look why none lives",
            Standstill::NotServed => {
                "start workers of a build that has a job of this queue, or retry its jobs in another"
            }
            Standstill::NothingEnds => {
                "look at the log of the workers: their database, or jobs that take all places (jobs.concurrency); \
                 `jobs list --state running` shows what they are at"
            }
        }
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Standstill::NoWorker => "no worker lives",
            Standstill::NotServed => "no live worker serves it",
            Standstill::NothingEnds => "its workers live, and neither begin nor end anything",
        };
        write!(f, "nothing moves in queue `{}`: work waits for {} s, and {why}", self.queue, self.waits_s)
    }
}

/// Looks for queues in which nothing moves. One that stands still on purpose, or that a rate holds back, is none of them,
/// nor is one whose workers are at jobs that may still take their time.
pub async fn stalled(jobs: &Jobs) -> Result<Vec<Stalled>> {
    let (store, section) = (jobs.store(), &jobs.0.section);
    let (now, paused) = (store.now(), store.paused().await?);
    let mut late = Vec::new();
    for queue in store.ready_queues().await? {
        if paused.iter().any(|(name, stands)| *stands && *name == queue) {
            continue;
        }
        late.extend(store.due_since(&queue).await?.map(|since| (queue, since)));
    }
    // What is due and not yet available waits for any worker.
    late.extend(store.first_due().await?.filter(|(queue, _)| !late.iter().any(|(other, _)| other == queue)));
    late.retain(|(_, since)| now.since(*since) > section.stall_after.0);
    if late.is_empty() {
        return Ok(Vec::new());
    }
    let workers = store.workers(section.dead_after.0).await?;
    let mut stalled = Vec::new();
    for (queue, since) in late {
        if let Some(why) = standstill(jobs, &workers, &queue).await? {
            stalled.push(Stalled { queue, since, waits_s: now.since(since).as_secs(), why });
        }
    }
    Ok(stalled)
}

async fn standstill(jobs: &Jobs, workers: &[WorkerState], queue: &str) -> Result<Option<Standstill>> {
    if !workers.iter().any(|worker| worker.live) {
        return Ok(Some(Standstill::NoWorker));
    }
    if !workers.iter().any(|worker| worker.serves(queue)) {
        return Ok(Some(Standstill::NotServed));
    }
    let store = jobs.store();
    let since = store.now() - patience(jobs, queue);
    let moves = is_at_work(jobs, queue, since).await? || store.has_ended(queue, since).await?;
    Ok((!moves).then_some(Standstill::NothingEnds))
}

/// How long a queue may be quiet: twice the time between two starts where a rate says it, and `jobs.stall_after` else.
fn patience(jobs: &Jobs, queue: &str) -> Duration {
    let declared = jobs.registry().queues().find(|declared| declared.name == queue);
    let rates = declared.into_iter().flat_map(|queue| [queue.rate, queue.rate_per_key]).flatten();
    let steps = rates.map(|rate| rate.per * 2 / rate.count.max(1));
    steps.fold(jobs.0.section.stall_after.0, Duration::max)
}

/// Whether a job of the queue began lately, or may still take its time.
async fn is_at_work(jobs: &Jobs, queue: &str, since: Timestamp) -> Result<bool> {
    let now = jobs.store().now();
    let timeout = |kind: &str| jobs.registry().kind(kind).map_or(Duration::ZERO, |info| info.policy.timeout);
    let running = jobs.store().running_since(queue).await?;
    Ok(running.iter().any(|(kind, began)| *began > since || *began + timeout(kind) > now))
}
