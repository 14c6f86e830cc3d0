//! Promises beside time: queries, bytes, failures, attempts.

use crate::advisor::suffers::{FEWEST_BAD, at_least};
use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{OperationSpan, Snapshot};

/// Finds budgets of queries, bytes, failures and attempts that are not kept.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let of = |operation| {
        [queries(snapshot, operation), bytes(snapshot, operation), failures(operation), attempts(operation)]
    };
    snapshot.operations.iter().flat_map(of).flatten().collect()
}

/// Queries are counted: one too many is one too many, but a budget may be broken by chance.
fn level(bad: u64, count: u64) -> Option<Level> {
    match ratio(bad, count) {
        _ if bad == 0 => None,
        part if part >= 0.01 && bad >= FEWEST_BAD => Some(Level::Fail),
        _ => Some(Level::Note),
    }
}

fn queries(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let (limit, over) = (operation.budget?.queries?, operation.over.queries);
    let most = view::causes(snapshot, &operation.id()).filter(|cause| cause.query).max_by_key(|cause| cause.calls);
    let what = most.map_or_else(|| words::operation(&operation.id()), words::cause);
    let each = words::number(operation.all.each(operation.all.queries));
    let says = format!("{} queries each in the mean of {limit} that its budget allows", each);
    let time: u64 = view::causes(snapshot, &operation.id()).filter(|cause| cause.query).map(|cause| cause.share).sum();
    let finding = broken(
        "queries",
        Word::Db,
        level(over, operation.all.count)?,
        operation,
        &what,
        &says,
        "ask for more at a time, or raise the budget",
    );
    Some(finding.costs(impact(snapshot, time as f64)))
}

fn bytes(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let (limit, over) = (operation.budget?.allocated?, operation.over.allocated);
    let each = words::bytes(operation.all.each(operation.all.allocated));
    let says =
        format!("{each} from the heap each in the mean of {} that its budget allows", words::bytes(limit as f64));
    let subject = words::operation(&operation.id());
    let finding = broken(
        "allocated",
        Word::Memory,
        level(over, operation.all.count)?,
        operation,
        &subject,
        &says,
        "stream or page what it reads",
    );
    Some(finding.costs(impact(snapshot, operation.all.account.on_cpu as f64)))
}

fn failures(operation: &OperationSpan) -> Option<Finding> {
    let limit = operation.budget?.error_rate?;
    let (failed, count) = (operation.all.failed, operation.all.count);
    if failed < FEWEST_BAD || at_least(failed, count) <= limit {
        return None;
    }
    let says = format!("{} of {count} fail, and {} may", failed, words::percent(limit));
    let subject = words::operation(&operation.id());
    Some(broken(
        "error_rate",
        Word::Unknown,
        Level::Fail,
        operation,
        &subject,
        &says,
        "look at the errors of it, the most frequent first",
    ))
}

fn attempts(operation: &OperationSpan) -> Option<Finding> {
    let limit = operation.budget?.retries?;
    let says =
        format!("{} of {} needed more than {limit} further attempts", operation.over.retries, operation.all.count);
    let level = level(operation.over.retries, operation.all.count)?;
    Some(broken(
        "retries",
        Word::Unknown,
        level,
        operation,
        &words::operation(&operation.id()),
        &says,
        "look at why its runs fail",
    ))
}

fn broken(
    promise: &str,
    word: Word,
    level: Level,
    operation: &OperationSpan,
    culprit: &str,
    says: &str,
    advice: &str,
) -> Finding {
    let level = if operation.all.count < FEWEST { Level::Note } else { level };
    Finding::new("over_budget", word, level, Some(&operation.id()))
        .of(culprit)
        .says(format!("{}: {says}", words::operation(&operation.id())), advice)
        .shows("promise", promise)
        .from(operation.all.count, &operation.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get};
    use crate::telemetry::{Budget, Over};

    #[test]
    fn each_promise_is_held_to() {
        let budget = Budget::new().queries(6).allocated(1024).error_rate(0.01).retries(2);
        let cases = [
            ("queries", Over { queries: 100, ..Over::default() }, 0, Some((Level::Fail, Word::Db))),
            ("queries once", Over { queries: 1, ..Over::default() }, 0, Some((Level::Note, Word::Db))),
            ("bytes", Over { allocated: 50, ..Over::default() }, 0, Some((Level::Fail, Word::Memory))),
            ("attempts", Over { retries: 20, ..Over::default() }, 0, Some((Level::Fail, Word::Unknown))),
            ("failures", Over::default(), 30, Some((Level::Fail, Word::Unknown))),
            ("few failures", Over::default(), 5, None),
            ("none", Over::default(), 0, None),
        ];
        for (name, over, failed, expected) in cases {
            let mut operation = get("/a", 200, &[(Part::Database, 5.0)]);
            (operation.budget, operation.over, operation.all.failed) = (Some(budget), over, failed);
            let found = find(&scene::of(vec![operation]));
            assert_eq!(found.first().map(|finding| (finding.level, finding.word)), expected, "{name}");
        }
        assert!(find(&scene::of(vec![get("/a", 200, &[(Part::Database, 5.0)])])).is_empty(), "nothing was promised");
    }
}
