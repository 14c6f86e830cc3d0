//! What has been counted since the start, by name of Operation: the source of every metric.
//!
//! It comes from what the threads add up, so nothing is missed however many Operations there are, and it is at most a second old.

use crate::clock::Timestamp;
use crate::insight::{Example, Total};
use crate::telemetry::{KINDS, OperationKind, Promise, Trace, sum};
use std::collections::BTreeMap;

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

/// An Operation that fell into a bucket.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) trace: Trace,
    /// Nanoseconds.
    pub(super) took: u64,
    pub(super) ended: Timestamp,
}

/// All Operations of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) count: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    /// Nanoseconds.
    pub(super) time: u64,
    /// Not cumulative; the last one is beyond the last bound. A time within 3 % of a bound may be on its other side.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) exemplars: [Option<Exemplar>; BOUNDS.len() + 1],
    pub(super) queries: u64,
    pub(super) query_time: u64,
    pub(super) waits: [u64; KINDS],
    pub(super) broken: BTreeMap<Promise, u64>,
}

/// By kind, name and module. The recorder makes the names, and no more than its limit.
pub(super) type Rows = BTreeMap<(OperationKind, &'static str, &'static str), Row>;

/// What is told of what was added up.
pub(super) fn rows(totals: &[Total]) -> Rows {
    totals.iter().map(|total| ((total.name.kind(), total.name.as_str(), total.name.module()), row(total))).collect()
}

fn row(total: &Total) -> Row {
    let of = |place: usize| total.all.0[place];
    let over = total.over.over();
    let promises = [
        (Promise::Time, over.time),
        (Promise::Queries, over.queries),
        (Promise::Allocated, over.allocated),
        (Promise::Wait, over.wait),
        (Promise::Retries, over.retries),
    ];
    let mut row = Row {
        count: of(sum::COUNT),
        failed: of(sum::FAILED),
        cancelled: of(sum::CANCELLED),
        time: of(sum::WALL),
        queries: of(sum::QUERIES),
        query_time: total.query_time,
        waits: std::array::from_fn(|kind| of(sum::of_kind(sum::WAIT, kind)) + of(sum::of_kind(sum::SYNC, kind))),
        broken: promises.into_iter().filter(|(_, times)| *times > 0).collect(),
        ..Row::default()
    };
    for (took, count) in total.histogram.middles() {
        row.buckets[bucket(took)] += count;
    }
    for Example { trace, took, ended } in total.examples.values().copied() {
        row.exemplars[bucket(took)] = Some(Exemplar { trace, took, ended });
    }
    row
}

fn bucket(nanoseconds: u64) -> usize {
    BOUNDS.partition_point(|bound| *bound < nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::insight::Insight;
    use crate::telemetry::{Operation, Outcome, Recorder};

    #[test]
    fn a_time_falls_into_the_bucket_whose_end_it_does_not_pass() {
        let places = [1, 1_000_000, 1_000_001, 40_000_000_000].map(bucket);
        assert_eq!(places, [0, 0, 1, BOUNDS.len()]);
    }

    #[test]
    fn nothing_is_missed_that_finds_no_room_in_the_queue_of_the_log() {
        let recorder = Recorder::new(1);
        let insight = Insight::new(&recorder, &Clock::real(), "1.0");
        for number in 0..1_000_u64 {
            let operation = Operation::open(OperationKind::Request, "GET /", &recorder);
            operation.close(Outcome::Status(if number % 10 == 0 { 500 } else { 200 }));
        }
        assert!(recorder.dropped() > 900);
        insight.collect();
        let rows = rows(&insight.totals());
        let row = &rows[&(OperationKind::Request, "GET /", "")];
        assert_eq!((row.count, row.failed, row.buckets.iter().sum::<u64>()), (1_000, 100, 1_000));
        assert!(row.exemplars[0].as_ref().is_some_and(|exemplar| exemplar.took < BOUNDS[0]));
        insight.collect();
        assert_eq!(super::rows(&insight.totals())[&(OperationKind::Request, "GET /", "")].count, 1_000);
    }
}
