//! What a process does beside answering: it works on jobs, and fires schedules, as its roles say.

use super::Running;
use crate::error::Result;
use crate::jobs::Ran;
use crate::jobs::worker::{Worker, drain};
use std::time::Duration;

/// The role that answers requests.
pub(super) const WEB: &str = "web";
/// The role that does jobs.
const WORKER: &str = "worker";

/// What works in the background for an application.
#[derive(Debug)]
#[must_use = "what works is to be stopped"]
pub struct Working {
    worker: Option<Worker>,
}

impl Running {
    /// Starts what the roles of this process say: the worker. Serving does it by itself.
    pub async fn work(&self) -> Result<Working> {
        let has = |role: &str| self.config().process.roles.iter().any(|name| name == role);
        let busy = self.jobs().registry().kinds().next().is_some();
        let worker = if has(WORKER) && busy { Some(self.start_worker().await?) } else { None };
        Ok(Working { worker })
    }

    /// Does the jobs that are due now, and those that they enqueue, until none is left; at most 10,000. For tests, and for
    /// commands that want to see it done.
    pub async fn run_jobs(&self) -> Result<Ran> {
        drain(self.jobs(), self.recorder()).await
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
        if let Some(worker) = self.worker {
            worker.stop(limit).await;
        }
    }
}
