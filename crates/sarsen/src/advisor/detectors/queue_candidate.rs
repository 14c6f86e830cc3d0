//! A request that changes something waits for another service: a job could.

use crate::advisor::view::{impact, ratio};
use crate::advisor::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, OperationKind, OperationSpan, Snapshot, WaitKind};

/// Of the time of one, and in nanoseconds.
const PART: f64 = 0.3;
const TIME: f64 = 100e6;

/// Finds requests that are no reads, and spend 30 % and 100 ms on another service.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.operations.iter().filter_map(|operation| of(snapshot, operation)).collect()
}

fn of(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let all = &operation.all;
    let outside = all.account.of(WaitKind::Http) + all.account.of(WaitKind::Mail);
    let may_wait = operation.kind == OperationKind::Request && operation.reads_only == Some(false);
    if !may_wait || all.count < FEWEST || ratio(outside, all.account.wall) < PART || all.each(outside) < TIME {
        return None;
    }
    let own =
        |cause: &&CauseSpan| cause.operation == operation.id() && matches!(cause.kind, WaitKind::Http | WaitKind::Mail);
    let cause = snapshot.causes.iter().filter(own).max_by_key(|cause| cause.share);
    let (what, host) =
        cause.map_or_else(|| ("another service".to_owned(), "it"), |cause| (words::cause(cause), cause.label.as_str()));
    let subject = words::operation(&operation.id());
    let sentence = format!("{subject} lets its client wait {} for {what}", words::time(all.each(outside)));
    let finding = Finding::new("queue_candidate", Word::External, Level::Note, Some(&operation.id()))
        .of(what)
        .says(sentence, format!("call {host} in a job, enqueued in the transaction of the request"))
        .shows("waits for it", words::percent(ratio(outside, all.account.wall)))
        .from(all.count, &operation.samples)
        .costs(impact(snapshot, outside as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get};

    #[test]
    fn a_write_that_waits_for_another_service_is_found() {
        for (name, reads_only, milliseconds, expected) in [
            ("a write", Some(false), 150.0, 1),
            ("a read", Some(true), 150.0, 0),
            ("brief", Some(false), 40.0, 0),
            ("no request", None, 150.0, 0),
        ] {
            let mut operation = get("/a", 100, &[(Part::Http, milliseconds), (Part::Cpu, 1.0)]);
            operation.reads_only = reads_only;
            assert_eq!(find(&scene::of(vec![operation])).len(), expected, "{name}");
        }
    }
}
