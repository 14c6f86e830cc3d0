//! What the exports need of an Operation that was closed: the one place that reads its record.

use crate::clock::{self, Clock};
use crate::telemetry::{KINDS, Operation, OperationKind, Outcome, Trace, WaitKind};
use std::sync::Arc;

/// An Operation that was closed. Times are nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) kind: OperationKind,
    pub(super) name: Arc<str>,
    pub(super) module: &'static str,
    pub(super) trace: Trace,
    pub(super) outcome: Outcome,
    pub(super) failed: bool,
    pub(super) cancelled: bool,
    pub(super) error: Option<String>,
    pub(super) took: u64,
    /// When it ended, in microseconds since 1970.
    pub(super) ended: i64,
    pub(super) queries: u64,
    pub(super) query_time: u64,
    pub(super) waits: [u64; KINDS],
}

/// One wait or query of an Operation.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) kind: WaitKind,
    /// Which one.
    pub(super) label: String,
    /// The normalised text of a query; empty for others.
    pub(super) text: String,
    pub(super) site: String,
    /// How often it was waited for.
    pub(super) calls: u64,
    pub(super) rows: u64,
    pub(super) took: u64,
    pub(super) failed: bool,
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Seen {
    pub(super) fn new(operation: &Operation, clock: &Clock) -> Self {
        let record = operation.record();
        let mut waits = [0; KINDS];
        for wait in &record.waits {
            waits[wait.kind as usize] += nanoseconds(wait.total);
        }
        let since_its_end = (clock::monotonic() - operation.started()).saturating_sub(record.duration);
        Self {
            kind: operation.kind(),
            name: record.name.clone(),
            module: record.module,
            trace: *operation.trace(),
            outcome: record.outcome,
            failed: matches!(record.outcome, Outcome::Failed | Outcome::Status(500..)),
            cancelled: record.outcome == Outcome::Cancelled,
            error: record.error.clone(),
            took: nanoseconds(record.duration),
            ended: clock.now().as_micros() - i64::try_from(since_its_end.as_micros()).unwrap_or(0),
            queries: record.query_count,
            query_time: record.queries.iter().map(|query| nanoseconds(query.execution)).sum(),
            waits,
        }
    }

    /// Its queries in the order in which they ran, then its other waits.
    pub(super) fn leaves(operation: &Operation) -> Vec<Leaf> {
        let record = operation.record();
        let queries = record.queries.iter().map(|query| Leaf {
            kind: WaitKind::Database,
            label: format!("{:016x}", query.statement.fingerprint),
            text: query.statement.normalised.clone(),
            site: format!("{}:{}", query.site.file(), query.site.line()),
            calls: 1,
            rows: query.rows,
            took: nanoseconds(query.pool_wait + query.execution),
            failed: query.failed,
        });
        let queried = !record.queries.is_empty();
        let others = record.waits.iter().filter(|wait| {
            // They stand among the queries already.
            !(queried && matches!(wait.kind, WaitKind::Database | WaitKind::DatabasePool))
        });
        let waits = others.map(|wait| Leaf {
            kind: wait.kind,
            label: wait.label.to_owned(),
            text: String::new(),
            site: String::new(),
            calls: u64::from(wait.count),
            rows: 0,
            took: nanoseconds(wait.total),
            failed: false,
        });
        queries.chain(waits).collect()
    }

    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        Self {
            kind: OperationKind::Request,
            name: "GET /".into(),
            module: "shop",
            trace: Trace::new(),
            outcome: Outcome::Status(200),
            failed: false,
            cancelled: false,
            error: None,
            took: 1_500_000,
            ended: 1_767_225_600_000_000,
            queries: 0,
            query_time: 0,
            waits: [0; KINDS],
        }
    }
}
