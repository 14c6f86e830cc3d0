//! The same query with the same parameters, again in the same Operation.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, OperationKind, Snapshot};

/// Fewest Operations in which it was seen.
const OFTEN: u64 = 20;
/// From this part of the time on, and from this time in nanoseconds, it is more than a note.
const PART: f64 = 0.1;
const TIME: f64 = 5e6;

/// Finds reads that most Operations of a name make twice or more.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.causes.iter().filter_map(|cause| of(snapshot, cause)).collect()
}

fn of(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let operation = view::find(snapshot, &cause.operation)?;
    let is_one = cause.query && !cause.writes && operation.kind != OperationKind::Command;
    if !is_one || cause.operations < OFTEN || cause.identical < cause.operations {
        return None;
    }
    let wasted = cause.share as f64 * ratio(cause.identical, cause.calls);
    let time = wasted / cause.operations as f64;
    let part = wasted / (operation.all.account.wall as f64).max(1.0);
    let level = if part >= PART && time >= TIME { Level::Warn } else { Level::Note };
    let times = words::number(1.0 + ratio(cause.identical, cause.operations));
    let sentence =
        format!("{} asks {times} times each for the same: {}", words::operation(&cause.operation), words::cause(cause));
    let finding = Finding::new("duplicate_query", Word::Db, level, Some(&cause.operation))
        .of(words::cause(cause))
        .says(sentence, "ask once, and hand the answer on")
        .shows("query", words::cause(cause))
        .shows("time of the repetitions in one", words::time(time))
        .from(cause.operations, &operation.samples)
        .costs(impact(snapshot, wasted));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, query};

    #[test]
    fn the_same_answer_asked_for_twice_is_found() {
        let cause = |identical: u64, milliseconds: f64| {
            let mut cause = query("GET /a", "SELECT name FROM users WHERE id = ?", 300, milliseconds);
            (cause.operations, cause.identical) = (100, identical);
            cause
        };
        for (name, cause, expected) in [
            ("three times", cause(200, 5.0), Some(Level::Warn)),
            ("three times, quick", cause(200, 0.1), Some(Level::Note)),
            ("in some", cause(50, 5.0), None),
            ("a write", CauseSpan { writes: true, ..cause(200, 5.0) }, None),
        ] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Database, 15.0)])]);
            snapshot.causes = vec![cause];
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{name}");
        }
    }
}
