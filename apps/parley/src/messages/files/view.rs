//! A file as people see it.

use super::store::{Stored, thumbnail};
use sarsen::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Where the small picture of a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Thumbnail {
    /// It is no picture, or not one of which a small one is made.
    None,
    /// It is being made.
    Waiting,
    /// `GET /v1/files/{id}/thumbnail` has it.
    Ready,
    /// It could not be made.
    Failed,
}

/// A file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(in crate::messages) struct File {
    id: Uuid,
    /// What it is called; never a path.
    name: String,
    /// What it is by its bytes; `application/octet-stream` when that is not known, or when it could do something by itself.
    content_type: String,
    /// How many bytes it has.
    size: i64,
    /// Of a picture, in pixels, as it is shown.
    width: Option<i64>,
    /// Of a picture, in pixels, as it is shown.
    height: Option<i64>,
    thumbnail: Thumbnail,
    /// Why a picture has no small one.
    note: Option<String>,
    uploaded_at: Timestamp,
}

impl From<Stored> for File {
    fn from(stored: Stored) -> Self {
        Self {
            id: stored.id,
            name: stored.name,
            content_type: stored.content_type,
            size: stored.size,
            width: stored.width,
            height: stored.height,
            thumbnail: match stored.thumbnail.as_str() {
                thumbnail::WAITING => Thumbnail::Waiting,
                thumbnail::READY => Thumbnail::Ready,
                thumbnail::FAILED => Thumbnail::Failed,
                _ => Thumbnail::None,
            },
            note: Some(stored.note).filter(|note| !note.is_empty()),
            uploaded_at: stored.uploaded_at,
        }
    }
}
