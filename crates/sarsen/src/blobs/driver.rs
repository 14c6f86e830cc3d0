//! What differs between stores: one driver for each technology, over the same interface to objects.

use super::Key;
use crate::clock::Timestamp;
use crate::error::Result;
use futures_util::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

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

    /// Signs an address of the store, where it answers one itself; the answer has this type and this disposition.
    fn presign<'a>(
        &'a self,
        key: &'a Key,
        valid: Duration,
        shown: (&'a str, &'a str),
    ) -> BoxFuture<'a, Result<Option<String>>>;

    /// Removes what a write of `key` left behind that was cut off.
    fn clear<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<()>>;

    /// Removes what all such writes before `before` left behind; gives how many.
    fn clear_before(&self, before: Timestamp) -> BoxFuture<'_, Result<u64>>;

    /// Whether somebody has used it: a folder is made when it is first needed.
    fn is_made(&self) -> bool {
        true
    }

    /// Free and all bytes of the disk, where there is one.
    fn space(&self) -> Option<(u64, u64)> {
        None
    }
}
