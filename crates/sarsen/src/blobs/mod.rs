//! Blobs: files of any size, which belong to the transaction that names them.
//!
//! The bytes are written first, beside any transaction; then one keeps them. Rolled back or killed, nobody keeps them, and
//! the sweep removes them after `blobs.pending_for`. A name that is kept always has its bytes: they are on the disk, or in
//! the object store, before the transaction can commit.
//!
//! ```
//! use sarsen::blobs::{Blobs, UploadOptions};
//! use sarsen::{Db, Result};
//! use bytes::Bytes;
//! use futures_util::Stream;
//!
//! async fn attach(
//!     db: &Db,
//!     blobs: &Blobs,
//!     message: uuid::Uuid,
//!     bytes: impl Stream<Item = Result<Bytes>> + Send,
//! ) -> Result<()> {
//!     let upload = blobs.upload(bytes, UploadOptions::folder("files").content_type("image/png")).await?;
//!     let tx = db.begin().await?;
//!     let blob = blobs.keep(&tx, &upload).await?;
//!     let sql = "INSERT INTO attachments (message, blob) VALUES (?, ?)";
//!     tx.query(sql).bind(message).bind(blob.key.as_str()).execute().await?;
//!     tx.commit().await
//! }
//! ```

mod driver;
mod file;
mod key;
mod presign;
mod reading;
mod rows;
#[cfg(feature = "s3")]
mod s3;
mod show;
mod state;
mod store;
mod sweep;
mod upload;

pub use driver::{Capabilities, Signs};
pub use key::Key;
pub use presign::{Presigned, Show};
pub use reading::Reading;
pub(crate) use show::disposition;
pub use show::may_show;
pub use state::{Counts as State, Usage};
pub use sweep::Swept;
pub use upload::{TooLarge, TooSlow, Upload, UploadOptions};

use crate::clock::{self, Timestamp};
use crate::config::BlobsSection;
use crate::data::{Db, Tx};
use crate::error::{Error, Result};
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::Recorder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use presign::Presigner;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The channel that is woken when something is to be removed.
const CHANNEL: &str = "blobs";
/// Most blobs that [`Blobs::list`] gives at once.
const MAX_LIST: u32 = 1_000;

/// The driver that `blobs.url` names.
fn connect(section: &BlobsSection) -> Result<Box<dyn driver::Driver>> {
    match section.url.scheme() {
        "file" => Ok(Box::new(file::Files::new(&section.url)?)),
        #[cfg(feature = "s3")]
        "s3" => Ok(Box::new(s3::S3::new(section)?)),
        #[cfg(not(feature = "s3"))]
        "s3" => Err(Error::new(crate::error::Kind::Unsupported, "blobs.url: this build has no driver for s3:")
            .hint("enable feature \"s3\" of the crate sarsen")),
        other => Err(Error::invalid(format!("blobs.url: no driver knows `{other}:`"))
            .hint("use file:PATH or s3://BUCKET?endpoint=…")),
    }
}

/// A blob that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blob {
    /// Its name in the store.
    pub key: Key,
    /// How many bytes it has.
    pub size: u64,
    /// What is in it, as 64 hexadecimal digits.
    pub sha256: String,
    /// What it is, as the application said when it was uploaded.
    pub content_type: String,
    /// What people call it; empty when it was not said. Never a path.
    pub name: String,
    /// When it was uploaded.
    pub made_at: Timestamp,
}

/// How the store is, as far as can be seen without an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Examined {
    /// It can be written and read.
    Works,
    /// Nobody has used it yet.
    NotMade,
}

/// Writes, reads and removes an object, for `doctor`.
pub(crate) async fn examine(section: &BlobsSection, id: Uuid) -> Result<Examined> {
    let store = Store::new(section)?;
    if !store.is_made() {
        return Ok(Examined::NotMade);
    }
    store.check(id).await.map(|()| Examined::Works)
}

/// What is wrong with the section, before anything starts.
pub(crate) fn check(section: &BlobsSection) -> Result<()> {
    if section.max_uploads == 0 {
        return Err(Error::invalid("blobs.max_uploads = 0 lets nothing in").hint("allow at least one upload at once"));
    }
    Store::new(section).map(drop)
}

/// The handle on blobs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: BlobsSection,
    db: Db,
    store: Store,
    presigner: Presigner,
    uploads: Semaphore,
    counts: state::Counters,
    recorder: Recorder,
    lifecycle: Lifecycle,
}

