//! apalis 1.0, on PostgreSQL and on SQLite.

mod postgres;
mod sqlite;

pub(super) use postgres::Postgres;
pub(super) use sqlite::Sqlite;

use super::Effects;
use super::engine;
use crate::{Outcome, wrong};
use apalis::prelude::{BoxDynError, Data, Task, TaskBuilder, WorkerContext, WorkerError};
use sarsen::{clock, lifecycle};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const QUEUE: &str = "noop";
/// Fetched and acknowledged at once when it is tuned, as many as the others have; 500 is slower.
const BATCH: usize = 1_000;
/// How often it looks for jobs when it is tuned, beside what wakes it up; untuned it looks after each 30 s.
const POLL: Duration = Duration::from_millis(10);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// The job.
async fn noop(number: usize, effects: Data<Arc<Effects>>) -> Result<(), BoxDynError> {
    effects.run(number);
    Ok(())
}

/// A worker that starts under the name of one that was killed is refused, so each process has its own.
fn name() -> String {
    format!("bench-{}", std::process::id())
}

/// A job for the tuned call, which is a single statement; `push` wraps it in a transaction, so it asks three times.
fn task(number: usize) -> Outcome<Task<Vec<u8>>> {
    Ok(TaskBuilder::new(serde_json::to_vec(&number)?).build())
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Running {
    context: WorkerContext,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    /// Runs what the builder has built for this context.
    fn start(context: WorkerContext, worker: impl Future<Output = Result<(), WorkerError>> + Send + 'static) -> Self {
        Self { context, task: lifecycle::spawn(worker) }
    }
}

impl engine::Worker for Running {
    async fn ended(&mut self) -> Option<String> {
        if !self.task.is_finished() {
            return None;
        }
        Some(format!("{:?}", (&mut self.task).await))
    }

    async fn stop(self) -> Outcome<()> {
        self.context.stop()?;
        let stopped = clock::until(clock::monotonic() + STOP, self.task).await;
        stopped.map_err(|_| wrong(format!("the worker did not stop within {STOP:?}")))???;
        Ok(())
    }
}
