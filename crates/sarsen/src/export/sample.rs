//! What the exports need of an Operation that was closed: the one place that reads its record.

use crate::clock::{Clock, Ticks};
use crate::error::Kind;
#[cfg(test)]
use crate::telemetry::Recorder;
use crate::telemetry::{Leaf, Name, Operation, OperationKind, Outcome, Trace};

/// An Operation that was closed. Times are nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) kind: OperationKind,
    pub(super) name: Name,
    pub(super) trace: Trace,
    pub(super) outcome: Outcome,
    pub(super) failed: bool,
    pub(super) error: Option<String>,
    pub(super) error_kind: Option<Kind>,
    pub(super) took: u64,
    /// When it ended, in microseconds since 1970.
    pub(super) ended: i64,
    pub(super) queries: u64,
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Seen {
    pub(super) fn new(operation: &Operation, clock: &Clock) -> Self {
        let record = operation.record();
        let since_its_end = (Ticks::now() - operation.started()).saturating_sub(record.duration);
        Self {
            kind: operation.kind(),
            name: record.name,
            trace: *operation.trace(),
            outcome: record.outcome,
            failed: record.has_failed(),
            error: record.error.clone(),
            error_kind: record.error_kind,
            took: nanoseconds(record.duration),
            ended: clock.now().as_micros() - i64::try_from(since_its_end.as_micros()).unwrap_or(0),
            queries: record.query_count,
        }
    }

    /// What it waited for and ran, in the order in which that began.
    pub(super) fn leaves(operation: &Operation) -> Vec<Leaf> {
        operation.record().leaves.clone()
    }

    #[cfg(test)]
    pub(super) fn for_test(name: &str) -> Self {
        Self {
            kind: OperationKind::Request,
            name: Recorder::new(1).name(OperationKind::Request, "shop", name),
            trace: Trace::new(),
            outcome: Outcome::Status(200),
            failed: false,
            error: None,
            error_kind: None,
            took: 1_500_000,
            ended: 1_767_225_600_000_000,
            queries: 0,
        }
    }
}
