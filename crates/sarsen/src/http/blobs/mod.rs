//! Files over HTTP: [`Uploads`] takes them, [`Wanted`] and [`Download`] give them, in ranges and in constant memory.

mod describe;
mod download;
mod multipart;
mod range;
mod uploads;

pub(super) use describe::take_uploads;
pub use download::{Download, Wanted};
pub use uploads::{UploadPart, Uploads};

use crate::blobs::{Blobs, Key};
use crate::error::Result;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{Router, get};

/// Where the route is.
pub(super) const PATTERN: &str = "/blobs/{folder}/{shard}/{id}";

/// The route that answers addresses which the application signed: whoever has one needs nothing else.
pub(super) fn routes(blobs: Option<Blobs>) -> Router {
    match blobs {
        Some(blobs) => Router::new().route(PATTERN, get(signed)).with_state(blobs),
        None => Router::new(),
    }
}

async fn signed(
    State(blobs): State<Blobs>,
    Path((folder, shard, id)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    wanted: Wanted,
) -> Result<Download> {
    let key = Key::parse(&format!("{folder}/{shard}/{id}"))?;
    let signed = blobs.presigned(&key, query.as_deref().unwrap_or_default())?;
    let blob = blobs.get(&signed.key).await?;
    wanted.download(&blobs, &blob, signed.show).await
}
