//! One value as it is kept, with all that says whether it may still be given out.

use super::keep::Keep;
use super::state::Family;
use super::versions::TagHash;
use crate::clock::Ticks;
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What an entry takes beside its value and a long key: the entry, its key, and its place in the table.
const OVERHEAD: u64 = 320;

/// A value of whatever type, shared with those who have it.
pub(super) type Shared = Arc<dyn Any + Send + Sync>;

/// See the module.
#[derive(Debug)]
pub(super) struct Entry {
    /// Without one it is known that there is nothing.
    pub(super) value: Option<Shared>,
    pub(super) family: Arc<Family>,
    /// The number of the last invalidation when loading began.
    pub(super) since: u64,
    /// What it hangs on.
    pub(super) tags: SmallVec<[TagHash; 4]>,
    /// When it is loaded anew, with nobody waiting.
    due_at: AtomicU64,
    /// When it is old.
    old_at: Ticks,
    /// Until then it may serve although it is old.
    serves_until: Ticks,
    /// Loading it anew has failed: it is not tried again before.
    again_at: AtomicU64,
    refreshing: AtomicBool,
    bytes: u64,
    counted: AtomicBool,
}

/// What an entry is good for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// To be given out.
    Fresh,
    /// To be given out, and it is time to load it anew.
    Due,
    /// It has had its time, and may serve where loading fails.
    Old,
    /// It is too old for anything.
    Gone,
}

/// When loading began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    pub(super) at: Ticks,
    pub(super) since: u64,
}

impl Entry {
    /// Of a value of `bytes` that was loaded.
    pub(super) fn new(
        value: Option<Shared>,
        bytes: u64,
        family: Arc<Family>,
        tags: SmallVec<[TagHash; 4]>,
        keep: &Keep,
        began: Began,
    ) -> Self {
        let lifetime = keep.lifetime(value.is_some());
        let old_at = began.at + lifetime;
        let due = keep.early.map_or(old_at, |part| began.at + lifetime.mul_f32(part));
        Self {
            value,
            family,
            since: began.since,
            tags,
            due_at: AtomicU64::new(due.as_nanos()),
            old_at,
            serves_until: keep.stale.map_or(Ticks::default(), |age| began.at + age),
            again_at: AtomicU64::new(0),
            refreshing: AtomicBool::new(false),
            bytes: bytes + OVERHEAD,
            counted: AtomicBool::new(false),
        }
    }

    /// What it is good for where nothing was invalidated.
    #[inline]
    pub(super) fn age(&self, now: Ticks) -> Age {
        if now < self.old_at {
            return if now.as_nanos() < self.due_at.load(Ordering::Relaxed) { Age::Fresh } else { Age::Due };
        }
        if now < self.serves_until { Age::Old } else { Age::Gone }
    }

    /// Whether it may serve although it is old.
    pub(super) fn serves(&self, now: Ticks) -> bool {
        now < self.serves_until
    }

    /// Whether it is too soon to try loading it anew.
    pub(super) fn rests(&self, now: Ticks) -> bool {
        now.as_nanos() < self.again_at.load(Ordering::Relaxed)
    }

    /// Loading it anew has failed, or goes on too long.
    pub(super) fn rest(&self, now: Ticks, pause: Duration) {
        let until = (now + pause).as_nanos();
        self.again_at.store(until, Ordering::Relaxed);
        self.due_at.fetch_max(until, Ordering::Relaxed);
        self.refreshing.store(false, Ordering::Relaxed);
    }

    /// Whether the caller is the one who loads it anew.
    pub(super) fn claim(&self) -> bool {
        !self.refreshing.swap(true, Ordering::Relaxed)
    }

    /// What it takes, with what every entry takes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// It is kept from now on: its family counts it until it is dropped.
    pub(super) fn count(&self) {
        if !self.counted.swap(true, Ordering::Relaxed) {
            self.family.entries.fetch_add(1, Ordering::Relaxed);
            self.family.bytes.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            self.family.entries.fetch_sub(1, Ordering::Relaxed);
            self.family.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
