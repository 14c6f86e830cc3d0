//! What waits, runs and failed, and what an operator does about it. Arguments are never shown.

use super::door::Visitor;
use super::{Ops, missing, redact};
use crate::error::{Error, Result};
use crate::jobs::{self, Discarded, Filter, JobDetail, JobState, Listed, QueueState, ScheduleState, WorkerState};
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new()
        .route("/ops/api/jobs", get(overview))
        .route("/ops/api/jobs/list", get(list))
        .route("/ops/api/jobs/retry-dead", post(retry_dead))
        .route("/ops/api/jobs/{id}", get(show))
        .route("/ops/api/jobs/{id}/{action}", post(act))
        .route("/ops/api/queues/{name}/{action}", post(act_on_queue))
        .route("/ops/api/schedules", get(schedules))
        .route("/ops/api/schedules/{name}/{action}", post(act_on_schedule))
}

#[derive(Serialize)]
struct Overview {
    queues: Vec<QueueState>,
    workers: Vec<WorkerState>,
    /// Work that waits while none ends.
    stalled: Vec<String>,
}

async fn overview(State(ops): State<Arc<Ops>>) -> Result<Json<Overview>> {
    let jobs = &ops.parts.jobs;
    let (queues, workers) = (jobs.admin().queues().await?, jobs.admin().workers().await?);
    let stalled = jobs::stalled(jobs).await?.iter().map(ToString::to_string).collect();
    Ok(Json(Overview { queues, workers, stalled }))
}

/// Which jobs; what is empty asks for nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    state: String,
    queue: String,
    kind: String,
    limit: usize,
}

impl Wanted {
    fn filter(self) -> Result<Filter> {
        let state = if self.state.is_empty() { None } else { Some(self.state.parse()?) };
        Ok(Filter { state, queue: self.queue, kind: self.kind, limit: self.limit, ..Filter::default() })
    }
}

async fn list(State(ops): State<Arc<Ops>>, Query(wanted): Query<Wanted>) -> Result<Json<Value>> {
    let Listed { jobs, complete } = ops.parts.jobs.admin().list(&wanted.filter()?).await?;
    let jobs: Vec<JobState> = jobs.into_iter().map(shown).collect();
    Ok(Json(json!({ "jobs": jobs, "complete": complete })))
}

/// A job without what people or their data put into it.
fn shown(mut job: JobState) -> JobState {
    job.key = redact::label(&job.key);
    job.error = job.error.map(|error| redact::text(&error));
    if let Some(progress) = &mut job.progress {
        progress.note = redact::text(&progress.note);
    }
    job
}

async fn show(State(ops): State<Arc<Ops>>, Path(id): Path<Uuid>) -> Result<Json<JobDetail>> {
    let detail = ops.parts.jobs.admin().show(id).await?;
    let mut detail = detail.ok_or_else(|| missing("job"))?;
    detail.job = shown(detail.job);
    (detail.arguments, detail.unreadable) = (None, None);
    for error in &mut detail.errors {
        error.message = redact::text(&error.message);
    }
    Ok(Json(detail))
}

async fn act(
    State(ops): State<Arc<Ops>>,
    Extension(visitor): Extension<Visitor>,
    Path((id, action)): Path<(Uuid, String)>,
) -> Result<Json<Value>> {
    let admin = ops.parts.jobs.admin();
    let became = match action.as_str() {
        "retry" => admin.retry(id).await.map(|()| "retried")?,
        "discard" => match admin.discard(id).await? {
            Discarded::DeadLetter => "dead letter",
            Discarded::Deleted => "deleted",
        },
        "cancel" if admin.cancel(id).await? => "cancelled",
        "cancel" => return Err(Error::conflict("it has ended already, or is not known")),
        _ => return Err(unknown(&action, "retry, discard, cancel")),
    };
    note(&visitor, &action, "job", &id.to_string());
    Ok(Json(json!({ "became": became })))
}

async fn retry_dead(
    State(ops): State<Arc<Ops>>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>> {
    let filter = wanted.filter()?;
    let retried = ops.parts.jobs.admin().retry_dead(&filter).await?;
    note(
        &visitor,
        "retry dead letters",
        "jobs",
        &format!("queue {:?}, kind {:?}: {retried}", filter.queue, filter.kind),
    );
    Ok(Json(json!({ "retried": retried })))
}

async fn act_on_queue(
    State(ops): State<Arc<Ops>>,
    Extension(visitor): Extension<Visitor>,
    Path((name, action)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let admin = ops.parts.jobs.admin();
    match action.as_str() {
        "pause" => admin.pause(&name).await?,
        "resume" => admin.resume(&name).await?,
        _ => return Err(unknown(&action, "pause, resume")),
    }
    note(&visitor, &action, "queue", &name);
    Ok(Json(json!({ "became": action })))
}

async fn schedules(State(ops): State<Arc<Ops>>) -> Result<Json<Vec<ScheduleState>>> {
    ops.parts.jobs.admin().schedules().await.map(Json)
}

async fn act_on_schedule(
    State(ops): State<Arc<Ops>>,
    Extension(visitor): Extension<Visitor>,
    Path((name, action)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let admin = ops.parts.jobs.admin();
    let answer = match action.as_str() {
        "pause" => admin.pause_schedule(&name).await.map(|()| json!({ "became": "paused" }))?,
        "resume" => admin.resume_schedule(&name).await.map(|()| json!({ "became": "resumed" }))?,
        "fire" => json!({ "job": admin.fire(&name).await? }),
        _ => return Err(unknown(&action, "pause, resume, fire")),
    };
    note(&visitor, &action, "schedule", &name);
    Ok(Json(answer))
}

fn unknown(action: &str, known: &str) -> Error {
    Error::not_found(format!("there is no action `{action}`")).hint(format!("known: {known}"))
}

/// Who did what, for the log.
fn note(visitor: &Visitor, action: &str, what: &str, which: &str) {
    tracing::info!(actor = visitor.name, action, what, which, "an operator acted");
}
