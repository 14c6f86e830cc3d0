//! What has been counted since the start, by name of Operation: the source of every metric.

use super::sample::Seen;
use crate::telemetry::{Broken, KINDS, OperationKind, Promise, Trace};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Upper ends of the buckets of the histograms, in nanoseconds.
pub(super) const BOUNDS: [u64; 14] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// An Operation that fell into a bucket: its trace, how long it took, and when, in microseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) trace: Trace,
    pub(super) took: u64,
    pub(super) at: i64,
}

/// All Operations of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) count: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    /// Nanoseconds.
    pub(super) time: u64,
    /// Not cumulative; the last one is beyond the last bound.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) exemplars: [Option<Exemplar>; BOUNDS.len() + 1],
    pub(super) queries: u64,
    pub(super) query_time: u64,
    pub(super) waits: [u64; KINDS],
    pub(super) broken: BTreeMap<Promise, u64>,
}

/// By kind, name and module. The recorder makes the names, and no more than its limit.
pub(super) type Rows = BTreeMap<(OperationKind, &'static str, &'static str), Row>;

/// The counters. They only rise, until the process ends.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Rows>);

impl Counts {
    pub(super) fn add(&self, seen: &Seen, broken: &[Broken]) {
        let mut rows = self.lock();
        let row = rows.entry((seen.kind, seen.name.as_str(), seen.name.module())).or_default();
        row.count += 1;
        row.failed += u64::from(seen.failed);
        row.cancelled += u64::from(seen.cancelled);
        row.time = row.time.saturating_add(seen.took);
        let bucket = BOUNDS.partition_point(|bound| *bound < seen.took);
        row.buckets[bucket] += 1;
        let exemplar = Exemplar { trace: seen.trace, took: seen.took, at: seen.ended };
        row.exemplars[bucket] = Some(exemplar);
        row.queries += seen.queries;
        row.query_time += seen.query_time;
        for (all, one) in row.waits.iter_mut().zip(&seen.waits) {
            *all += one;
        }
        for broken in broken {
            *row.broken.entry(broken.promise).or_default() += 1;
        }
    }

    /// A copy, so that nobody waits for who writes it down.
    pub(super) fn rows(&self) -> Rows {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_whose_end_it_does_not_pass() {
        let counts = Counts::default();
        for took in [1, 1_000_000, 1_000_001, 40_000_000_000] {
            counts.add(&Seen { took, ..Seen::for_test("GET /") }, &[]);
        }
        let rows = counts.rows();
        let row = rows.values().next().expect("a row");
        assert_eq!((row.buckets[0], row.buckets[1], row.buckets[BOUNDS.len()]), (2, 1, 1));
    }
}
