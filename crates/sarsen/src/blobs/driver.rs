//! What differs between stores: one driver for each technology, over the same interface to objects.

use super::Key;
use super::presign::Link;
use crate::clock::Timestamp;
use crate::config::BlobsSection;
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::Serialize;
use std::sync::Arc;

/// Who answers a signed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signs {
    /// The application itself.
    Application,
    /// The store, which the application then does not hear of.
    Store,
}

/// What a driver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Its name in the configuration and in pages.
    pub driver: &'static str,
    /// Who answers a signed address.
    pub presign: Signs,
    /// Whether the store itself keeps what a blob is, and says it to who loads it from there.
    pub content_type: bool,
    /// The bytes of one part of an upload: what one upload holds in memory.
    pub part: usize,
    /// Whether several processes on several machines may use it.
    pub shared: bool,
}

/// What a technology has to do beside storing objects.
pub(super) trait Driver: Send + Sync + std::fmt::Debug {
    fn capabilities(&self) -> Capabilities;

    /// Makes what is needed to use it.
    fn open(&self) -> Result<Arc<dyn ObjectStore>>;

    /// Where an object is in it.
    fn path(&self, name: &str) -> Path;

    /// Signs an address of the store, where it answers one itself.
    fn presign<'a>(&'a self, key: &'a Key, link: &'a Link) -> BoxFuture<'a, Result<Option<String>>>;

    /// Removes what a write of `key` left behind that was cut off.
    fn clear<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<()>>;

    /// Removes what all such writes before `before` left behind; gives how many.
    fn clear_before(&self, before: Timestamp) -> BoxFuture<'_, Result<u64>>;

    /// Free and all bytes of the disk, where there is one.
    fn space(&self) -> Option<(u64, u64)> {
        None
    }
}

/// The driver that `blobs.url` names.
pub(super) fn connect(section: &BlobsSection) -> Result<Box<dyn Driver>> {
    match section.url.scheme() {
        "file" => Ok(Box::new(super::file::Files::new(&section.url)?)),
        #[cfg(feature = "s3")]
        "s3" => Ok(Box::new(super::s3::S3::new(section)?)),
        #[cfg(not(feature = "s3"))]
        "s3" => Err(Error::new(crate::error::Kind::Unsupported, "blobs.url: this build has no driver for s3:")
            .hint("enable feature \"s3\" of the crate sarsen")),
        other => Err(Error::invalid(format!("blobs.url: no driver knows `{other}:`"))
            .hint("use file:PATH or s3://BUCKET?endpoint=…")),
    }
}
