//! Budgets beside routes, and how a developer and a test hear that one is broken.

use super::guard::Closing;
use crate::telemetry::{Budget, Operation, Spent, WaitKind};
use aide::openapi;
use aide::transform::TransformOperation;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Carries a budget from where a route is declared to the table of routes; nobody else sees it.
const BUDGET: &str = "x-sarsen-budget";

/// `none`, `kept`, or `broken; queries=9/6`.
const HEADER: HeaderName = HeaderName::from_static("sarsen-budget");
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

/// How much a request tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// A developer: headers that a browser shows.
    Developer,
    /// A test, which looks beside the answer.
    Test,
}

/// Tells beside `response` of the request that is about to close: a developer what it took so far, a test which one it is.
pub(super) fn tell(response: &mut Response, closing: &mut Closing, to: Audience) {
    match to {
        Audience::Test => {
            drop(closing.operation().map(|operation| response.extensions_mut().insert(operation.clone())))
        }
        Audience::Developer => {
            let headers = closing.show(headers).into_iter().flatten();
            response
                .headers_mut()
                .extend(headers.filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))));
        }
    }
}

fn headers(operation: &Operation) -> [(HeaderName, String); 2] {
    let timing = server_timing(operation);
    // Not in the `match`: the record would be held while it is read again.
    let budget = operation.record().name.budget();
    let told = match budget {
        None => "none".to_owned(),
        Some(budget) => {
            let broken = budget.broken_by(&Spent::by(operation));
            let told = broken.iter().fold(String::new(), |text, broken| format!("{text}; {broken}"));
            if told.is_empty() { "kept".to_owned() } else { format!("broken{told}") }
        }
    };
    [(SERVER_TIMING, timing), (HEADER, told)]
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
