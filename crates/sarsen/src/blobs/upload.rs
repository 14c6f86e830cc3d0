//! A blob on its way in: a row first, then the bytes, and a name for them only when all are on the disk.

use super::store::Sink;
use super::{Blob, Inner, Key, rows};
use crate::clock::{self, Timestamp};
use crate::config::Size;
use crate::error::{Error, Result};
use crate::lifecycle;
use crate::telemetry::{self, WaitKind};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::SemaphorePermit;

/// Longest content type and longest name, in bytes.
const MAX_TYPE: usize = 127;
const MAX_NAME: usize = 255;
/// What is in a blob of which nobody said what it is.
const ANY: &str = "application/octet-stream";

/// What an upload is, and how large it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadOptions {
    folder: &'static str,
    content_type: Option<String>,
    name: String,
    most: Option<u64>,
    length: Option<u64>,
}

impl UploadOptions {
    /// Into this folder: at most 40 lower-case letters, digits, `-` and `_`.
    pub fn folder(folder: &'static str) -> Self {
        Self { folder, content_type: None, name: String::new(), most: None, length: None }
    }

    /// What it is, as downloads will say; without it, `application/octet-stream`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// What people call it. Of a path only the last part is kept, and of that what a file may be called anywhere.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = plain_name(name);
        self
    }

    /// At most so many bytes, where less is allowed than `blobs.max_upload`.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = Some(bytes);
        self
    }

    /// Exactly so many bytes: fewer or more are an error, and nothing is kept of it.
    #[must_use]
    pub fn length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }
}

/// The last part of a path, without what some system takes for more than a letter; at most 255 bytes.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let letter = |c: char| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c };
    let mut plain: String = last.chars().filter(|c| !hidden(*c)).map(letter).collect();
    plain.truncate(plain.floor_char_boundary(MAX_NAME));
    // `.`, `..` and `.profile` are names with a meaning.
    plain.trim_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

/// A content type is a type and a subtype, and maybe parameters, in visible ASCII.
fn check_type(text: &str) -> Result<()> {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let named = essence.split_once('/').is_some_and(|(kind, of_it)| token(kind) && token(of_it));
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if named && visible && text.len() <= MAX_TYPE {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is no content type", text.escape_default())).hint("write it like image/png"))
}

/// Bytes that are stored, and that no transaction has kept yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The key under which they will be found.
    pub key: Key,
    /// How many there are.
    pub size: u64,
    /// What is in them, as 64 hexadecimal digits.
    pub sha256: String,
    /// What they are, as was said.
    pub content_type: String,
    /// What people call them.
    pub name: String,
    /// When the upload began.
    pub made_at: Timestamp,
}

impl Upload {
    pub(super) fn blob(&self) -> Blob {
        let Self { key, size, sha256, content_type, name, made_at } = self.clone();
        Blob { key, size, sha256, content_type, name, made_at }
    }
}

/// The source of an error when an upload is larger than it may be; `http` answers it with 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What is allowed.
    pub most: u64,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {:?} are allowed", Size(self.most))
    }
}

impl std::error::Error for TooLarge {}

impl TooLarge {
    fn error(most: u64) -> Error {
        Error::invalid(format!("the upload is larger than {:?}", Size(most)))
            .hint("send less, or raise [blobs] max_upload")
            .source(Self { most })
    }
}

/// The source of an error when an upload comes more slowly than `blobs.min_rate`; `http` answers it with 408.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slower than blobs.min_rate")
    }
}

impl std::error::Error for TooSlow {}

