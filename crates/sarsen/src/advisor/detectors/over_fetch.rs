//! More is read than is needed: rows that are looked at and not returned, answers that are huge.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{CauseSpan, OperationKind, OperationSpan, Snapshot};

/// Rows looked at for one that comes back, and for one call.
const LOOKED_AT: u64 = 100;
const ROWS: u64 = 1000;
/// From this time of one call on it is more than a note.
const SLOW: f64 = 5e6;
/// Rows looked at for one call that are many on any machine.
const SCAN: u64 = 10_000;
/// An answer that is large, and one that is too large.
const LARGE: f64 = 300.0 * 1024.0;
const HUGE: f64 = 4.0 * 1024.0 * 1024.0;
/// Rows that one call returns, of which nobody reads all.
const MANY: f64 = 5000.0;

/// Finds queries that look at a hundred rows for each that they return, and answers above 300 kB.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let queries =
        snapshot.causes.iter().filter_map(|cause| scanned(snapshot, cause).or_else(|| returned(snapshot, cause)));
    let answers = snapshot.operations.iter().filter_map(|operation| large(snapshot, operation));
    queries.chain(answers).collect()
}

fn scanned(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let operation = view::find(snapshot, &cause.operation)?;
    let returned = cause.rows.max(cause.calls);
    if !cause.query || cause.examined < LOOKED_AT * returned || cause.examined < ROWS * cause.calls {
        return None;
    }
    let took = ratio(cause.share, cause.calls);
    let level = if took >= SLOW || took >= SLOW / 5.0 && cause.examined >= SCAN * cause.calls {
        Level::Warn
    } else {
        Level::Note
    };
    let looked = words::number(ratio(cause.examined, cause.calls));
    let table = cause.tables.first().map_or("its table", String::as_str);
    let sentence = format!(
        "{} looks at {looked} rows for {}: {}",
        words::operation(&cause.operation),
        words::number(ratio(cause.rows, cause.calls)),
        words::cause(cause)
    );
    let advice =
        format!("give {table} an index for what the query searches and sorts by: `indexes` proposes one and tests it");
    Some(about(snapshot, cause, operation, level, sentence, advice).shows("rows looked at for one call", looked))
}

fn returned(snapshot: &Snapshot, cause: &CauseSpan) -> Option<Finding> {
    let operation = view::find(snapshot, &cause.operation)?;
    let rows = ratio(cause.rows, cause.calls);
    if !cause.query || cause.writes || rows < MANY || operation.kind != OperationKind::Request {
        return None;
    }
    let sentence = format!(
        "{} reads {} rows at a time: {}",
        words::operation(&cause.operation),
        words::number(rows),
        words::cause(cause)
    );
    Some(about(snapshot, cause, operation, Level::Note, sentence, "read a page, or count in the database".to_owned()))
}

fn about(
    snapshot: &Snapshot,
    cause: &CauseSpan,
    operation: &OperationSpan,
    level: Level,
    sentence: String,
    advice: String,
) -> Finding {
    Finding::new("over_fetch", Word::Db, level, Some(&cause.operation))
        .of(words::cause(cause))
        .says(sentence, advice)
        .shows("query", words::cause(cause))
        .shows("rows of one call", words::number(ratio(cause.rows, cause.calls)))
        .shows("time of one call", words::time(ratio(cause.share, cause.calls)))
        .from(cause.operations, &operation.samples)
        .costs(impact(snapshot, cause.share as f64))
}

fn large(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let bytes = operation.all.each(operation.all.bytes_out);
    // A file of the web client is as large as it is.
    if operation.kind != OperationKind::Request
        || operation.module.is_empty()
        || bytes < LARGE
        || operation.all.count < FEWEST
    {
        return None;
    }
    let level = if bytes >= HUGE { Level::Warn } else { Level::Note };
    let subject = words::operation(&operation.id());
    let finding = Finding::new("large_answer", Word::Client, level, Some(&operation.id()))
        .of(subject.clone())
        .says(format!("{subject} answers with {} in the mean", words::bytes(bytes)), "answer with a page, or stream it")
        .shows("answer", words::bytes(bytes))
        .from(operation.all.count, &operation.samples)
        .costs(impact(snapshot, operation.all.account.of(crate::telemetry::WaitKind::BodyOut) as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, query};

    #[test]
    fn rows_that_are_looked_at_and_not_returned_are_found() {
        let cause = |examined: u64, rows: u64, milliseconds: f64| {
            let text = "SELECT id FROM messages WHERE channel_id = ?";
            CauseSpan { examined, rows, ..query("GET /a", text, 100, milliseconds) }
        };
        for (name, cause, expected) in [
            ("a scan", cause(900_000, 5000, 20.0), Some((Level::Warn, "over_fetch"))),
            ("a quick scan", cause(900_000, 5000, 0.5), Some((Level::Note, "over_fetch"))),
            ("a small table", cause(50_000, 100, 20.0), None),
            ("all of it is returned", cause(400_000, 400_000, 20.0), None),
            ("a whole table at a time", cause(900_000, 900_000, 20.0), Some((Level::Note, "over_fetch"))),
        ] {
            let mut snapshot = scene::of(vec![get("/a", 100, &[(Part::Database, 20.0)])]);
            snapshot.causes = vec![cause];
            let found = find(&snapshot);
            assert_eq!(found.first().map(|finding| (finding.level, finding.rule.as_str())), expected, "{name}");
        }
    }

    #[test]
    fn a_huge_answer_is_found_and_an_asset_is_not() {
        for (bytes, module, expected) in [
            (8 << 20, "reports", Some(Level::Warn)),
            (400 << 10, "reports", Some(Level::Note)),
            (8 << 20, "", None),
            (9 << 10, "reports", None),
        ] {
            let mut operation = get("/a", 100, &[(Part::Cpu, 2.0)]);
            (operation.all.bytes_out, operation.module) = (bytes * 100, module.to_owned());
            assert_eq!(
                find(&scene::of(vec![operation])).first().map(|finding| finding.level),
                expected,
                "{bytes} {module}"
            );
        }
    }
}
