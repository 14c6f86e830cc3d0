//! What routes promise: each says how many queries it takes at most, and which kind of promise it makes.
//!
//! One query of each is for the session that gets a new id on the way. What is kept in the cache counts as if it were not there.

use sarsen::telemetry::{Budget, ms};

/// Looks something up.
pub(crate) const fn read(queries: u64) -> Budget {
    Budget::p99(ms(100)).queries(queries).error_rate(0.001)
}

/// Changes something, in one transaction.
pub(crate) const fn write(queries: u64) -> Budget {
    Budget::p99(ms(200)).queries(queries).error_rate(0.001)
}

/// Hashes a password, which is slow on purpose.
pub(crate) const fn password(queries: u64) -> Budget {
    Budget::p99(ms(800)).queries(queries).error_rate(0.001)
}
