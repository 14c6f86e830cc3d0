//! A queue: where jobs wait, and what limits them across all processes.

use std::time::Duration;

/// A queue and its limits, which hold for all processes together. A queue that is not declared has none.
///
/// ```
/// use sarsen::jobs::Queue;
/// use std::time::Duration;
///
/// let mail = Queue::new("mail").limit(10).rate(100, Duration::from_secs(60)).limit_per_key(2).fair();
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    pub(crate) name: &'static str,
    pub(crate) concurrency: Option<usize>,
    pub(crate) limit: Option<u32>,
    pub(crate) limit_per_key: Option<u32>,
    pub(crate) rate: Option<Rate>,
    pub(crate) rate_per_key: Option<Rate>,
    pub(crate) fair: bool,
    pub(crate) ordered: bool,
}

/// So many in so much time: a token bucket that holds `count` and fills up within `per`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub(crate) count: u32,
    pub(crate) per: Duration,
}

impl Queue {
    /// A queue without limits.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            concurrency: None,
            limit: None,
            limit_per_key: None,
            rate: None,
            rate_per_key: None,
            fair: false,
            ordered: false,
        }
    }

    /// Most of its jobs at work at once in one process; without it `jobs.concurrency` holds.
    #[must_use]
    pub const fn concurrency(self, most: usize) -> Self {
        Self { concurrency: Some(most), ..self }
    }

    /// Most of its jobs at work at once, in all processes.
    #[must_use]
    pub const fn limit(self, most: u32) -> Self {
        Self { limit: Some(most), ..self }
    }

    /// Most jobs of one key at work at once, in all processes.
    #[must_use]
    pub const fn limit_per_key(self, most: u32) -> Self {
        Self { limit_per_key: Some(most), ..self }
    }

    /// Most starts in this time, in all processes; as many may start at once after a pause.
    #[must_use]
    pub const fn rate(self, count: u32, per: Duration) -> Self {
        Self { rate: Some(Rate { count, per }), ..self }
    }

    /// Most starts of one key in this time, in all processes.
    #[must_use]
    pub const fn rate_per_key(self, count: u32, per: Duration) -> Self {
        Self { rate_per_key: Some(Rate { count, per }), ..self }
    }

    /// The keys take turns: one that has a million jobs waiting holds up no other.
    #[must_use]
    pub const fn fair(self) -> Self {
        Self { fair: true, ..self }
    }

    /// The jobs of one key run one after another, in the order they were enqueued; one that fails holds up the rest of
    /// its key until it went well or became a dead letter.
    #[must_use]
    pub const fn ordered(self) -> Self {
        Self { ordered: true, limit_per_key: Some(1), ..self }
    }

    /// Whether its jobs are chosen key by key.
    pub(crate) fn by_key(&self) -> bool {
        self.fair || self.ordered || self.limit_per_key.is_some() || self.rate_per_key.is_some()
    }

    /// Whether claims of several processes must take turns.
    pub(crate) fn is_limited(&self) -> bool {
        self.by_key() || self.limit.is_some() || self.rate.is_some()
    }
}
