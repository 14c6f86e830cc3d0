//! What was invalidated, and whether this process would know.
//!
//! Every invalidation gets the next number of this process, and its tags remember it: in a table of fixed size, where two tags may
//! share a place, so that one may make the other's values go, and never the reverse. A value remembers the last number when its
//! loading began. It is gone when one of its tags has a later one: to invalidate costs the same however many values hang on a tag,
//! and what began to load before an invalidation is gone at whatever time it comes to be kept.

use crate::clock::Ticks;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Places for tags: half a megabyte, once something was invalidated.
const PLACES: usize = 1 << 16;

/// A tag in eight bytes, the same in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagHash(u64);

impl TagHash {
    pub(super) fn of(text: &str) -> Self {
        let digest = Sha256::digest(text);
        Self(digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte)))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    #[inline]
    fn place(self) -> usize {
        usize::try_from(self.0 % PLACES as u64).unwrap_or(0)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Versions {
    last: AtomicU64,
    places: OnceLock<Box<[AtomicU64]>>,
    /// What began to load before this number may have missed an invalidation.
    gap: AtomicU64,
    /// Up to this moment, in nanoseconds, it is known that none was missed.
    known_until: AtomicU64,
}

impl Versions {
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(1),
            places: OnceLock::new(),
            gap: AtomicU64::new(0),
            known_until: AtomicU64::new(0),
        }
    }

    /// The number of the last invalidation: what begins to load now sees all up to it.
    #[inline]
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    /// Invalidates what hangs on these tags. Who asks afterwards sees it.
    pub(super) fn invalidate(&self, tags: &[TagHash]) {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let table = self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        for tag in tags {
            if let Some(version) = table.get(tag.place()) {
                version.fetch_max(number, Ordering::SeqCst);
            }
        }
    }

    /// Whether one of these tags was invalidated after the number `since`.
    #[inline]
    pub(super) fn changed(&self, tags: &[TagHash], since: u64) -> bool {
        if self.last.load(Ordering::Acquire) == since {
            return false;
        }
        let Some(table) = self.places.get() else { return false };
        let later = |tag: &TagHash| table.get(tag.place()).is_some_and(|at| at.load(Ordering::Acquire) > since);
        tags.iter().any(later)
    }

    /// Some invalidations will never be heard: which, nobody knows.
    pub(super) fn missed_some(&self) {
        self.gap.store(self.last.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    /// Whether what began to load at the number `since` may have missed one.
    #[inline]
    pub(super) fn may_have_missed(&self, since: u64) -> bool {
        since < self.gap.load(Ordering::Acquire)
    }

    /// All that was committed before `moment` is heard; that is good for `age`.
    pub(super) fn heard_all(&self, moment: Ticks, age: Duration) {
        self.known_until.store((moment + age).as_nanos(), Ordering::Release);
    }

    /// Nothing is heard any more.
    pub(super) fn lost(&self) {
        self.known_until.store(0, Ordering::Release);
    }

    /// Whether an invalidation may have been committed long ago that is not heard yet.
    #[inline]
    pub(super) fn is_behind(&self, now: Ticks) -> bool {
        now.as_nanos() > self.known_until.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_before_an_invalidation_is_changed_by_it() {
        let versions = Versions::new();
        let (a, b) = (TagHash::of("a"), TagHash::of("b"));
        let before = versions.last();
        assert!(!versions.changed(&[a], before));
        versions.invalidate(&[a]);
        assert!(versions.changed(&[b, a], before));
        assert!(!versions.changed(&[b], before));
        assert!(!versions.changed(&[a], versions.last()), "what begins now sees it");
    }

    #[test]
    fn silence_is_not_trusted_for_ever() {
        let (versions, now) = (Versions::new(), Ticks::from_nanos(1_000_000));
        assert!(versions.is_behind(now));
        versions.heard_all(now, Duration::from_secs(5));
        assert!(!versions.is_behind(now + Duration::from_secs(4)));
        assert!(versions.is_behind(now + Duration::from_secs(6)));
        versions.lost();
        assert!(versions.is_behind(now));
        let before = versions.last();
        versions.missed_some();
        assert!(versions.may_have_missed(before) && !versions.may_have_missed(versions.last()));
    }
}
