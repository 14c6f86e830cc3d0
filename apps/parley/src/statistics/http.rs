//! The HTTP side of statistics.

use super::{Module, Statistics};
use crate::budgets::read;
use crate::path::IdPath;
use axum::extract::State;
use sarsen::Result;
use sarsen::http::routing::get_with;
use sarsen::http::{Actor, Json, Path, Promises, Routes};
use std::sync::Arc;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/channels/{id}/statistics",
            get_with(of_channel, |op| {
                op.summary("How lively a channel was in the last 30 days").tag("channels").budget(read(7))
            }),
        )
        .with_state(module)
}

async fn of_channel(
    State(module): State<Arc<Module>>,
    actor: Actor,
    Path(path): Path<IdPath>,
) -> Result<Json<Statistics>> {
    Ok(Json(module.of_channel(actor.id, path.id).await?))
}
