//! What costs more or less than under the build before this one.

use crate::telemetry::{OperationKind, OperationMeans, OperationSpan, Snapshot};
use serde::Serialize;

/// From so many Operations on, under both builds, a mean says something.
const ENOUGH: u64 = 30;
/// Changes below this part are not shown. What the clock says scatters more than what is counted.
const COUNTED: f64 = 0.1;
const CLOCKED: f64 = 0.2;
/// Most changes that are shown.
const MOST: usize = 20;

/// One thing that an Operation takes more or less of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    operation: (OperationKind, String),
    /// `queries`, `allocated`, `cpu`, `wall`.
    what: &'static str,
    before: f64,
    now: f64,
    /// The part that it rose by: 0.2 is a fifth more.
    change: f64,
}

/// The changes, greatest first.
pub(super) fn of(snapshot: &Snapshot) -> Vec<Change> {
    let mut changes: Vec<Change> = snapshot.before.iter().flat_map(|before| of_one(snapshot, before)).collect();
    changes.sort_by(|one, other| other.change.abs().total_cmp(&one.change.abs()));
    changes.truncate(MOST);
    changes
}

fn of_one(snapshot: &Snapshot, before: &OperationMeans) -> Vec<Change> {
    let same = |one: &&OperationSpan| (one.kind, &one.name) == (before.operation.0, &before.operation.1);
    let Some(one) = snapshot.operations.iter().find(same) else { return Vec::new() };
    if one.all.count < ENOUGH || before.count < ENOUGH {
        return Vec::new();
    }
    let mean = |sum: u64| sum as f64 / one.all.count as f64;
    let pairs = [
        ("queries", before.queries, mean(one.all.queries), COUNTED),
        ("allocated", before.allocated, mean(one.all.allocated), COUNTED),
        ("cpu", before.cpu, mean(one.all.account.on_cpu), CLOCKED),
        ("wall", before.wall, mean(one.all.account.wall), CLOCKED),
    ];
    let known = pairs.into_iter().filter(|(_, before, now, _)| *before > 0.0 && *now > 0.0);
    let changes = known.filter_map(|(what, was, now, least)| {
        let change = now / was - 1.0;
        (change.abs() >= least).then(|| Change { operation: before.operation.clone(), what, before: was, now, change })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Sums;

    #[test]
    fn only_what_changed_and_was_seen_often_is_told() {
        let operation = (OperationKind::Request, "GET /a".to_owned());
        let all = Sums { count: 100, queries: 600, ..Sums::default() };
        let span = OperationSpan { name: operation.1.clone(), all, ..OperationSpan::default() };
        let before = OperationMeans { operation, count: 100, queries: 4.0, wall: 9.0, ..OperationMeans::default() };
        let mut snapshot = Snapshot { operations: vec![span], before: vec![before], ..Snapshot::default() };
        let changes = of(&snapshot);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].what == "queries" && (changes[0].change - 0.5).abs() < 1e-9, "{changes:?}");
        snapshot.before[0].count = 3;
        assert!(of(&snapshot).is_empty());
    }
}
