//! What is configured of messages: what files may be, and what pictures may take.

use sarsen::config::{Size, Span};
use sarsen::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest time for one picture that can be configured: its job may take no longer than two minutes.
const MAX_THUMBNAIL_TIME: Duration = Duration::from_secs(60);

/// Most pixels that can be configured: at ten bytes each.
const MAX_PIXELS: u64 = 400_000_000;

/// Section `[modules.messages.config]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes of one file; `blobs.max_upload` holds, too.
    pub max_file: Size,
    /// Most files of one person that are uploaded and not posted.
    pub max_pending: u32,
    /// How long a file is kept that nobody posts.
    pub keep_pending: Span,
    /// Most small pictures that one process makes at once.
    pub thumbnails_at_once: usize,
    /// How long one may take.
    pub thumbnail_time: Span,
    /// Most pixels of a picture that is made small; each takes up to ten bytes of memory.
    pub max_pixels: u64,
    /// Most bytes of one.
    pub max_picture: Size,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_file: Size(100 << 20),
            max_pending: 50,
            keep_pending: Span::seconds(86_400),
            thumbnails_at_once: 1,
            thumbnail_time: Span::seconds(20),
            max_pixels: 25_000_000,
            max_picture: Size(32 << 20),
        }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<()> {
        let time = self.thumbnail_time.0;
        if time.is_zero() || time > MAX_THUMBNAIL_TIME {
            return Err(Error::invalid("thumbnail_time is not between 1ms and 1m"));
        }
        if self.max_pixels == 0 || self.max_pixels > MAX_PIXELS {
            return Err(Error::invalid(format!("max_pixels is not between 1 and {MAX_PIXELS}")));
        }
        if self.max_pending == 0 || self.thumbnails_at_once == 0 || self.max_file.0 == 0 {
            return Err(Error::invalid("max_file, max_pending and thumbnails_at_once are at least 1"));
        }
        if self.keep_pending.0 < Duration::from_secs(60) {
            return Err(Error::invalid("keep_pending is shorter than a minute: files would go before they are posted"));
        }
        Ok(())
    }
}
