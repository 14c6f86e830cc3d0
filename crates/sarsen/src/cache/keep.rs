//! For how long a value is kept, and what is done where loading is slow or fails.

use super::key::Tag;
use smallvec::SmallVec;
use std::time::Duration;

/// Nothing is known to be there for at most this long, where [`Keep::nothing_for`] says no other time.
const NOTHING: Duration = Duration::from_secs(30);
/// The part of its time by which a value may end earlier, so that those loaded together do not end together.
const JITTER: f32 = 0.1;

/// How a value is kept. A `Duration` is one that says no more than that.
#[derive(Clone, Debug)]
pub struct Keep {
    pub(super) ttl: Duration,
    pub(super) tags: SmallVec<[Tag; 2]>,
    pub(super) stale: Option<Duration>,
    pub(super) soft: Option<Duration>,
    pub(super) limit: Option<Duration>,
    pub(super) early: Option<f32>,
    pub(super) nothing: Duration,
    pub(super) jitter: f32,
}

impl Keep {
    /// For `ttl` from the moment at which loading began, and up to a tenth less, by chance.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            tags: SmallVec::new(),
            stale: None,
            soft: None,
            limit: None,
            early: None,
            nothing: ttl.min(NOTHING),
            jitter: JITTER,
        }
    }

    /// Until `tag` is invalidated, too.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Where loading fails, or takes longer than [`Keep::stale_after`], the value of before serves for so long after it was
    /// loaded. One that was invalidated never does: it is known to be wrong.
    #[must_use]
    pub fn stale_for(mut self, age: Duration) -> Self {
        self.stale = Some(age);
        self
    }

    /// Waits only so long where there is a value of before that may serve; loading goes on meanwhile.
    #[must_use]
    pub fn stale_after(mut self, wait: Duration) -> Self {
        self.soft = Some(wait);
        self
    }

    /// Loading may take so long; otherwise `cache.load_timeout`.
    #[must_use]
    pub fn load_within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Loads anew in the background once this part of the time is over and somebody asks: `0.8`.
    #[must_use]
    pub fn refresh_at(mut self, part: f32) -> Self {
        self.early = Some(part.clamp(0.0, 1.0));
        self
    }

    /// For how long it is kept that there is nothing; see [`Cache::fetch_optional`](super::Cache::fetch_optional).
    #[must_use]
    pub fn nothing_for(mut self, ttl: Duration) -> Self {
        self.nothing = ttl;
        self
    }

    /// For exactly the time that was said.
    #[must_use]
    pub fn without_jitter(mut self) -> Self {
        self.jitter = 0.0;
        self
    }

    /// The time of a value, or of nothing, with its share of chance.
    pub(super) fn lifetime(&self, something: bool) -> Duration {
        let whole = if something { self.ttl } else { self.nothing };
        if self.jitter > 0.0 { whole.mul_f32(1.0 - self.jitter * fastrand::f32()) } else { whole }
    }
}

impl From<Duration> for Keep {
    fn from(ttl: Duration) -> Self {
        Self::new(ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_only_shortens() {
        let keep = Keep::new(Duration::from_secs(100));
        for _ in 0..1_000 {
            let time = keep.lifetime(true);
            assert!(time <= Duration::from_secs(100) && time >= Duration::from_secs(89), "{time:?}");
            assert!(keep.lifetime(false) <= NOTHING);
        }
        assert_eq!(keep.without_jitter().lifetime(true), Duration::from_secs(100));
    }
}
