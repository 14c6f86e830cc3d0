//! The cache of this process: hits, loads and memory, by family of keys.

use super::Ops;
use crate::cache::State as Kept;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/ops/api/cache", get(all))
}

#[derive(Serialize)]
struct All {
    /// Whether anything was fetched.
    used: bool,
    driver: &'static str,
    #[serde(flatten)]
    kept: Kept,
}

async fn all(State(ops): State<Arc<Ops>>) -> Json<All> {
    let cache = &ops.parts.cache;
    Json(All { used: cache.is_used(), driver: cache.driver(), kept: cache.state() })
}
