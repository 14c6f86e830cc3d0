//! The few numbers that say how it goes, over time; and how many Operations of one name took how long.

use super::Insight;
use super::frame::{Frame, Gathered};
use super::row::NameRow;
use crate::clock::Timestamp;
use crate::telemetry::{Histogram, OperationKind, sum};
use serde::Serialize;
use std::time::Duration;

/// How it went in a span of time: of requests their rate and times, of the process what it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// The end of the span.
    pub at: Timestamp,
    /// Requests a second.
    pub requests: f64,
    /// Requests a second that failed on our side.
    pub failed: f64,
    /// Part of the requests that failed on our side, 0 to 1.
    pub failed_ratio: f64,
    /// Half of the requests took no longer, in nanoseconds.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// Runs of jobs a second.
    pub jobs: f64,
    /// CPU of the process: 1.0 is one core.
    pub cpu: f64,
    /// Cores it may use.
    pub cores: f64,
    /// Resident bytes.
    pub resident: u64,
    /// Most bytes it may have.
    pub memory_limit: u64,
    /// What a new request waits unseen, in nanoseconds: 99 of 100 wait no longer.
    pub canary_p99: u64,
}

impl Insight {
    /// How it went in the last `span`; Operations of the module `without` are left out.
    pub fn point(&self, span: Duration, without: &str) -> Point {
        let state = self.state();
        let mut gathered = Gathered::default();
        state.windows.last(state.windows.now(), span).into_iter().for_each(|frame| gathered.add(frame));
        drop(state);
        let rows = gathered.names.iter().filter(|(key, _)| *key.module != *without);
        let mut point = Tally::default();
        rows.for_each(|(key, row)| point.add(key.kind, row));
        point.point(&Frame { to: gathered.to, span: gathered.span, process: gathered.process, ..Frame::default() })
    }

    /// How it went in the last `span`, oldest first, each moment once: by seconds where that is kept so finely, else coarser.
    pub fn points(&self, span: Duration, without: &str) -> Vec<Point> {
        let state = self.state();
        state.windows.of_one_length(span).map(|frame| of_frame(frame, without)).collect()
    }

    /// How many Operations of this name took how long in the last `span`: the upper bound of each bucket in nanoseconds, and
    /// the number in it.
    pub fn distribution(&self, kind: OperationKind, name: &str, span: Duration) -> Vec<(u64, u64)> {
        let state = self.state();
        let mut all = Histogram::default();
        for frame in state.windows.last(state.windows.now(), span) {
            let rows = frame.names.iter().filter(|(key, _)| key.kind == kind && *key.name == *name);
            rows.for_each(|(_, row)| all.add(&NameRow::unpack(row).histogram));
        }
        all.upper_bounds().collect()
    }
}

fn of_frame(frame: &Frame, without: &str) -> Point {
    let mut point = Tally::default();
    for (key, row) in frame.names.iter().filter(|(key, _)| *key.module != *without) {
        point.add(key.kind, &NameRow::unpack(row));
    }
    point.point(frame)
}

#[derive(Default)]
struct Tally {
    requests: u64,
    failed: u64,
    jobs: u64,
    times: Histogram,
}

impl Tally {
    fn add(&mut self, kind: OperationKind, row: &NameRow) {
        match kind {
            OperationKind::Request => {
                self.requests += row.all.0[sum::COUNT];
                self.failed += row.all.0[sum::FAILED];
                self.times.add(&row.histogram);
            }
            OperationKind::Job => self.jobs += row.all.0[sum::COUNT],
            _ => {}
        }
    }

    fn point(&self, frame: &Frame) -> Point {
        let seconds = frame.span.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let process = &frame.process;
        Point {
            at: frame.to,
            requests: rate(self.requests),
            failed: rate(self.failed),
            failed_ratio: if self.requests > 0 { self.failed as f64 / self.requests as f64 } else { 0.0 },
            p50: self.times.quantile(0.5),
            p99: self.times.quantile(0.99),
            jobs: rate(self.jobs),
            cpu: process.cpu,
            cores: process.cores,
            resident: process.resident,
            memory_limit: process.memory_limit,
            canary_p99: process.canary_p99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::telemetry::{Operation, Outcome, Recorder};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn requests_and_their_times_are_added_up_without_the_pages_that_show_them() {
        let recorder = Recorder::new(8);
        let insight = Insight::new(&recorder, &Clock::real(), "1.0");
        for outcome in [Outcome::Status(200), Outcome::Status(200), Outcome::Status(200), Outcome::Status(503)] {
            Operation::open(OperationKind::Request, "GET /a", &recorder).close(outcome);
        }
        insight.collect();
        let point = insight.point(MINUTE, "ops");
        assert!(point.requests > 0.0 && (point.failed_ratio - 0.25).abs() < 1e-9 && point.p99 > 0, "{point:?}");
        assert_eq!(insight.points(MINUTE, "ops").len(), 1);
        assert!(insight.point(MINUTE, "").requests < 1e-9, "what is of this module is left out");
        let counts = insight.distribution(OperationKind::Request, "GET /a", MINUTE);
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert!(insight.distribution(OperationKind::Job, "GET /a", MINUTE).is_empty());
    }
}
