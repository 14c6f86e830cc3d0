//! N+1: one query for each row of another, where one query would do.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, OperationKind, Snapshot};

/// Fewest repetitions in one Operation.
const REPEATED: f64 = 5.0;
/// So many are a fault however quick they are: they grow with the data.
const MANY: f64 = 10.0;
/// Fewest Operations in which it was seen, before it is more than a note.
const OFTEN: u64 = 20;
/// What it must cost: of the time of one, or in nanoseconds.
const PART: f64 = 0.1;
const TIME: f64 = 5e6;

/// Finds queries that come again and again with other parameters in most Operations of a name.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.causes.iter().filter_map(|cause| of(snapshot, cause)).collect()
}

fn of(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let operation = view::find(snapshot, &cause.operation)?;
    let each = ratio(cause.calls, cause.operations);
    let varies = cause.identical * 2 < cause.calls && cause.distinct >= 2.0;
    let is_one = cause.query
        && operation.kind != OperationKind::Command
        && each >= REPEATED
        && cause.repeated * 2 >= cause.operations;
    if !(is_one && varies && cause.repeated > 0) {
        return None;
    }
    let time = ratio(cause.share, cause.operations);
    let part = ratio(cause.share, operation.all.account.wall);
    let costs = (part >= PART && time >= TIME / 10.0) || time >= TIME;
    let level =
        if cause.repeated >= OFTEN && (costs || each >= MANY) && !cause.writes { Level::Warn } else { Level::Note };
    let (calls, subject) = (words::number(each), words::operation(&cause.operation));
    let table = cause.tables.first().map_or("it", String::as_str);
    let advice = match cause.writes {
        true => format!("write all {calls} rows of {table} in one statement"),
        false => format!("read all {calls} rows of {table} at once: with `IN (?)`, or with a JOIN in the query before"),
    };
    let sentence =
        format!("{subject} runs {} {calls} times each, {} of its time", words::cause(cause), words::percent(part));
    let finding = Finding::new("n_plus_one", Word::Db, level, Some(&cause.operation))
        .of(words::cause(cause))
        .says(sentence, advice)
        .shows("query", words::cause(cause))
        .shows("calls each", calls)
        .shows("most in one", cause.most.to_string())
        .shows("time of all calls in one", words::time(time))
        .from(cause.operations, &operation.samples)
        .costs(impact(snapshot, cause.share as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, query};

    #[test]
    fn many_runs_with_other_parameters_are_found_and_near_misses_are_not() {
        let cause = |calls: u64, repeated: u64, identical: u64, milliseconds: f64| {
            let mut cause = query("GET /a", "SELECT name FROM users WHERE id = ?", 100 * calls, milliseconds);
            (cause.operations, cause.repeated, cause.identical) = (100, repeated, identical);
            cause
        };
        for (name, cause, expected) in [
            ("11 each", cause(11, 100, 0, 1.0), Some(Level::Warn)),
            ("4 each", cause(4, 0, 0, 5.0), None),
            ("the same each time", cause(11, 100, 1000, 1.0), None),
            ("side by side", cause(11, 0, 0, 1.0), None),
            ("costs nothing", cause(6, 100, 0, 0.01), Some(Level::Note)),
            ("seldom seen", CauseSpan { operations: 5, repeated: 5, ..cause(11, 5, 0, 1.0) }, Some(Level::Note)),
            ("writes", CauseSpan { writes: true, ..cause(11, 100, 0, 1.0) }, Some(Level::Note)),
        ] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Database, 40.0)])]);
            snapshot.causes = vec![cause];
            let found = find(&snapshot);
            assert_eq!(found.first().map(|finding| finding.level), expected, "{name}");
        }
    }

    #[test]
    fn the_call_site_and_the_way_out_are_named() {
        let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Database, 40.0)])]);
        let mut cause = query("GET /a", "SELECT name FROM users WHERE id = ?", 1100, 2.0);
        (cause.operations, cause.repeated) = (100, 100);
        snapshot.causes = vec![cause];
        let found = find(&snapshot);
        assert_eq!(found[0].culprit, "SELECT name FROM users WHERE id = ? at src/a/store.rs:41");
        assert_eq!(
            found[0].advice,
            "read all 11 rows of users at once: with `IN (?)`, or with a JOIN in the query before"
        );
    }
}
