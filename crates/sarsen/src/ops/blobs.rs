//! Blobs: what is in the store, what waits to go, and what this process moves.

use super::Ops;
use crate::blobs::{Capabilities, State as Moved, Usage};
use crate::error::Result;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/ops/api/blobs", get(all))
}

#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    capabilities: Capabilities,
    max_upload: u64,
    max_uploads: usize,
    /// Free and all bytes of the disk, where there is one.
    space: Option<(u64, u64)>,
    usage: Usage,
    #[serde(flatten)]
    moved: Moved,
}

async fn all(State(ops): State<Arc<Ops>>) -> Result<Json<All>> {
    let (blobs, section) = (&ops.parts.blobs, &ops.parts.config.blobs);
    Ok(Json(All {
        capabilities: blobs.capabilities(),
        max_upload: section.max_upload.0,
        max_uploads: section.max_uploads,
        space: blobs.space(),
        usage: blobs.usage().await?,
        moved: blobs.state(),
    }))
}
