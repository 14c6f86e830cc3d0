//! Does all jobs that can be done now, one after another, without a loop in the background: for tests and tools.

use super::execute::{End, Finished, execute};
use super::{Shared, beat};
use crate::data::On;
use crate::error::{Error, Result};
use crate::jobs::Jobs;
use crate::jobs::store::{Ending, Exchange, Store, Taking};
use crate::lifecycle::Lifecycle;
use crate::telemetry::Recorder;
use std::sync::Arc;

/// Most jobs that one call does.
const MOST: usize = 10_000;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Jobs that went well.
    pub completed: usize,
    /// Jobs that failed and are tried again later.
    pub failed: usize,
    /// Jobs that became dead letters, or were cancelled.
    pub discarded: usize,
}

impl Ran {
    fn count(&mut self, end: &End) {
        match end {
            End::Completed | End::Settled => self.completed += 1,
            End::Not(Ending::Discard(_) | Ending::Cancel) => self.discarded += 1,
            End::Not(Ending::Retry(..) | Ending::GiveBack) => self.failed += 1,
        }
    }

    /// How many runs there were.
    pub fn total(&self) -> usize {
        self.completed + self.failed + self.discarded
    }
}

impl std::ops::AddAssign for Ran {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.discarded += other.discarded;
    }
}

/// Runs what is available at the clock's time, and what that makes available, at most 10,000 jobs.
pub(crate) async fn drain(jobs: &Jobs, recorder: &Recorder) -> Result<Ran> {
    let shared = Arc::new(Shared::new(jobs, recorder, &Lifecycle::default()));
    shared.store().register(&beat::row(&shared, "test")).await?;
    let drained = drain_all(&shared).await;
    shared.store().rescue(shared.id(), false).await?;
    drained
}

async fn drain_all(shared: &Arc<Shared>) -> Result<Ran> {
    let mut ran = Ran::default();
    loop {
        shared.store().promote().await?;
        let before = ran.total();
        for queue in shared.jobs.registry().queues() {
            if shared.store().is_paused(queue.name).await? {
                continue;
            }
            let want = 50;
            let exchange = Exchange {
                queue: queue.name,
                worker: shared.id(),
                completed: &[],
                parts: &[],
                done: &[],
                want,
                taking: Taking::Each,
                from: None,
            };
            let taken = if queue.is_limited() {
                shared.store().take_limited(queue, &exchange).await?
            } else {
                shared.store().exchange(&exchange).await?
            };
            shared.hold(&taken.claimed);
            shared.free_unique(&taken.claimed).await;
            for job in taken.claimed {
                let finished = execute(shared, job).await;
                ran.count(&finished.end);
                settle(shared, &finished).await?;
            }
        }
        if ran.total() == before {
            return Ok(ran);
        }
        if ran.total() > MOST {
            return Err(Error::internal(format!("more than {MOST} jobs ran: do they enqueue each other for ever?")));
        }
    }
}

async fn settle(shared: &Shared, finished: &Finished) -> Result<()> {
    let (store, job) = (shared.store(), &finished.job);
    match &finished.end {
        End::Completed => Store::complete(On::Db(&store.db), shared.id(), &[job.own()]).await.map(drop)?,
        End::Settled => {}
        End::Not(ending) => store.settle(shared.id(), &[(job, ending)]).await.map(drop)?,
    }
    shared.let_go(job);
    Ok(())
}
