//! The store as the rest of `blobs` sees it: every wait for it is booked, and every error is one of ours.

use super::driver::{Capabilities, Driver};
use super::{Key, connect};
use crate::clock::Timestamp;
use crate::config::BlobsSection;
use crate::error::{Error, Result};
use crate::telemetry::{self, WaitKind};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    Attribute, Attributes, GetOptions, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions,
};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use uuid::Uuid;

/// Says whose store it is.
const OWNER: &str = "sarsen-owner";

/// The store that is configured; it is opened when it is first used.
#[derive(Debug)]
pub(super) struct Store {
    driver: Box<dyn Driver>,
    objects: OnceLock<Arc<dyn ObjectStore>>,
}

/// An object that a scan met.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) modified: Timestamp,
}

impl Store {
    pub(super) fn new(section: &BlobsSection) -> Result<Self> {
        Ok(Self { driver: connect(section)?, objects: OnceLock::new() })
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    pub(super) fn space(&self) -> Option<(u64, u64)> {
        self.driver.space()
    }

    pub(super) fn is_made(&self) -> bool {
        self.driver.is_made()
    }

    /// Whether this process has used it.
    pub(super) fn is_open(&self) -> bool {
        self.objects.get().is_some()
    }

    fn objects(&self) -> Result<&Arc<dyn ObjectStore>> {
        if let Some(objects) = self.objects.get() {
            return Ok(objects);
        }
        let opened = self.driver.open()?;
        Ok(self.objects.get_or_init(|| opened))
    }

    /// Begins an object that appears at [`Sink::finish`].
    pub(super) async fn begin(&self, key: &Key, content_type: &str) -> Result<Sink> {
        let path = self.driver.path(key.as_str());
        let options = PutMultipartOptions { attributes: self.attributes(content_type), ..Default::default() };
        let begun = self.objects()?.put_multipart_opts(&path, options);
        Ok(Sink(wait("begin", begun).await?))
    }

    /// Puts a whole object.
    pub(super) async fn put(&self, key: &Key, content_type: &str, bytes: Bytes) -> Result<()> {
        let path = self.driver.path(key.as_str());
        let options = PutOptions { attributes: self.attributes(content_type), ..Default::default() };
        wait("put", self.objects()?.put_opts(&path, bytes.into(), options)).await.map(drop)
    }

    fn attributes(&self, content_type: &str) -> Attributes {
        if !self.driver.capabilities().content_type {
            return Attributes::new();
        }
        [(Attribute::ContentType, content_type.to_owned())].into_iter().collect()
    }

    /// Opens the bytes of `range`.
    pub(super) async fn open(&self, key: &Key, range: Range<u64>) -> Result<GetResultPayload> {
        let path = self.driver.path(key.as_str());
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        let got = wait("open", self.objects()?.get_opts(&path, options)).await?;
        Ok(got.payload)
    }

    /// How many bytes are stored under `key`.
    pub(super) async fn size(&self, key: &Key) -> Result<Option<u64>> {
        let path = self.driver.path(key.as_str());
        match telemetry::wait(WaitKind::Blob, "head", self.objects()?.head(&path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }

    /// Removes an object and what cut-off writes of it left; it is no error that it is gone already.
    pub(super) async fn remove(&self, key: &Key) -> Result<()> {
        self.remove_object(key.as_str()).await?;
        self.driver.clear(key).await
    }

    async fn remove_object(&self, name: &str) -> Result<()> {
        let path = self.driver.path(name);
        match telemetry::wait(WaitKind::Blob, "delete", self.objects()?.delete(&path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(explain(error)),
        }
    }

    pub(super) async fn clear_before(&self, before: Timestamp) -> Result<u64> {
        self.driver.clear_before(before).await
    }

    /// Everything in the store, in no order.
    pub(super) fn list(&self) -> Result<BoxStream<'static, Result<Stored>>> {
        let root = self.driver.path("");
        let prefix = (!root.as_ref().is_empty()).then_some(root.clone());
        let listed = self.objects()?.list(prefix.as_ref()).map_err(explain);
        let stored = move |meta: object_store::ObjectMeta| {
            let name = meta.location.as_ref();
            let name = name.strip_prefix(root.as_ref()).unwrap_or(name).trim_start_matches('/').to_owned();
            Stored { name, modified: Timestamp::from_micros(meta.last_modified.timestamp_micros()) }
        };
        Ok(listed.map_ok(stored).boxed())
    }

    /// Whose store it is; without an owner, it is `owner`'s from now on.
    pub(super) async fn owner(&self, owner: &str) -> Result<String> {
        let path = self.driver.path(OWNER);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.objects()?.put_opts(&path, owner.to_owned().into_bytes().into(), options);
        match telemetry::wait(WaitKind::Blob, "put", put).await {
            Ok(_) => return Ok(owner.to_owned()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(explain(error)),
        }
        let got = wait("get", self.objects()?.get(&path)).await?;
        let bytes = wait("get", got.bytes()).await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    pub(super) async fn presign(&self, key: &Key, valid: Duration, shown: (&str, &str)) -> Result<Option<String>> {
        self.driver.presign(key, valid, shown).await
    }

    /// Writes, reads and removes an object.
    pub(super) async fn check(&self, id: Uuid) -> Result<()> {
        let key = Key::new("doctor", id)?;
        let bytes = Bytes::from_static(b"can be written");
        self.put(&key, "text/plain", bytes.clone()).await?;
        let size = self.size(&key).await;
        self.remove(&key).await?;
        if size? == Some(bytes.len() as u64) {
            return Ok(());
        }
        Err(Error::internal("what was written into the store of blobs is not there"))
    }
}

/// An object that is being written. Dropped midway, the file driver removes what there is; [`Sink::abort`] is for all.
#[derive(Debug)]
pub(super) struct Sink(Box<dyn MultipartUpload>);

impl Sink {
    pub(super) async fn write(&mut self, part: Bytes) -> Result<()> {
        wait("write", self.0.put_part(part.into())).await
    }

    /// Makes the object appear, whole and durable.
    pub(super) async fn finish(&mut self) -> Result<()> {
        wait("finish", self.0.complete()).await.map(drop)
    }

    pub(super) async fn abort(&mut self) -> Result<()> {
        wait("abort", self.0.abort()).await
    }
}

async fn wait<T>(label: &'static str, work: impl Future<Output = object_store::Result<T>>) -> Result<T> {
    telemetry::wait(WaitKind::Blob, label, work).await.map_err(explain)
}

/// What an error of the store means to who asked.
pub(super) fn explain(error: object_store::Error) -> Error {
    use object_store::Error as Cause;
    let explained = match &error {
        Cause::NotFound { .. } => Error::not_found("the store has no such blob"),
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => {
            Error::unavailable("the store of blobs does not let this application in")
                .hint("see that the credentials of blobs.url may read, write, list and delete")
        }
        Cause::NotSupported { .. } | Cause::NotImplemented { .. } => {
            Error::new(crate::error::Kind::Unsupported, "the store of blobs cannot do that")
        }
        _ if is_full(&error) => {
            Error::unavailable("the disk of the blobs is full").hint("make room, or move blobs.url")
        }
        _ => Error::unavailable("the store of blobs failed"),
    };
    explained.source(error)
}

fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull) {
            return true;
        }
        cause = error.source();
    }
    false
}