/// Writes `bytes`; whatever goes wrong, nothing stays behind.
pub(super) async fn write(
    blobs: &Arc<Inner>,
    bytes: Pin<&mut (impl Stream<Item = Result<Bytes>> + Send)>,
    options: UploadOptions,
) -> Result<Upload> {
    let most = options.most.unwrap_or(u64::MAX).min(blobs.section.max_upload.0);
    if options.length.is_some_and(|length| length > most) {
        return Err(TooLarge::error(most));
    }
    let content_type = options.content_type.unwrap_or_else(|| ANY.to_owned());
    check_type(&content_type)?;
    let made_at = blobs.db.clock().now();
    let key = Key::new(options.folder, blobs.db.clock().id())?;
    let upload = Upload { key, size: 0, sha256: String::new(), content_type, name: options.name, made_at };
    let mut writing = Writing::begin(blobs, upload).await?;
    let limits = Limits { most, length: options.length };
    match writing.take(bytes, limits).await {
        Ok(()) => Ok(writing.end()),
        Err(error) => {
            writing.undo().await;
            Err(error)
        }
    }
}

struct Limits {
    most: u64,
    length: Option<u64>,
}

/// An upload at work. Dropped, which is what happens when a client leaves, it removes what there is.
struct Writing<'b> {
    blobs: &'b Arc<Inner>,
    upload: Upload,
    sink: Option<Sink>,
    part: BytesMut,
    /// When the row said last that this goes on.
    touched: Instant,
    ended: bool,
    _place: SemaphorePermit<'b>,
}

impl<'b> Writing<'b> {
    async fn begin(blobs: &'b Arc<Inner>, upload: Upload) -> Result<Self> {
        let place = telemetry::wait(WaitKind::Queue, "blobs.max_uploads", blobs.uploads.acquire()).await;
        let place = place.map_err(|_| Error::unavailable("this process stops"))?;
        let due = blobs.db.clock().now() + blobs.section.pending_for.0;
        blobs.counts.begin_uploading();
        let (part, touched) = (BytesMut::new(), clock::monotonic());
        let writing = Self { blobs, upload, sink: None, part, touched, ended: false, _place: place };
        rows::begin(&blobs.db, &writing.upload, due).await?;
        lifecycle::fault("blobs.pending");
        Ok(writing)
    }

    async fn take(
        &mut self,
        mut bytes: Pin<&mut (impl Stream<Item = Result<Bytes>> + Send)>,
        limits: Limits,
    ) -> Result<()> {
        let mut hash = Sha256::new();
        let mut waited = Duration::ZERO;
        loop {
            let asked = clock::monotonic();
            let Some(some) = bytes.next().await.transpose()? else { break };
            waited += clock::monotonic() - asked;
            self.check_rate(waited)?;
            self.upload.size += some.len() as u64;
            if self.upload.size > limits.most {
                return Err(TooLarge::error(limits.most));
            }
            self.blobs.counts.received(some.len() as u64);
            hash.update(&some);
            self.gather(some).await?;
        }
        if let Some(length) = limits.length.filter(|length| *length != self.upload.size) {
            let text = format!("the upload has {} bytes, and {length} were announced", self.upload.size);
            return Err(Error::invalid(text).hint("send it again"));
        }
        self.upload.sha256 = hex(&hash.finalize());
        self.finish().await.inspect_err(|_| self.blobs.counts.failed())
    }

    /// Whoever sends is waited for at most as long as all bytes so far may take.
    fn check_rate(&self, waited: Duration) -> Result<()> {
        let section = &self.blobs.section;
        let least = section.min_rate.0.saturating_mul(waited.as_secs());
        if waited < section.slow_after.0 || self.upload.size >= least {
            return Ok(());
        }
        Err(Error::invalid("the upload came too slowly").hint("send it over a faster connection").source(TooSlow))
    }

    /// Puts parts of one size into the store: some stores want them so.
    async fn gather(&mut self, mut bytes: Bytes) -> Result<()> {
        let size = self.blobs.store.capabilities().part;
        while self.part.len() + bytes.len() >= size {
            let room = bytes.split_to(size - self.part.len());
            self.part.extend_from_slice(&room);
            let part = self.part.split().freeze();
            self.put(part).await.inspect_err(|_| self.blobs.counts.failed())?;
            lifecycle::fault("blobs.writing");
        }
        self.part.extend_from_slice(&bytes);
        Ok(())
    }

