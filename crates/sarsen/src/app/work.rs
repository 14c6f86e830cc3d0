//! What a process does beside answering: it works on jobs, and fires schedules, as its roles say.

use super::Running;
use crate::error::Result;
use crate::jobs::Ran;
use crate::jobs::scheduler::Scheduler;
use crate::jobs::worker::{Worker, drain};
use crate::lifecycle::{self, Lifecycle};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The role that answers requests.
pub(super) const WEB: &str = "web";
/// The role that does jobs.
const WORKER: &str = "worker";
/// The role that fires schedules.
const SCHEDULER: &str = "scheduler";

/// What works in the background for an application.
#[derive(Debug)]
#[must_use = "what works is to be stopped"]
pub struct Working {
    worker: Option<Worker>,
    scheduler: Option<JoinHandle<()>>,
    lifecycle: Lifecycle,
}

impl Running {
    /// Starts what the roles of this process say: the worker, and the scheduler. Serving does it by itself.
    pub async fn work(&self) -> Result<Working> {
        let has = |role: &str| self.config().process.roles.iter().any(|name| name == role);
        let (busy, timed) =
            (self.jobs().registry().kinds().next().is_some(), !self.jobs().registry().schedules().is_empty());
        let worker = if has(WORKER) && busy { Some(self.start_worker().await?) } else { None };
        let scheduler =
            (has(SCHEDULER) && timed).then(|| lifecycle::spawn(self.scheduler().run(self.lifecycle().clone())));
        Ok(Working { worker, scheduler, lifecycle: self.lifecycle().clone() })
    }

    /// Fires the schedules that are due now, and does the jobs that are due and those that they enqueue, until none is left;
    /// at most 10,000. For tests, and for commands that want to see it done.
    pub async fn run_jobs(&self) -> Result<Ran> {
        self.scheduler().tick().await?;
        drain(self.jobs(), self.recorder()).await
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
        if let Some(worker) = self.worker {
            worker.stop(limit).await;
        }
    }
}
