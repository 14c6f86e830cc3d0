//! Budgets beside routes, and how a developer and a test hear that one is broken.

use crate::telemetry::{Broken, Budget, Operation, Spent, WaitKind};
use aide::openapi;
use aide::transform::TransformOperation;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

/// Carries a budget from where a route is declared to the table of routes; nobody else sees it.
const BUDGET: &str = "x-sarsen-budget";

/// `kept`, or `broken; queries=9/6`.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("sarsen-budget");
/// What shows on a page which of its requests were beyond their budgets.
pub(super) const BANNER: &str = include_str!("budget/banner.js");

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a route promises, said where it is declared.
///
/// ```
/// use sarsen::http::routing::get_with;
/// use sarsen::http::{Promises, Routes};
/// use sarsen::telemetry::{Budget, ms};
///
/// async fn hello() -> &'static str {
///     "hello"
/// }
///
/// fn routes() -> Routes {
///     let promised = Budget::p99(ms(80)).queries(6).error_rate(0.001);
///     Routes::new().api_route("/hello", get_with(hello, |op| op.summary("Greet").budget(promised)))
/// }
/// ```
pub trait Promises {
    /// Promises this of every request of the route.
    #[must_use]
    fn budget(self, budget: Budget) -> Self;
}

impl Promises for TransformOperation<'_> {
    fn budget(mut self, budget: Budget) -> Self {
        let value = serde_json::to_value(budget).unwrap_or_default();
        self.inner_mut().extensions.insert(BUDGET.to_owned(), value);
        self
    }
}

/// Takes the budget out of the documentation of a route.
pub(super) fn take(operation: &mut openapi::Operation) -> Option<Budget> {
    operation.extensions.shift_remove(BUDGET).and_then(|value| serde_json::from_value(value).ok())
}

/// Beside an answer whose request was beyond its budget: what a test fails of.
#[derive(Clone, Debug)]
pub(crate) struct Beyond {
    broken: Vec<Broken>,
    queries: String,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.broken.iter().map(Broken::to_string).collect();
        write!(
            f,
            "{}
{}",
            told.join(", "),
            self.queries
        )
    }
}

/// How much a request tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// A developer: headers that a browser shows.
    Developer,
    /// A test, which looks beside the answer.
    Test,
}

/// Says beside `response` whether `operation` kept its budget so far: all but the body has been made.
pub(super) fn tell(response: &mut Response, operation: &Operation, to: Audience) {
    let budget = operation.record().name.budget();
    if to == Audience::Developer {
        let timing = server_timing(operation);
        response.headers_mut().extend(HeaderValue::try_from(timing).ok().map(|value| (SERVER_TIMING, value)));
    }
    let Some(budget) = budget else { return };
    let broken = budget.broken_by(&Spent::by(operation));
    if to == Audience::Developer {
        let told = broken.iter().fold(String::new(), |text, broken| format!("{text}; {broken}"));
        let told = if told.is_empty() { "kept".to_owned() } else { format!("broken{told}") };
        response.headers_mut().extend(HeaderValue::try_from(told).ok().map(|value| (HEADER, value)));
        return;
    }
    let broken: Vec<Broken> = broken.into_iter().filter(|broken| broken.promise.is_deterministic()).collect();
    if !broken.is_empty() {
        response.extensions_mut().insert(Beyond { broken, queries: queries(operation) });
    }
}

/// Where the time went, as `server-timing` has it: a browser shows it beside the request.
fn server_timing(operation: &Operation) -> String {
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let mut text = format!("total;dur={}", milliseconds(Spent::by(operation).time));
    let record = operation.record();
    let mut waits: BTreeMap<WaitKind, Duration> = BTreeMap::new();
    for wait in record.waits() {
        *waits.entry(wait.kind).or_default() += wait.total;
    }
    for (kind, time) in waits {
        let _ = write!(text, ", {};dur={}", kind.as_str(), milliseconds(time));
        if kind == WaitKind::Database {
            let _ = write!(text, ";desc=\"{} queries\"", record.query_count);
        }
    }
    text
}

/// The queries with the lines that asked for them, the most frequent first: what repeats is what to mend.
pub(crate) fn queries(operation: &Operation) -> String {
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
