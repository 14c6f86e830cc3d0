//! All that the pages show, as JSON: so that scripts can have it too.

use super::door::Visitor;
use super::{Ops, blobs, cache, facts, indexes, jobs, measured, modules, realtime};
use crate::error::{Error, Result};
use axum::extract::State;
use axum::routing::{any, get};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new()
        .route("/ops/api/about", get(about))
        .route("/ops/api/config", get(config))
        .merge(measured::routes())
        .merge(indexes::routes())
        .merge(jobs::routes())
        .merge(modules::routes())
        .merge(realtime::routes())
        .merge(blobs::routes())
        .merge(cache::routes())
        .route("/ops/api/{*path}", any(unknown))
}

async fn about(State(ops): State<Arc<Ops>>, Extension(visitor): Extension<Visitor>) -> Json<Value> {
    let parts = &ops.parts;
    Json(json!({
        "name": parts.name,
        "version": parts.version,
        "environment": parts.config.app.environment,
        "explains": ops.explains(),
        "roles": parts.config.process.roles,
        "visitor": visitor.name,
        "now": parts.clock.now(),
    }))
}

async fn config(State(ops): State<Arc<Ops>>) -> Result<Json<Value>> {
    let shown = facts::redacted(&ops.parts.shown_config)?;
    Ok(Json(json!({ "toml": shown })))
}

async fn unknown() -> Error {
    Error::not_found("there is nothing at this address").hint("docs/ops.md lists what there is below /ops/api")
}
