//! What fails, grouped by kind and place.

use crate::advisor::suffers::{FEWEST_BAD, at_least};
use crate::advisor::view;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{ErrorGroup, Snapshot};

/// The part of Operations that fails, from which on something does not work.
const BROKEN: f64 = 0.05;

/// Each group of errors; ten and more are a warning, and a failure where they are a good part of all.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.errors.iter().filter(|group| group.count > 0).map(|group| of(snapshot, group)).collect()
}

fn of(snapshot: &Snapshot, group: &ErrorGroup) -> Finding {
    let all = view::find(snapshot, &group.operation).map_or(0, |operation| operation.all.count);
    let level = match group.count {
        count if count < FEWEST_BAD => Level::Note,
        count if at_least(count.min(all), all) >= BROKEN => Level::Fail,
        _ => Level::Warn,
    };
    let subject = words::operation(&group.operation);
    let sentence = format!("{subject} failed {} times of {all}: {} ({})", group.count, group.message, group.kind);
    let advice = match group.kind.as_str() {
        "timeout" => "see what it waits for, and give what it calls a shorter limit than its own",
        "too-many" => "a limit was reached: see which, and whether the load or the limit is wrong",
        "unavailable" => "something it needs cannot be reached: see whether that runs",
        _ => "look at the sample: it has the whole error and what was done until then",
    };
    let word = if group.message.contains("no connection to the database") { Word::DbPool } else { Word::Unknown };
    Finding::new("errors", word, level, Some(&group.operation))
        .of(format!("{}: {}", group.kind, group.message))
        .says(sentence, advice)
        .shows("first", group.first.to_string())
        .shows("last", group.last.to_string())
        .from(all, group.sample.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get};
    use crate::telemetry::OperationKind;

    #[test]
    fn errors_matter_by_their_number_and_their_part() {
        for (count, all, expected) in [(3, 1000, Level::Note), (15, 10_000, Level::Warn), (100, 1000, Level::Fail)] {
            let mut snapshot = scene::of(vec![get("/a", all, &[(Part::Cpu, 1.0)])]);
            let operation = (OperationKind::Request, "GET /a".to_owned());
            snapshot.errors = vec![ErrorGroup {
                operation,
                kind: "internal".to_owned(),
                message: "no row".to_owned(),
                count,
                ..ErrorGroup::default()
            }];
            let found = find(&snapshot);
            assert_eq!((found.len(), found[0].level), (1, expected), "{count} of {all}");
            assert_eq!(found[0].culprit, "internal: no row");
        }
        assert!(find(&scene::of(Vec::new())).is_empty());
    }
}
