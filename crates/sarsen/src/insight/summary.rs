//! Frames added up, as the snapshot that the judge reads and the pages show.

use super::error::Errors;
use super::frame::{CauseKey, Gathered, NameKey};
use super::row::{CauseRow, NameRow};
use crate::telemetry::{Budget, CauseSpan, OperationKind, OperationSpan, Snapshot, estimate_distinct};
use std::collections::HashMap;
use std::sync::Arc;

/// What operations promise, by name.
pub(super) type Budgets = HashMap<(OperationKind, String), Budget>;

/// The snapshot of what was gathered; what frames do not hold is added by the caller.
pub(super) fn snapshot(gathered: Gathered, budgets: &Budgets, seen: &Errors) -> Snapshot {
    let mut operations: Vec<_> = gathered.names.iter().map(|(key, row)| operation(key, row, budgets)).collect();
    operations.sort_by(|a, b| b.all.account.wall.cmp(&a.all.account.wall).then_with(|| a.name.cmp(&b.name)));
    let mut causes: Vec<_> = gathered.causes.iter().map(|(key, row)| cause(key, row)).collect();
    causes.sort_by(|a, b| b.share.cmp(&a.share).then_with(|| a.label.cmp(&b.label)));
    let mut errors: Vec<_> = gathered.errors.iter().map(|(key, count)| seen.group(key, *count)).collect();
    errors.sort_by_key(|group| std::cmp::Reverse((group.count, group.last)));
    let mut stalls: Vec<_> = gathered.stalls.into();
    stalls.reverse();
    Snapshot {
        at: gathered.to,
        span: gathered.span,
        operations,
        causes,
        holders: gathered.holders,
        stalls,
        errors,
        process: gathered.process,
        ..Snapshot::default()
    }
}

fn operation(key: &Arc<NameKey>, row: &NameRow, budgets: &Budgets) -> OperationSpan {
    let [max, longest_poll, longest_slow_poll] = row.longest;
    // The middle of a bucket can be above what was seen.
    let quantile = |part| row.histogram.quantile(part).min(max.max(1));
    let reads = ["GET ", "HEAD "].iter().any(|method| key.name.starts_with(method));
    OperationSpan {
        kind: key.kind,
        name: key.name.clone(),
        module: key.module.clone(),
        all: row.all.sums(longest_poll),
        tail: row.tail.sums(longest_slow_poll),
        slow_after: row.slow_after,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max,
        budget: budgets.get(&key.operation()).copied(),
        over: row.over.over(),
        reads_only: (key.kind == OperationKind::Request).then_some(reads),
        samples: Vec::new(),
    }
}

fn cause(key: &Arc<CauseKey>, row: &CauseRow) -> CauseSpan {
    let query = key.query.as_ref();
    let mut span = CauseSpan {
        operation: key.operation.operation(),
        kind: key.kind,
        label: key.label.clone(),
        text: query.map(|query| query.text.clone()).unwrap_or_default(),
        site: key.site.clone(),
        query: query.is_some(),
        most: row.most,
        distinct: estimate_distinct(&row.registers),
        writes: query.is_some_and(|query| query.writes),
        tables: query.map(|query| query.tables.clone()).unwrap_or_default(),
        ..CauseSpan::default()
    };
    row.values.fill(&mut span);
    span
}
