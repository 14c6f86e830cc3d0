//! Calls that fail, and are made again and again.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, Snapshot, WaitKind};

/// Fewest calls that fail, and their part.
const FAILED: u64 = 20;
const PART: f64 = 0.5;
/// Fewest calls in one Operation; or fewest a second, all together.
const EACH: f64 = 2.5;
const RATE: f64 = 10.0;

/// Finds services that fail more often than not, and are called all the more.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.causes.iter().filter_map(|cause| of(snapshot, cause)).collect()
}

fn of(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let each = ratio(cause.calls, cause.operations);
    let rate = cause.calls as f64 / snapshot.span.as_secs_f64().max(1.0);
    let outside = matches!(cause.kind, WaitKind::Http | WaitKind::Mail);
    if !outside || cause.failed < FAILED || ratio(cause.failed, cause.calls) < PART || (each < EACH && rate < RATE) {
        return None;
    }
    let operation = view::find(snapshot, &cause.operation);
    let sentence = format!(
        "{} calls {} {} times each, and {} of the calls fail",
        words::operation(&cause.operation),
        words::cause(cause),
        words::number(each),
        words::percent(ratio(cause.failed, cause.calls))
    );
    let finding = Finding::new("retry_storm", Word::External, Level::Warn, Some(&cause.operation))
        .of(words::cause(cause))
        .says(
            sentence,
            format!("wait longer after each failure of {}, and stop calling it for a while after some", cause.label),
        )
        .shows("failed", format!("{} of {}", cause.failed, cause.calls))
        .from(cause.operations, operation.map_or(&[], |operation| &operation.samples))
        .costs(impact(snapshot, cause.share as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, wait};

    #[test]
    fn calls_that_fail_and_are_repeated_are_found() {
        let call = |calls: u64, failed: u64, operations: u64| CauseSpan {
            failed,
            operations,
            ..wait("GET /a", WaitKind::Http, "oracle", calls, 20.0)
        };
        for (name, cause, expected) in [
            ("again and again", call(400, 390, 100), 1),
            ("they go well", call(400, 10, 100), 0),
            ("once each, seldom", call(50, 50, 50), 0),
            ("once each, often", call(300, 300, 300), 1),
        ] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.causes = vec![cause];
            assert_eq!(find(&snapshot).len(), expected, "{name}");
        }
    }
}
