//! How many queries an Operation may run: the test that keeps an N+1 out.

use crate::telemetry::{Operation, QueryRecord};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Fails the test when `operation` ran more than `at_most` queries, and lists them with the lines that asked for them.
#[track_caller]
pub fn assert_queries(operation: &Operation, at_most: u32) {
    let record = operation.record();
    assert!(
        record.query_count <= u64::from(at_most),
        "`{}` ran {} queries, and may run {at_most}:\n{}",
        record.name,
        record.query_count,
        listed(record.queries())
    );
}

/// The most frequent first: what repeats is what to mend.
fn listed<'a>(queries: impl Iterator<Item = &'a QueryRecord>) -> String {
    let mut kinds: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for query in queries {
        let site = format!("{}:{}", query.site.file(), query.site.line());
        *kinds.entry((query.statement.normalised.as_str(), site)).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut text = String::new();
    for ((sql, site), count) in kinds {
        let _ = writeln!(text, "  {count:>3} x {sql}\n        at {site}");
    }
    text
}
