//! Another service is called while a connection of the database is held: the surest way to run out of them.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, Snapshot, WaitKind};

/// A call that is shorter holds nobody up.
const LEAST: f64 = 10e6;
/// From this part of the held time on, waiting for connections is its doing.
const WAITED: f64 = 0.1;

/// Finds calls that take 10 ms or more while a connection or a transaction is held.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.causes.iter().filter_map(|cause| of(snapshot, cause)).collect()
}

fn of(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let outside = matches!(cause.kind, WaitKind::Http | WaitKind::Mail | WaitKind::Blob | WaitKind::Sleep);
    let mean = ratio(cause.while_holding_wall, cause.while_holding);
    if !outside || cause.while_holding == 0 || mean < LEAST {
        return None;
    }
    let pools = snapshot.holders.iter().filter(|holder| holder.kind == WaitKind::DatabasePool);
    let waited: u64 = pools.map(|holder| holder.waited).sum();
    let waits = waited as f64 >= WAITED * cause.while_holding_wall as f64;
    let word = if waits { Word::DbPool } else { Word::External };
    let subject = words::operation(&cause.operation);
    let sentence =
        format!("{subject} holds a connection for {} while it waits for {}", words::time(mean), words::cause(cause));
    let operation = view::find(snapshot, &cause.operation);
    let finding = Finding::new("external_while_holding", word, Level::Warn, Some(&cause.operation))
        .of(format!("{} while {subject} holds a connection", words::cause(cause)))
        .says(sentence, format!("call {} before the transaction begins, or in a job after it", cause.label))
        .shows("calls while holding", cause.while_holding.to_string())
        .shows("held for it", words::time(mean))
        .shows("others waited for a connection", words::time(waited as f64))
        .from(cause.operations, operation.map_or(&[], |operation| &operation.samples))
        .costs(impact(snapshot, cause.while_holding_wall as f64 + waited as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, holder, wait};

    #[test]
    fn a_call_in_a_transaction_is_found_and_one_outside_is_not() {
        let call = |holding: u64, milliseconds: u64| CauseSpan {
            while_holding: holding,
            while_holding_wall: holding * milliseconds * 1_000_000,
            ..wait("GET /a", WaitKind::Http, "oracle", 100, 80.0)
        };
        for (name, cause, waited, expected) in [
            ("and others wait", call(100, 80), 4000.0, Some(Word::DbPool)),
            ("and nobody waits", call(100, 80), 0.0, Some(Word::External)),
            ("outside", call(0, 80), 4000.0, None),
            ("a short one", call(100, 2), 4000.0, None),
        ] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Http, 80.0)])]);
            snapshot.causes = vec![cause];
            snapshot.holders = vec![holder(WaitKind::DatabasePool, "writer", 1, waited, &[("GET /a", 8000.0, 100)])];
            assert_eq!(find(&snapshot).first().map(|finding| finding.word), expected, "{name}");
        }
    }
}