impl Blobs {
    /// `key` signs addresses below `address`. Nothing is made or connected to before the first use.
    pub(crate) fn new(
        db: &Db,
        section: &BlobsSection,
        (key, address): ([u8; 32], String),
        recorder: &Recorder,
        lifecycle: &Lifecycle,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            store: Store::new(section)?,
            section: section.clone(),
            db: db.primary(),
            presigner: Presigner::new(key, address),
            uploads: Semaphore::new(section.max_uploads),
            counts: state::Counters::default(),
            recorder: recorder.clone(),
            lifecycle: lifecycle.clone(),
        })))
    }

    /// Writes `bytes` as they come, under a new key, and gives what a transaction keeps with [`Blobs::keep`].
    ///
    /// At most the part of one piece is in memory (1 MB, of `s3:` 8 MB); who sends waits for the store. An error in the
    /// stream, and dropping the future, leave nothing. Limits: `blobs.max_upload`, [`UploadOptions::at_most`].
    pub async fn upload(
        &self,
        bytes: impl Stream<Item = Result<Bytes>> + Send,
        options: UploadOptions,
    ) -> Result<Upload> {
        upload::write(&self.0, pin!(bytes), options).await
    }

    /// Like [`Blobs::upload`] for what is in memory already.
    pub async fn upload_bytes(&self, bytes: impl Into<Bytes>, options: UploadOptions) -> Result<Upload> {
        self.upload(stream::iter([Ok(bytes.into())]), options).await
    }

    /// Keeps what was uploaded, if `tx` commits. It fails once the sweep has taken it: after `blobs.pending_for`.
    pub async fn keep(&self, tx: &Tx, upload: &Upload) -> Result<Blob> {
        rows::keep(tx, upload).await?;
        lifecycle::fault("blobs.keeping");
        Ok(upload.blob())
    }

    /// The blob that is kept under `key`.
    pub async fn get(&self, key: &Key) -> Result<Blob> {
        self.find(key).await?.ok_or_else(|| Error::not_found("there is no such blob"))
    }

    /// Like [`Blobs::get`], where it is no error that there is none.
    pub async fn find(&self, key: &Key) -> Result<Option<Blob>> {
        rows::find(&self.0.db, key).await
    }

    /// Whether its bytes are in the store: what [`Blobs::get`] promises, asked of the store itself.
    pub async fn stored(&self, key: &Key) -> Result<Option<u64>> {
        self.0.store.size(key).await
    }

    /// The bytes of a blob as a stream, all or those of `range`; they are read as they are taken.
    pub async fn read(&self, blob: &Blob, range: Option<Range<u64>>) -> Result<Reading> {
        let range = range.unwrap_or(0..blob.size);
        if range.start > range.end || range.end > blob.size {
            return Err(Error::invalid(format!("{} has no bytes {range:?}: it has {}", blob.key, blob.size)));
        }
        Reading::begin(&self.0, &blob.key, range).await
    }

    /// All bytes of a blob of at most `most`, checked against its hash.
    pub async fn bytes(&self, blob: &Blob, most: usize) -> Result<Bytes> {
        if blob.size > most as u64 {
            return Err(Error::invalid(format!("{} has {} bytes, more than {most}", blob.key, blob.size))
                .hint("read it as a stream with `read`"));
        }
        let mut reading = self.read(blob, None).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
        while let Some(part) = reading.next().await {
            bytes.extend_from_slice(&part?);
        }
        if upload::hex(&Sha256::digest(&bytes)) != blob.sha256 {
            return Err(Error::internal(format!(
                "{} is damaged: its bytes are not those that were uploaded",
                blob.key
            )));
        }
        Ok(bytes.into())
    }

    /// Removes a blob, if `tx` commits; its bytes go soon after. Says whether there was one.
    pub async fn delete(&self, tx: &Tx, key: &Key) -> Result<bool> {
        let there = rows::delete(tx, key).await?;
        if there {
            tx.wake(CHANNEL);
            lifecycle::fault("blobs.deleting");
        }
        Ok(there)
    }

    /// The blobs of a folder in the order of their keys, after `after`, at most `limit` (1,000).
    pub async fn list(&self, folder: &str, after: Option<&Key>, limit: u32) -> Result<Vec<Blob>> {
        key::check_folder(folder)?;
        rows::list(&self.0.db, folder, after, limit.min(MAX_LIST)).await
    }

    /// An address from which anybody can load the blob for `valid`, without asking the application who they are.
    ///
    /// Of `file:` it leads to the application itself, of `s3:` to the store. Limit: `blobs.max_presign`.
    pub async fn presign(&self, blob: &Blob, valid: Duration, show: Show) -> Result<String> {
        presign::presign(&self.0, blob, valid, show).await
    }

    /// Reads an address that [`Blobs::presign`] made; it fails when it is not one, or no longer.
    pub fn presigned(&self, key: &Key, query: &str) -> Result<Presigned> {
        self.0.presigner.check(key, query, self.0.db.clock().now())
    }

    /// What the driver can do.
    pub fn capabilities(&self) -> Capabilities {
        self.0.store.capabilities()
    }

    /// What is to be removed is removed now: what the upkeep of a worker does by itself. Says how much.
    pub async fn sweep(&self) -> Result<Swept> {
        sweep::sweep(&self.0).await
    }

    /// Looks through the whole store for objects that no row knows, and removes those that are older than
    /// `blobs.orphan_for`. Only where the store is the application's own.
    pub async fn scan(&self) -> Result<Swept> {
        sweep::scan(&self.0).await
    }

    /// Sweeps and scans until the application stops.
    pub(crate) fn start_upkeep(&self) -> tokio::task::JoinHandle<()> {
        lifecycle::spawn(sweep::upkeep(self.0.clone()))
    }

    /// What this process did.
    pub fn state(&self) -> State {
        self.0.counts.state()
    }

    /// What is in the store, as the rows say; counted at most every 30 seconds, because that reads all of them.
    pub async fn usage(&self) -> Result<Usage> {
        if let Some(known) = self.0.counts.usage(clock::monotonic()) {
            return Ok(known);
        }
        let usage = rows::usage(&self.0.db).await?;
        self.0.counts.set_usage(clock::monotonic(), usage);
        Ok(usage)
    }

    /// Whether this process has used the store.
    pub(crate) fn is_used(&self) -> bool {
        self.0.store.is_open()
    }

    /// Free and all bytes of the disk that it is on, where that is known.
    pub(crate) fn space(&self) -> Option<(u64, u64)> {
        self.0.store.space()
    }

    pub(crate) fn section(&self) -> &BlobsSection {
        &self.0.section
    }
}
