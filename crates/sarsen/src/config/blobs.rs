//! Section `[blobs]`: where files are, and their limits.

use super::types::{Size, Span, Url};
use serde::{Deserialize, Serialize};

/// Section `[blobs]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct BlobsSection {
    /// `file:PATH`, or `s3://KEY:SECRET@BUCKET/PREFIX?endpoint=…&region=…`; the scheme chooses the driver.
    pub url: Url,
    /// Largest upload; a route or a call may say less.
    pub max_upload: Size,
    /// How long an upload by HTTP may take.
    pub upload_timeout: Span,
    /// Most uploads at once in this process; more wait.
    pub max_uploads: usize,
    /// An upload that comes more slowly than so many bytes a second is refused: it would hold a place of others.
    pub min_rate: Size,
    /// How long it may be slower.
    pub slow_after: Span,
    /// An upload that no transaction has kept is removed after this time.
    pub pending_for: Span,
    /// How often is looked for what is to be removed.
    pub sweep: Span,
    /// How often the whole store is looked through for objects that no row knows.
    pub scan: Span,
    /// How old such an object must be before it is removed.
    pub orphan_for: Span,
    /// Longest validity of a signed address.
    pub max_presign: Span,
    /// A store that answers a call no sooner than this counts as unavailable. Of `s3:` only.
    pub timeout: Span,
}

impl Default for BlobsSection {
    fn default() -> Self {
        Self {
            url: Url::new("file:data/blobs"),
            max_upload: Size(100 << 20),
            upload_timeout: Span::seconds(3_600),
            max_uploads: 64,
            min_rate: Size(1 << 10),
            slow_after: Span::seconds(60),
            pending_for: Span::seconds(3_600),
            sweep: Span::seconds(60),
            scan: Span::seconds(86_400),
            orphan_for: Span::seconds(86_400),
            max_presign: Span::seconds(7 * 86_400),
            timeout: Span::seconds(30),
        }
    }
}
