//! What has to be done for all queues: making available what is due, and sweeping.

use super::Shared;
use crate::clock;
use crate::error::Result;
use crate::jobs::{DUE, registry, stalled};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often what is kept no longer is deleted.
const SWEEP: Duration = Duration::from_secs(60);

/// Keeps the tables right until the worker stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut listener = shared.store().db.listen(DUE);
    let poll = shared.jobs.0.section.poll.0;
    let mut swept: Option<Instant> = None;
    while !shared.stop.is_stopping() {
        let next = match promote(&shared).await {
            Ok(next) => next.map_or(poll, |next| next.min(poll)),
            Err(error) => {
                tracing::warn!("jobs that are due cannot be made available: {}", error.report());
                poll
            }
        };
        if swept.is_none_or(|swept| clock::monotonic() - swept > SWEEP) {
            swept = Some(clock::monotonic());
            if let Err(error) = sweep(&shared).await {
                tracing::warn!("old jobs cannot be swept: {}", error.report());
            }
            say_what_stands_still(&shared).await;
        }
        tokio::select! {
            () = clock::pause(next.max(Duration::from_millis(1))) => {}
            () = listener.woken() => {}
            () = shared.stop.stopping() => {}
        }
    }
}

/// Work that waits while none ends is the worst that can happen to jobs, so it is said loudly, again and again.
async fn say_what_stands_still(shared: &Shared) {
    // What the database cannot tell now is told with the next round.
    for standstill in stalled(&shared.jobs).await.unwrap_or_default() {
        let (queue, waits_s) = (standstill.queue.as_str(), standstill.waits_s);
        tracing::error!(queue, waits_s, "nothing moves: {}", standstill.why.hint());
    }
}

async fn promote(shared: &Shared) -> Result<Option<Duration>> {
    let (queues, next) = shared.store().promote().await?;
    for channel in queues.iter().filter_map(|queue| registry::channel(queue)) {
        shared.store().db.wake(channel);
    }
    Ok(next)
}

async fn sweep(shared: &Shared) -> Result<()> {
    let section = &shared.jobs.0.section;
    let now = shared.store().now();
    let swept = shared.store().sweep(now - section.keep_completed.0, now - section.keep_discarded.0).await?;
    if swept > 0 {
        tracing::debug!(swept, "rows that are kept no longer were deleted");
    }
    Ok(())
}
