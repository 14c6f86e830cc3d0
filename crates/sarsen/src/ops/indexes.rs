//! Which index is missing for the queries that were recorded, tried on a copy of their tables.

use super::Ops;
use super::measured::Lately;
use crate::advisor::index::{Advice, advise, recorded};
use crate::error::{Error, Kind, Result};
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// One at a time: each copies up to 20,000 rows of every table that it looks at.
static ONE: Semaphore = Semaphore::const_new(1);

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/ops/api/indexes", get(indexes))
}

/// Of one query, in hexadecimal digits as the snapshot has it, or of all.
#[derive(Deserialize)]
struct Which {
    fingerprint: Option<String>,
    span: Option<u64>,
}

/// In production who has the database at hand asks on the command line: `indexes`.
async fn indexes(State(ops): State<Arc<Ops>>, Query(which): Query<Which>) -> Result<Json<Advice>> {
    if !ops.explains() {
        return Err(Error::forbidden("indexes are proposed here in development only")
            .hint("run `indexes` on the command line, where the database is at hand"));
    }
    let Ok(_permit) = ONE.try_acquire() else {
        return Err(Error::new(Kind::TooMany, "indexes are being tried already").hint("try again when that is done"));
    };
    let mut snapshot = ops.snapshot(Lately::of(which.span).span());
    if let Some(fingerprint) = which.fingerprint {
        snapshot.causes.retain(|cause| *cause.label == *fingerprint);
    }
    let texts = recorded(&snapshot);
    if texts.is_empty() {
        return Err(super::missing("query"));
    }
    Ok(Json(advise(&ops.parts.db, &texts).await?))
}
