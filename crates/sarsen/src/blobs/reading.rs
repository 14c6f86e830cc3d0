//! A blob on its way out: a stream that reads no further ahead than one part.

use super::store::explain;
use super::{Inner, Key};
use crate::clock;
use crate::error::{Error, Result};
use crate::lifecycle;
use crate::telemetry::{self, WaitKind};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use object_store::GetResultPayload;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What is read of a file at once.
const PIECE: u64 = 256 << 10;

/// The bytes of a blob, or of a range of it, as they are taken. It fails where the store has fewer than it promised.
#[must_use = "a stream that nobody takes from reads nothing"]
pub struct Reading {
    bytes: BoxStream<'static, Result<Bytes>>,
    left: u64,
    blobs: Arc<Inner>,
}

impl Reading {
    pub(super) async fn begin(blobs: &Arc<Inner>, key: &Key, range: Range<u64>) -> Result<Self> {
        let left = range.end - range.start;
        let bytes = match left {
            // A store has no empty ranges.
            0 => stream::empty().boxed(),
            _ => match blobs.store.open(key, range.clone()).await.inspect_err(|_| blobs.counts.failed())? {
                GetResultPayload::File(file, _) => of_file(file, range),
                GetResultPayload::Stream(bytes) => {
                    booked(bytes.map(|bytes| bytes.map_err(explain)).boxed(), blobs.section.timeout.0)
                }
            },
        };
        blobs.counts.begin_reading();
        Ok(Self { bytes, left, blobs: blobs.clone() })
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl Stream for Reading {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = ready!(self.bytes.poll_next_unpin(context));
        let next = match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => Some(Ok(bytes)),
            None if self.left == 0 => None,
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(_)) => Some(Err(Error::internal("the store gave more bytes of a blob than it has"))),
            None => Some(Err(Error::internal("the store gave fewer bytes of a blob than it has"))),
        };
        match &next {
            Some(Ok(bytes)) => {
                self.left -= bytes.len() as u64;
                self.blobs.counts.sent(bytes.len() as u64);
            }
            Some(Err(_)) => {
                // Nothing comes after an error.
                self.bytes = stream::empty().boxed();
                self.left = 0;
                self.blobs.counts.failed();
            }
            None => {}
        }
        Poll::Ready(next)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.blobs.counts.end_reading();
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Books each wait for the store, which is silent for `limit` at most.
fn booked(bytes: BoxStream<'static, Result<Bytes>>, limit: Duration) -> BoxStream<'static, Result<Bytes>> {
    let next = move |mut bytes: BoxStream<'static, Result<Bytes>>| async move {
        let next = clock::until(clock::monotonic() + limit, bytes.next());
        match telemetry::wait(WaitKind::Blob, "read", next).await {
            Ok(next) => next.map(|next| (next, bytes)),
            Err(_) => Some((Err(Error::unavailable("the store of blobs stopped in the middle of one")), bytes)),
        }
    };
    stream::unfold(bytes, next).boxed()
}

fn of_file(file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let next = |(file, range): (File, Range<u64>)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let read = lifecycle::spawn_blocking(move || piece(file, range));
        let read = telemetry::wait(WaitKind::Blob, "read", read).await;
        let read = read.map_err(|error| Error::internal(format!("a blob could not be read: {error}")))?;
        read.map_err(|error| Error::unavailable(format!("a blob could not be read: {error}")).source(error))
    };
    stream::try_unfold((file, range), next).boxed()
}

type Piece = Option<(Bytes, (File, Range<u64>))>;

fn piece(mut file: File, range: Range<u64>) -> io::Result<Piece> {
    let size = PIECE.min(range.end - range.start);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.seek(SeekFrom::Start(range.start))?;
    (&mut file).take(size).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let from = range.start + bytes.len() as u64;
    Ok(Some((bytes.into(), (file, from..range.end))))
}
