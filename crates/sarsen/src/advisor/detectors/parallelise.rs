//! Calls of other services one after another that could run beside each other.

use crate::advisor::view::{impact, ratio};
use crate::advisor::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, OperationSpan, Snapshot, WaitKind};

/// What it must save: of the time of one, and in nanoseconds.
const PART: f64 = 0.2;
const SAVED: f64 = 50e6;

/// Finds Operations that wait for one call and then for another.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.operations.iter().filter_map(|operation| of(snapshot, operation)).collect()
}

fn of(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let could = |cause: &&CauseSpan| {
        cause.operation == operation.id() && matches!(cause.kind, WaitKind::Http) && cause.after_another > 0
    };
    let calls: Vec<&CauseSpan> = snapshot.causes.iter().filter(could).collect();
    let saved: u64 = calls.iter().map(|cause| cause.after_another).sum();
    let each = operation.all.each(saved);
    if operation.all.count < FEWEST || each < SAVED || ratio(saved, operation.all.account.wall) < PART {
        return None;
    }
    let greatest = calls.iter().max_by_key(|cause| cause.after_another)?;
    let subject = words::operation(&operation.id());
    let sentence =
        format!("{subject} makes its calls one after another; side by side they would take {} less", words::time(each));
    let finding = Finding::new("parallelise", Word::External, Level::Note, Some(&operation.id()))
        .of(words::cause(greatest))
        .says(sentence, format!("make the calls of {} at the same time (`join!`)", greatest.label))
        .shows("saved", words::time(each))
        .from(operation.all.count, &operation.samples)
        .costs(impact(snapshot, saved as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, wait};

    #[test]
    fn calls_one_after_another_are_found_and_those_side_by_side_are_not() {
        for (name, after, expected) in [("one after another", 100.0, 1), ("side by side", 0.0, 0), ("brief", 10.0, 0)] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Http, 200.0)])]);
            let call = wait("GET /a", WaitKind::Http, "oracle", 200, 100.0);
            snapshot.causes = vec![CauseSpan { after_another: (after * 1e6) as u64 * 100, ..call }];
            assert_eq!(find(&snapshot).len(), expected, "{name}");
        }
    }
}
