//! Every run of a query tells the Operation at hand what it was and what it took.

use super::parameters;
use super::query::Call;
use crate::clock::Ticks;
use crate::error::Result;
use crate::telemetry::{self, Operation, QueryRecord};
use std::time::Duration;

/// The nearer of the Operation's deadline and `limit` from `now`.
#[inline]
pub(super) fn deadline(now: Ticks, limit: Duration) -> Ticks {
    let latest = now + limit;
    Operation::with_current(Operation::deadline_ticks).flatten().map_or(latest, |deadline| deadline.min(latest))
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

impl Ran {
    pub(super) fn new(pool_wait: Duration, execution: Duration, ran: &Result<u64>) -> Self {
        Self { pool_wait, execution, rows: ran.as_ref().copied().unwrap_or(0), failed: ran.is_err(), offloaded: false }
    }
}

/// Books a run on the statement's history and on the Operation.
pub(super) fn record(call: &Call, ran: Ran) {
    if let Some(query) = recorded(call, ran, Operation::is_at_hand()) {
        telemetry::note_query(query);
    }
}

/// Books a run on the statement's history; gives what an Operation is to know where there is one.
#[inline]
pub(super) fn recorded(call: &Call, ran: Ran, wanted: bool) -> Option<QueryRecord> {
    // With many rows the mean stays that of one.
    let of_one = match call.runs() {
        0 | 1 => ran.execution,
        runs => ran.execution / u32::try_from(runs).unwrap_or(u32::MAX),
    };
    call.text.statement.add_run(of_one);
    wanted.then(|| QueryRecord {
        statement: call.text.statement.clone(),
        site: call.site,
        pool_wait: ran.pool_wait,
        execution: ran.execution,
        rows: ran.rows,
        parameters: parameters::hash(call),
        failed: ran.failed,
        offloaded: ran.offloaded,
    })
}
