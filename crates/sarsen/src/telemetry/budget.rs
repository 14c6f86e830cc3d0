//! What an Operation promises: how long it may take, how many queries and bytes it may use, how often it may fail.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an Operation promises. Nothing that is not said is promised.
///
/// ```
/// use sarsen::telemetry::{Budget, kb, ms};
/// let budget = Budget::p99(ms(80)).queries(6).error_rate(0.001).allocated(kb(512));
/// assert_eq!(budget.queries, Some(6));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// 99 of 100 requests are quicker.
    pub p99: Option<Duration>,
    /// Most queries of one.
    pub queries: Option<u64>,
    /// Most of all that may fail: 0.001 is one in a thousand.
    pub error_rate: Option<f64>,
    /// Most bytes from the heap of one.
    pub allocated: Option<u64>,
    /// 99 of 100 jobs begin sooner after they could.
    pub wait: Option<Duration>,
    /// 99 of 100 runs of a job are quicker.
    pub run: Option<Duration>,
    /// Most attempts after the first one.
    pub retries: Option<u64>,
}

/// Milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Kilobytes of 1,024 bytes.
pub const fn kb(kilobytes: u64) -> u64 {
    kilobytes * 1024
}

macro_rules! promise {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl Budget {
            /// Promises nothing yet.
            pub const fn new() -> Self {
                Self { p99: None, queries: None, error_rate: None, allocated: None, wait: None, run: None, retries: None }
            }

            /// A budget for 99 of 100 requests.
            pub const fn p99(limit: Duration) -> Self {
                let mut budget = Self::new();
                budget.p99 = Some(limit);
                budget
            }

            $($(#[$doc])*
            #[must_use]
            pub const fn $name(mut self, limit: $type) -> Self {
                self.$name = Some(limit);
                self
            })*
        }
    };
}

promise! {
    /// Most queries of one.
    queries: u64;
    /// Most of all that may fail.
    error_rate: f64;
    /// Most bytes from the heap of one.
    allocated: u64;
    /// How long a job may lie in its queue.
    wait: Duration;
    /// How long a run of a job may take.
    run: Duration;
    /// Most attempts of a job after the first one.
    retries: u64;
}
