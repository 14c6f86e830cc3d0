//! What is measured, and how much of it.

use std::time::Duration;

use clap::ValueEnum;

use super::AROUND;
use super::peers::{Contender, Variant};

/// A case by its name in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Case {
    /// One client, one job after another.
    EnqueueOne,
    /// 50 clients at once.
    #[value(name = "enqueue-one-50")]
    EnqueueOne50,
    /// 1,000 jobs in each call.
    EnqueueBulk,
    /// Jobs that do nothing, one at a time.
    #[value(name = "drain-1")]
    Drain1,
    /// 50 at once.
    #[value(name = "drain-50")]
    Drain50,
    /// From the call that enqueues a job to its start, on a worker that has nothing else to do.
    StartIdle,
    /// The same drain with a million jobs waiting.
    #[value(name = "drain-50-million")]
    Drain50Million,
}

/// One turn of one contender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// By its name in the peers' programs.
    pub(super) bench: &'static str,
    /// Jobs to enqueue, to run, or samples to take.
    pub(super) count: u32,
    /// Jobs that are enqueued before, unmeasured.
    pub(super) waiting: u32,
    /// Clients, or jobs at once.
    pub(super) concurrency: u32,
    /// How long a worker may run; what it did not reach by then is left out of its figure.
    pub(super) seconds: u32,
}

impl Case {
    pub(super) fn all() -> impl Iterator<Item = Case> {
        Case::value_variants().iter().copied()
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Filling in a million takes minutes, and as they come they run few of them: only those at their best are asked.
    pub(super) fn asks(self, contender: &Contender) -> bool {
        self != Case::Drain50Million || contender.variant == Variant::Tuned || !contender.has_a_choice()
    }

    pub(super) fn work(self, quick: bool) -> Work {
        let of = |whole: u32, little: u32| if quick { little } else { whole };
        let enqueue = |bench, count, concurrency| Work { bench, count, waiting: 0, concurrency, seconds: 0 };
        let drain =
            |waiting, count, concurrency, seconds| Work { bench: "drain", count, waiting, concurrency, seconds };
        match self {
            Case::EnqueueOne => enqueue("enqueue", of(1_000, 200), 1),
            Case::EnqueueOne50 => enqueue("enqueue", of(3_000, 1_000), 50),
            Case::EnqueueBulk => enqueue("enqueue-bulk", of(50_000, 10_000), 1),
            Case::Drain1 => drain(of(20_000, 2_000), of(20_000, 2_000), 1, of(20, 10)),
            Case::Drain50 => drain(of(50_000, 5_000), of(50_000, 5_000), 50, of(20, 10)),
            Case::StartIdle => {
                Work { bench: "start-idle", count: of(200, 40), waiting: 0, concurrency: 10, seconds: of(40, 20) }
            }
            Case::Drain50Million => drain(of(1_000_000, 100_000), of(50_000, 5_000), 50, of(60, 20)),
        }
    }
}

impl Work {
    /// Whether several rounds run on what was filled in once.
    pub(super) fn is_shared(&self) -> bool {
        self.waiting > self.count
    }

    /// When a program has stopped making sense: at 500 jobs a second even the slowest has filled in its jobs.
    pub(super) fn limit(&self) -> Duration {
        let enqueueing =
            if self.bench.starts_with("enqueue") { self.count / 500 + self.count / 50 / self.concurrency } else { 0 };
        AROUND + Duration::from_secs(u64::from(self.seconds + enqueueing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_report() {
        let names: Vec<String> = Case::all().map(Case::name).collect();
        assert_eq!(names[..4], ["enqueue-one", "enqueue-one-50", "enqueue-bulk", "drain-1"]);
        assert_eq!(names[4..], ["drain-50", "start-idle", "drain-50-million"]);
    }

    #[test]
    fn only_the_million_is_filled_in_once() {
        let shared: Vec<Case> = Case::all().filter(|case| case.work(false).is_shared()).collect();
        assert_eq!(shared, [Case::Drain50Million]);
    }
}
