//! Real time at this process: connections, deliveries and slow readers, by kind of topics.

use super::Ops;
use crate::realtime::State as Live;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/ops/api/realtime", get(all))
}

#[derive(Serialize)]
struct All {
    /// Whether any module serves topics.
    used: bool,
    max_connections: usize,
    /// Bytes that may wait for one connection.
    queue: u64,
    #[serde(flatten)]
    live: Live,
}

async fn all(State(ops): State<Arc<Ops>>) -> Json<All> {
    let (realtime, section) = (&ops.parts.realtime, &ops.parts.config.realtime);
    Json(All {
        used: realtime.is_used(),
        max_connections: section.max_connections,
        queue: section.queue.0,
        live: realtime.state(),
    })
}
