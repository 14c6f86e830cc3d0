//! What an Operation may take: the tests that keep an N+1 out, and a budget kept.

use crate::telemetry::Operation;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Fails the test when `operation` ran more than `at_most` queries, and lists them with the lines that asked for them.
#[track_caller]
pub fn assert_queries(operation: &Operation, at_most: u32) {
    let (name, count) = {
        let record = operation.record();
        (record.name, record.query_count)
    };
    let listed = queries(operation);
    assert!(count <= u64::from(at_most), "`{name}` ran {count} queries, and may run {at_most}:\n{listed}");
}

/// Fails the test when `operation` ran more queries or took more of the heap than its route or job promises. These are the same in
/// every run; how long it took says more of the machine than of the code, and is left to where requests are many.
///
/// A request of [`Client`](crate::testing::Client) is checked against the budget of its route without being asked.
#[track_caller]
pub fn assert_within_budget(operation: &Operation) {
    let name = operation.record().name;
    let broken = operation.broken_promises().into_iter().filter(|broken| broken.promise.is_deterministic());
    let told: Vec<String> = broken.map(|broken| broken.to_string()).collect();
    assert!(told.is_empty(), "`{name}` is beyond its budget: {}\n{}", told.join(", "), queries(operation));
}

/// The queries with the lines that asked for them, the most frequent first: what repeats is what to mend.
fn queries(operation: &Operation) -> String {
    let record = operation.record();
    let mut kinds: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for query in record.queries() {
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
