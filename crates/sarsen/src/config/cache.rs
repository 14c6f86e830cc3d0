//! Section `[cache]`: what is kept in memory, and how long it is trusted.

use super::types::{Size, Span, Url};
use serde::{Deserialize, Serialize};

/// Section `[cache]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheSection {
    /// Where values are kept: `memory:`, in each process its own.
    pub url: Url,
    /// Most bytes of the values that one process keeps.
    pub max_bytes: Size,
    /// How long one load may take, where its call allows no other time.
    pub load_timeout: Span,
    /// After a load that failed while an old value serves, it is not tried again before this time.
    pub retry_after: Span,
    /// Without hearing from the log for this long a process trusts no value any more.
    pub max_silence: Span,
    /// Most tags of one invalidation.
    pub max_tags: usize,
    /// Most families of keys that are counted apart.
    pub max_families: usize,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self {
            url: Url::new("memory:"),
            max_bytes: Size(64 << 20),
            load_timeout: Span::seconds(10),
            retry_after: Span::seconds(1),
            max_silence: Span::seconds(5),
            max_tags: 1_000,
            max_families: 256,
        }
    }
}