    async fn put(&mut self, part: Bytes) -> Result<()> {
        self.touch().await?;
        if self.sink.is_none() {
            self.sink = Some(self.blobs.store.begin(&self.upload.key, &self.upload.content_type).await?);
        }
        match &mut self.sink {
            Some(sink) => sink.write(part).await,
            None => Ok(()),
        }
    }

    /// Says that this goes on, long before the sweep would take it.
    async fn touch(&mut self) -> Result<()> {
        let pending_for = self.blobs.section.pending_for.0;
        if clock::monotonic().duration_since(self.touched) < pending_for / 4 {
            return Ok(());
        }
        let due = self.blobs.db.clock().now() + pending_for;
        if !rows::touch(&self.blobs.db, &self.upload.key, due).await? {
            return Err(Error::conflict("the upload was given up: it paused for longer than blobs.pending_for"));
        }
        self.touched = clock::monotonic();
        Ok(())
    }

    /// What is small goes at once.
    async fn finish(&mut self) -> Result<()> {
        let part = self.part.split().freeze();
        match &mut self.sink {
            Some(sink) => {
                if !part.is_empty() {
                    sink.write(part).await?;
                }
                sink.finish().await?;
            }
            None => self.blobs.store.put(&self.upload.key, &self.upload.content_type, part).await?,
        }
        self.sink = None;
        lifecycle::fault("blobs.written");
        self.touch().await
    }

    fn end(mut self) -> Upload {
        self.ended = true;
        self.blobs.counts.end_uploading(true);
        self.upload.clone()
    }

    async fn undo(mut self) {
        self.ended = true;
        self.blobs.counts.end_uploading(false);
        undo(self.blobs.clone(), self.upload.key.clone(), self.sink.take()).await;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.blobs.counts.end_uploading(false);
        if tokio::runtime::Handle::try_current().is_ok() {
            lifecycle::spawn(undo(self.blobs.clone(), self.upload.key.clone(), self.sink.take()));
        }
    }
}

/// Removes the bytes, then the row. What cannot be removed now has its row, and the sweep finds it.
async fn undo(blobs: Arc<Inner>, key: Key, sink: Option<Sink>) {
    let undone = async {
        let aborted = match sink {
            Some(mut sink) => sink.abort().await,
            None => Ok(()),
        };
        blobs.store.remove(&key).await?;
        aborted?;
        rows::forget(&blobs.db, &key).await
    };
    if let Err(error) = undone.await {
        blobs.counts.failed();
        tracing::warn!(%key, "what is left of an upload waits for the sweep: {}", error.report());
    }
}

/// Hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path_and_never_a_trick() {
        for (given, kept) in [
            ("cat.png", "cat.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\cmd.exe", "cmd.exe"),
            ("..", ""),
            (".bashrc", "bashrc"),
            ("a\0b\nc.txt", "abc.txt"),
            ("invoice\u{202e}gpj.exe", "invoicegpj.exe"),
            ("what: is \"this\"?.txt", "what_ is _this__.txt"),
            ("  spaced .  ", "spaced"),
            ("Übersicht – 2026.pdf", "Übersicht – 2026.pdf"),
            ("", ""),
        ] {
            assert_eq!(plain_name(given), kept, "{given:?}");
        }
        assert!(plain_name(&"ü".repeat(400)).len() <= MAX_NAME);
    }

    #[test]
    fn a_content_type_is_a_type_and_a_subtype() {
        for right in ["image/png", "text/plain; charset=utf-8", "application/vnd.api+json"] {
            assert!(check_type(right).is_ok(), "{right}");
        }
        for wrong in ["", "png", "image/", "/png", "image/png\r\nset-cookie: a", "im age/png", "image/png\u{e4}"] {
            assert!(check_type(wrong).is_err(), "{wrong}");
        }
    }
}
