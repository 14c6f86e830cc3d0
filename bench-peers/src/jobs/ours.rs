//! Sarsen's own jobs, as an [`Engine`](super::engine::Engine) like the others: its place, for they are not there yet.

use crate::wrong;

/// What is said until then.
pub(super) fn missing() -> Box<dyn std::error::Error + Send + Sync> {
    wrong("Sarsen has no jobs yet")
}
