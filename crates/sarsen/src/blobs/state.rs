//! What blobs count: for the pages of operators and for metrics.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What this process did since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Uploads that are at work.
    pub uploading: u64,
    /// Downloads that are at work.
    pub reading: u64,
    /// Uploads that came to their end.
    pub uploaded: u64,
    /// Uploads that did not: the client left, a limit was reached, the store failed.
    pub broken_off: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out, but for those that a store gave by itself.
    pub bytes_out: u64,
    /// Calls of the store that failed.
    pub errors: u64,
    /// Blobs that were removed.
    pub swept: u64,
    /// Objects without a row that were removed.
    pub orphans: u64,
}

/// What is in the store, as the rows say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Blobs that are kept.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Uploads that no transaction has kept yet.
    pub pending: u64,
    /// Blobs that are to be removed.
    pub to_delete: u64,
    /// Their bytes.
    pub to_delete_bytes: u64,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    uploading: AtomicU64,
    reading: AtomicU64,
    uploaded: AtomicU64,
    broken_off: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    errors: AtomicU64,
    swept: AtomicU64,
    orphans: AtomicU64,
    /// What is in the store, and when it was counted.
    usage: Mutex<Option<(Instant, Usage)>>,
}

/// How long a count of what is in the store holds.
const COUNTED: Duration = Duration::from_secs(30);

impl Counters {
    /// What was counted lately.
    pub(super) fn usage(&self, now: Instant) -> Option<Usage> {
        let known = *self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|(at, _)| now.saturating_duration_since(*at) < COUNTED).map(|(_, usage)| usage)
    }

    pub(super) fn set_usage(&self, now: Instant, usage: Usage) {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, usage));
    }

    pub(super) fn state(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            uploading: read(&self.uploading),
            reading: read(&self.reading),
            uploaded: read(&self.uploaded),
            broken_off: read(&self.broken_off),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            errors: read(&self.errors),
            swept: read(&self.swept),
            orphans: read(&self.orphans),
        }
    }

    pub(super) fn begin_uploading(&self) {
        self.uploading.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_uploading(&self, whole: bool) {
        self.uploading.fetch_sub(1, Ordering::Relaxed);
        let counter = if whole { &self.uploaded } else { &self.broken_off };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begin_reading(&self) {
        self.reading.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_reading(&self) {
        self.reading.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn swept(&self, blobs: u64) {
        self.swept.fetch_add(blobs, Ordering::Relaxed);
    }

    pub(super) fn orphans(&self, objects: u64) {
        self.orphans.fetch_add(objects, Ordering::Relaxed);
    }
}
