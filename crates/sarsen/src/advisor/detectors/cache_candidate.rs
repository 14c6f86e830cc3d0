//! A read whose answers repeat, of tables that hardly change.

use crate::advisor::view::{impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, Snapshot};

/// How often the same answer is given a minute, and reads for each write of its tables.
const SAME: f64 = 20.0;
const READS: u64 = 10;
/// What it must cost.
const IMPACT: f64 = 0.05;

/// Finds queries that a cache would answer.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.causes.iter().filter_map(|cause| of(snapshot, cause)).collect()
}

fn of(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let minutes = snapshot.span.as_secs_f64() / 60.0;
    let same = cause.calls as f64 / cause.distinct.max(1.0);
    let impact = impact(snapshot, cause.share as f64);
    if !cause.query || cause.writes || minutes <= 0.0 || same / minutes < SAME || same < SAME / 2.0 || impact < IMPACT {
        return None;
    }
    let of_tables = |other: &&CauseSpan| other.writes && other.tables.iter().any(|table| cause.tables.contains(table));
    let writes: u64 = snapshot.causes.iter().filter(of_tables).map(|other| other.calls).sum();
    if cause.calls < READS * writes {
        return None;
    }
    let hit = (1.0 - cause.distinct / cause.calls as f64).clamp(0.0, 1.0);
    let sentence = format!(
        "{} asks {} times for each different answer of {}",
        words::operation(&cause.operation),
        words::number(same),
        words::cause(cause)
    );
    let finding = Finding::new("cache_candidate", Word::Db, Level::Note, Some(&cause.operation))
        .of(words::cause(cause))
        .says(sentence, advice(hit))
        .shows(
            "reads for a write",
            if writes == 0 { "no writes".to_owned() } else { words::number(ratio(cause.calls, writes)) },
        )
        .from(cause.operations, &[])
        .costs(impact);
    Some(finding)
}

fn advice(hit: f64) -> String {
    format!(
        "keep its answers: `cache.fetch(key(…), ttl, load)` would have {} of them, with `cache.invalidate(&tx, [tag(…)])` where they change",
        words::percent(hit)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, query};

    #[test]
    fn answers_that_repeat_are_worth_a_cache() {
        let cause = |calls: u64, distinct: f64| CauseSpan {
            distinct,
            ..query("GET /a", "SELECT name FROM users WHERE id = ?", calls, 2.0)
        };
        for (name, cause, writes, expected) in [
            ("few answers", cause(1000, 10.0), 0, 1),
            ("all different", cause(1000, 900.0), 0, 0),
            ("often written", cause(1000, 10.0), 500, 0),
            ("costs nothing", CauseSpan { share: 1000, ..cause(1000, 10.0) }, 0, 0),
        ] {
            let mut snapshot = scene::of(Vec::new());
            let write =
                CauseSpan { writes: true, ..query("POST /a", "UPDATE users SET name = ? WHERE id = ?", writes, 1.0) };
            snapshot.causes = vec![cause, write];
            let found = find(&snapshot);
            assert_eq!(found.len(), expected, "{name}");
            assert!(found.iter().all(|finding| finding.advice.contains("cache.fetch(")), "{found:?}");
        }
    }
}
