//! What was measured and what follows from it: now, the snapshot, the verdicts, the last minutes, one Operation.

use super::{MODULE, Ops, changes, missing, redact};
use crate::advisor::{Judgement, judge};
use crate::error::{Error, Result};
use crate::insight::{Point, SampleFilter};
use crate::telemetry::{OperationKind, Reason, Sample, Snapshot};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longest span that can be asked for, in seconds: a week.
const LONGEST: u64 = 7 * 86_400;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new()
        .route("/ops/api/now", get(now))
        .route("/ops/api/snapshot", get(snapshot))
        .route("/ops/api/why", get(why))
        .route("/ops/api/history", get(history))
        .route("/ops/api/histogram", get(histogram))
        .route("/ops/api/explain", get(explain))
        .route("/ops/api/samples", get(samples))
        .route("/ops/api/sample/{id}", get(sample))
}

/// The last so many seconds.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Lately {
    span: u64,
}

impl Default for Lately {
    fn default() -> Self {
        Self { span: 60 }
    }
}

impl Lately {
    pub(super) fn of(span: Option<u64>) -> Self {
        span.map_or_else(Self::default, |span| Self { span })
    }

    pub(super) fn span(&self) -> Duration {
        Duration::from_secs(self.span.clamp(1, LONGEST))
    }
}

impl Ops {
    /// What was recorded, without the pages themselves and without what people or their data put into texts.
    pub(super) fn snapshot(&self, span: Duration) -> Snapshot {
        let mut snapshot = self.parts.insight.snapshot(span);
        let own = |operation: &(OperationKind, String)| {
            operation.0 == OperationKind::Request && operation.1.split_once(' ').is_some_and(|(_, path)| is_own(path))
        };
        snapshot.operations.retain(|one| one.module != MODULE);
        snapshot.causes.retain(|one| !own(&one.operation));
        snapshot.before.retain(|one| !own(&one.operation));
        snapshot.errors.retain(|one| !own(&one.operation));
        snapshot.stalls.retain(|one| !own(&one.operation));
        for error in &mut snapshot.errors {
            error.message = redact::text(&error.message);
        }
        snapshot
    }
}

fn is_own(path: &str) -> bool {
    path == "/ops" || path.starts_with("/ops/")
}

/// What the first page shows.
#[derive(Serialize)]
struct Now {
    #[serde(flatten)]
    golden: Golden,
    build: String,
    before_build: Option<String>,
    judgement: Judgement,
    changes: Vec<changes::Change>,
}

#[derive(Serialize)]
struct Golden {
    at: crate::clock::Timestamp,
    /// Of the whole span.
    golden: Whole,
    /// Of the last second.
    tick: Point,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    point: Point,
    /// Jobs that could run now.
    queued: u64,
    /// Seconds for which the oldest of them waits.
    oldest: f64,
}

async fn now(State(ops): State<Arc<Ops>>, Query(lately): Query<Lately>) -> Json<Now> {
    let (insight, snapshot) = (&ops.parts.insight, ops.snapshot(lately.span()));
    let point = insight.point(lately.span(), MODULE);
    let queued = snapshot.queues.iter().map(|queue| queue.available).sum();
    let oldest = snapshot.queues.iter().map(|queue| queue.oldest.as_secs_f64()).fold(0.0, f64::max);
    Json(Now {
        golden: Golden {
            at: point.at,
            golden: Whole { point, queued, oldest },
            tick: insight.points(Duration::from_secs(1), MODULE).pop().unwrap_or_default(),
        },
        build: snapshot.build.clone(),
        before_build: snapshot.before.first().map(|before| before.build.clone()),
        judgement: judge(&snapshot),
        changes: changes::of(&snapshot),
    })
}

async fn snapshot(State(ops): State<Arc<Ops>>, Query(lately): Query<Lately>) -> Json<Snapshot> {
    Json(ops.snapshot(lately.span()))
}

async fn why(State(ops): State<Arc<Ops>>, Query(lately): Query<Lately>) -> Json<Judgement> {
    Json(judge(&ops.snapshot(lately.span())))
}

async fn history(State(ops): State<Arc<Ops>>, Query(lately): Query<Lately>) -> Json<Value> {
    Json(json!({ "points": ops.parts.insight.points(lately.span(), MODULE) }))
}

/// Which Operations.
#[derive(Deserialize)]
struct Which {
    kind: OperationKind,
    name: String,
    span: Option<u64>,
}

async fn histogram(State(ops): State<Arc<Ops>>, Query(which): Query<Which>) -> Result<Json<Value>> {
    let span = Lately::of(which.span).span();
    Ok(Json(json!({ "buckets": ops.parts.insight.distribution(which.kind, &which.name, span) })))
}

/// Which query, in hexadecimal digits as the snapshot has it.
#[derive(Deserialize)]
struct Fingerprint {
    fingerprint: String,
}

/// In production a plan is asked for by who has the database at hand: it may take locks.
async fn explain(State(ops): State<Arc<Ops>>, Query(which): Query<Fingerprint>) -> Result<Json<Value>> {
    if !ops.explains() {
        return Err(Error::forbidden("plans are shown in development only"));
    }
    let fingerprint = u64::from_str_radix(&which.fingerprint, 16);
    let fingerprint = fingerprint.map_err(|_| Error::invalid("a fingerprint is of hexadecimal digits"))?;
    Ok(Json(json!({ "plan": ops.parts.db.explain(fingerprint).await? })))
}

/// Which samples; what is not given asks for nothing.
#[derive(Deserialize)]
struct Kept {
    kind: Option<OperationKind>,
    name: Option<String>,
    reason: Option<Reason>,
    #[serde(default)]
    limit: usize,
}

async fn samples(State(ops): State<Arc<Ops>>, Query(kept): Query<Kept>) -> Json<Vec<Sample>> {
    let filter = SampleFilter { operation: kept.kind.zip(kept.name), reason: kept.reason, limit: kept.limit };
    let found = ops.parts.insight.samples(&filter).await;
    let heads = found.into_iter().map(|one| Sample { leaves: Vec::new(), ..shown(one) });
    Json(heads.collect())
}

/// A sample, and those of its trace that were kept too: what caused it, and what it caused.
#[derive(Serialize)]
struct InTrace {
    sample: Sample,
    trace: Vec<Sample>,
}

async fn sample(State(ops): State<Arc<Ops>>, Path(id): Path<String>) -> Result<Json<InTrace>> {
    let insight = &ops.parts.insight;
    let sample = shown(insight.sample(&id).await.ok_or_else(|| missing("sample"))?);
    let all = insight.samples(&SampleFilter { limit: 1_000, ..SampleFilter::default() }).await;
    let near = all.into_iter().filter(|one| one.trace == sample.trace && one.id != sample.id);
    let mut trace: Vec<Sample> = near.map(|one| Sample { leaves: Vec::new(), ..shown(one) }).collect();
    trace.push(Sample { leaves: Vec::new(), ..sample.clone() });
    trace.sort_by_key(|one| one.at);
    Ok(Json(InTrace { sample, trace }))
}

/// A sample without what people or their data put into its error.
fn shown(mut sample: Sample) -> Sample {
    sample.error = sample.error.map(|error| redact::text(&error));
    sample
}
