//! A report as its owner sees it: what is stored, and how far its job has come.

use super::store::Stored;
use super::{MAX_AGE, Module};
use sarsen::jobs::{JobState, State};
use sarsen::{Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// It waits for its turn.
    Waiting,
    /// It is being made.
    Running,
    /// It can be read.
    Ready,
    /// It will not be done.
    Failed,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Progress {
    done: u64,
    total: u64,
    /// What it is at.
    note: String,
}

/// A report.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    id: Uuid,
    /// The first day that is counted: `2026-01-05`.
    first_day: String,
    /// The last day that is counted.
    last_day: String,
    /// The time zone of its days and hours.
    zone: String,
    state: Stage,
    /// While it is being made.
    progress: Option<Progress>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// How many messages it counts, once it is done.
    messages: Option<i64>,
    /// Why it failed.
    error: Option<String>,
}

impl Module {
    /// Asks for the job of a report that is being made, and for no other.
    pub(super) async fn view(&self, stored: Stored) -> Result<Report> {
        let over = stored.finished_at.is_some() || stored.error.is_some();
        let job = if over || self.clock.now().since(stored.created_at) > MAX_AGE {
            None
        } else {
            self.jobs.progress_of(stored.job_id).await?
        };
        Ok(shown(stored, job))
    }
}

fn shown(stored: Stored, job: Option<JobState>) -> Report {
    let state = stage(&stored, job.as_ref());
    let given_up = (state == Stage::Failed).then(|| "it could not be made".to_owned());
    let progress = job.and_then(|job| job.progress).filter(|_| state != Stage::Failed);
    let progress = progress.map(|it| Progress { done: it.done, total: it.total, note: it.note });
    let Stored { id, first_day, last_day, zone, created_at, finished_at, messages, error, .. } = stored;
    let error = error.or(given_up);
    Report { id, first_day, last_day, zone, state, progress, created_at, finished_at, messages, error }
}

fn stage(stored: &Stored, job: Option<&JobState>) -> Stage {
    if stored.finished_at.is_some() {
        return Stage::Ready;
    }
    match job.map(|job| job.state) {
        _ if stored.error.is_some() => Stage::Failed,
        Some(State::Running) => Stage::Running,
        Some(State::Available | State::Scheduled | State::Retryable | State::Waiting) => Stage::Waiting,
        // It was done between two looks.
        Some(State::Completed) => Stage::Running,
        Some(State::Cancelled | State::Discarded) | None => Stage::Failed,
    }
}
