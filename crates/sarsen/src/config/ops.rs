//! What the pages at `/ops` may be told.

use super::{Secret, Span};
use serde::{Deserialize, Serialize};

/// Section `[ops]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OpsSection {
    /// Whether there are pages at `/ops` at all.
    pub enabled: bool,
    /// What opens them in production; at least 32 characters. Empty: a token made from `app.secret`.
    pub token: Secret,
    /// How long a browser that showed the token is let in without it.
    pub session_age: Span,
}

impl Default for OpsSection {
    fn default() -> Self {
        Self { enabled: true, token: Secret::default(), session_age: Span::seconds(7 * 86_400) }
    }
}
