//! The HTTP side of audit.

use super::Module;
use super::entry::Entry;
use crate::budgets::read;
use axum::extract::State;
use sarsen::Result;
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::get_with;
use sarsen::http::{Actor, Json, Promises, Query, Routes};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

const TAG: &str = "audit";

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/audit",
            get_with(list, |op| {
                op.summary("What you did, or what was done in a channel, newest first").tag(TAG).budget(read(5))
            }),
        )
        .with_state(module)
}

#[derive(Deserialize, JsonSchema)]
struct Listing {
    /// What was done in this channel, of which you are a member; without it, what you did anywhere.
    channel: Option<Uuid>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 100; 50 when it is left out.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

async fn list(
    State(module): State<Arc<Module>>,
    actor: Actor,
    Query(wanted): Query<Listing>,
) -> Result<Json<Page<Entry>>> {
    let page = PageRequest { cursor: wanted.cursor, limit: wanted.limit };
    Ok(Json(match wanted.channel {
        Some(channel) => module.of_channel(actor.id, channel, &page).await?,
        None => module.own(actor.id, &page).await?,
    }))
}
