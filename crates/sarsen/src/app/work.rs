//! What a process does beside answering: it works on jobs, and fires schedules, as its roles say.

use super::Running;
use crate::clock;
use crate::error::Result;
use crate::events::{catch_up, run_projections};
use crate::jobs::Ran;
use crate::jobs::scheduler::Scheduler;
use crate::jobs::worker::{Worker, drain};
use crate::lifecycle::{self, Lifecycle};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The role that answers requests.
pub(super) const WEB: &str = "web";
/// The role that does jobs.
pub(super) const WORKER: &str = "worker";
/// The role that fires schedules.
const SCHEDULER: &str = "scheduler";

/// What works in the background for an application.
#[derive(Debug)]
#[must_use = "what works is to be stopped"]
pub struct Working {
    worker: Option<Worker>,
    projections: Vec<JoinHandle<()>>,
    scheduler: Option<JoinHandle<()>>,
    /// Removes files that nobody keeps.
    sweeper: Option<JoinHandle<()>>,
    lifecycle: Lifecycle,
}

impl Running {
    /// Starts what the roles of this process say: the worker, and the scheduler. Serving does it by itself.
    pub async fn work(&self) -> Result<Working> {
        let has = |role: &str| self.config().process.roles.iter().any(|name| name == role);
        let timed = !self.jobs().registry().schedules().is_empty();
        let scheduler =
            (has(SCHEDULER) && timed).then(|| lifecycle::spawn(self.scheduler().run(self.lifecycle().clone())));
        let sweeper = has(WORKER).then(|| self.blobs().start_upkeep());
        let mut working =
            Working { worker: None, projections: Vec::new(), scheduler, sweeper, lifecycle: self.lifecycle().clone() };
        if has(WORKER) {
            if self.jobs().registry().kinds().next().is_some() {
                working.worker = Some(self.start_worker().await?);
            }
            working.projections = run_projections(self.events(), self.recorder(), self.lifecycle());
        }
        Ok(working)
    }

    /// Fires the schedules that are due now, does the jobs that are due and those that they enqueue, and brings projections
    /// up to date, until nothing is left; at most 10,000 jobs. For tests, and for commands that want to see it done.
    pub async fn run_jobs(&self) -> Result<Ran> {
        self.scheduler().tick().await?;
        let mut all = Ran::default();
        loop {
            let applied = catch_up(self.events()).await?;
            let ran = drain(self.jobs(), self.recorder()).await?;
            all += ran;
            if applied == 0 && ran.total() == 0 {
                return Ok(all);
            }
        }
    }

    /// Fires the schedules of this application when it is asked to.
    pub(crate) fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.jobs(), self.recorder())
    }

    async fn start_worker(&self) -> Result<Worker> {
        let database = &self.config().database;
        Worker::start(self.jobs(), database, self.recorder(), self.version(), self.lifecycle()).await
    }
}

impl Working {
    /// Takes nothing more, gives back what has not begun, and waits at most for `limit` for what is at work; then that is
    /// told to stop, and given back too.
    pub async fn stop(self, limit: Duration) {
        self.lifecycle.stop();
        if let Some(scheduler) = self.scheduler {
            let _ = scheduler.await;
        }
        if let Some(sweeper) = self.sweeper {
            let _ = clock::until(clock::monotonic() + limit, sweeper).await;
        }
        // A projection stops between two batches.
        let projections = futures_util::future::join_all(self.projections);
        let _ = clock::until(clock::monotonic() + limit, projections).await;
        if let Some(worker) = self.worker {
            worker.stop(limit).await;
        }
    }
}
