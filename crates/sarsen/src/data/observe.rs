//! Every run of a query tells the Operation at hand what it was and what it took.

use super::query::Call;
use crate::clock;
use crate::telemetry::{Operation, QueryRecord};
use std::time::{Duration, Instant};

/// The nearer of the Operation's deadline and `limit` from now.
#[inline]
pub(super) fn deadline(limit: Duration) -> Instant {
    let latest = clock::monotonic() + limit;
    Operation::with_current(Operation::deadline).flatten().map_or(latest, |deadline| deadline.min(latest))
}

/// How one run went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ran {
    pub(super) pool_wait: Duration,
    pub(super) execution: Duration,
    pub(super) rows: u64,
    pub(super) failed: bool,
    pub(super) offloaded: bool,
}

/// Books a run on the statement's history and on the Operation.
#[inline]
pub(super) fn record(call: &Call, ran: Ran) {
    call.text.statement.add_run(ran.execution);
    Operation::with_current(|operation| {
        operation.add_query(QueryRecord {
            statement: call.text.statement.clone(),
            site: call.site,
            pool_wait: ran.pool_wait,
            execution: ran.execution,
            rows: ran.rows,
            failed: ran.failed,
            offloaded: ran.offloaded,
        });
    });
}
