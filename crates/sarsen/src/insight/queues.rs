//! The queues of jobs, looked at every few seconds where this process works on them.

use super::Insight;
use crate::clock::{self, Timestamp};
use crate::error::Result;
use crate::jobs::{Depth, Jobs};
use crate::lifecycle::Lifecycle;
use crate::telemetry::QueueState;
use std::collections::HashMap;
use std::time::Duration;

/// How often they are looked at. One look reads at most 100,000 entries of an index for each state.
const EVERY: Duration = Duration::from_secs(5);

/// What the last look saw: jobs that have not ended, by queue.
#[derive(Debug)]
struct Before {
    at: Timestamp,
    live: HashMap<String, u64>,
}

/// Looks at the queues until the application stops. The look belongs to no Operation, so it is not recorded as the
/// application's work.
pub(crate) async fn watch(insight: Insight, jobs: Jobs, lifecycle: Lifecycle) {
    let (mut before, mut failed) = (None, false);
    while clock::until(clock::monotonic() + EVERY, lifecycle.stopping()).await.is_err() {
        match look(&jobs, &mut before).await {
            Ok(states) => {
                insight.set_queues(states);
                failed = false;
            }
            Err(error) if !failed => {
                tracing::warn!("the queues of jobs cannot be looked at: {}", error.report());
                failed = true;
            }
            Err(_) => {}
        }
    }
}

async fn look(jobs: &Jobs, before: &mut Option<Before>) -> Result<Vec<QueueState>> {
    let (store, section) = (jobs.store(), &jobs.0.section);
    let (now, seen) = (store.now(), store.depths().await?);
    let ended = match before {
        Some(before) => store.ended_since(before.at).await?,
        None => HashMap::new(),
    };
    let declared: HashMap<_, _> = jobs.registry().queues().map(|queue| (queue.name, queue.concurrency)).collect();
    let (mut states, mut live) = (Vec::new(), HashMap::new());
    for queue in seen {
        let count = |depth: Depth| depth.count;
        let waiting = count(queue.scheduled) + count(queue.retryable) + count(queue.waiting);
        let all = count(queue.available) + count(queue.running) + waiting;
        let (arrival, settled) = before.as_ref().map_or((0.0, 0.0), |before| {
            let seconds = now.since(before.at).as_secs_f64().max(0.001);
            let ended = ended.get(&queue.name).copied().unwrap_or_default() as f64;
            let rose = all as f64 - before.live.get(&queue.name).copied().unwrap_or_default() as f64;
            (((ended + rose) / seconds).max(0.0), ended / seconds)
        });
        let places = declared.get(queue.name.as_str()).map(|most| most.unwrap_or(usize::MAX).min(section.concurrency));
        live.insert(queue.name.clone(), all);
        states.push(QueueState {
            name: queue.name,
            available: count(queue.available),
            running: count(queue.running),
            scheduled: waiting,
            dead: count(queue.discarded),
            concurrency: places.unwrap_or_default() as u64,
            oldest: queue.due_since.map(|since| now.since(since)).unwrap_or_default(),
            arrival,
            settled,
            paused: queue.paused,
        });
    }
    *before = Some(Before { at: now, live });
    Ok(states)
}
