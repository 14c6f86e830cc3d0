//! A connection that is held far longer than the database works for it.

use crate::advisor::culprit::pool::{Reason, reason};
use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{Held, HolderSpan, OperationKind, Snapshot, WaitKind};

/// Held longer, in the mean, it is worth a word; and a warning.
const LONG: [f64; 2] = [100e6, 1000e6];
/// The part of the held time that others wait, from which on it is a warning.
const WAITED: f64 = 0.2;

/// Finds Operations that hold a connection long while they do something else.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let pools = snapshot.holders.iter().filter(|holder| holder.kind == WaitKind::DatabasePool);
    let all = pools.flat_map(|holder| holder.held.iter().map(move |held| (holder, held)));
    all.filter_map(|(holder, held)| of(snapshot, holder, held)).collect()
}

fn of(snapshot: &Snapshot, holder: &HolderSpan, held: &Held) -> Option<Finding> {
    let mean = ratio(held.time, held.times.max(1));
    let is_own = held.operation.0 == OperationKind::Command || held.operation.1.is_empty();
    if is_own || mean < LONG[0] || !matches!(reason(snapshot, held), Reason::Idle) {
        return None;
    }
    let waits = ratio(holder.waited, held.time) >= WAITED;
    let level = if waits || mean >= LONG[1] { Level::Warn } else { Level::Note };
    let subject = words::operation(&held.operation);
    let operation = view::find(snapshot, &held.operation);
    let finding = Finding::new("long_transaction", Word::DbPool, level, Some(&held.operation))
        .of(format!("{subject}, which holds `{}`", holder.label))
        .says(
            format!(
                "{subject} holds `{}` for {} each, and the database works for less than half of it",
                holder.label,
                words::time(mean)
            ),
            format!("let {subject} end its transaction before it does anything else"),
        )
        .shows("held for", format!("{} in the mean", words::time(mean)))
        .shows("others waited", words::time(holder.waited as f64))
        .from(held.times, operation.map_or(&[], |operation| &operation.samples))
        .costs(impact(snapshot, held.time as f64 + holder.waited as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, holder, query};

    #[test]
    fn a_transaction_that_idles_is_found_and_one_that_works_is_not() {
        for (name, held, database, waited, expected) in [
            ("idles while others wait", 300.0, 20.0, 10_000.0, Some(Level::Warn)),
            ("idles", 300.0, 20.0, 0.0, Some(Level::Note)),
            ("idles for seconds", 2000.0, 20.0, 0.0, Some(Level::Warn)),
            ("works", 300.0, 280.0, 10_000.0, None),
            ("short", 30.0, 2.0, 10_000.0, None),
        ] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Other, held)])]);
            snapshot.causes = vec![query("GET /a", "SELECT a FROM t WHERE b = ?", 100, database)];
            snapshot.holders =
                vec![holder(WaitKind::DatabasePool, "pool", 4, waited, &[("GET /a", held * 100.0, 100)])];
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{name}");
        }
    }
}
