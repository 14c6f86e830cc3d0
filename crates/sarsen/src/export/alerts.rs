//! Rules for Prometheus that wake somebody when a budget burns too fast (the SRE Workbook of Google, chapter "Alerting on SLOs").
//!
//! A budget "99 of 100 within 80 ms" is spent by those that are slower. Burning it 14.4 times too fast for an hour takes a
//! fiftieth of a month's. Each alert asks a long window whether it matters and a short one whether it still goes on; with
//! few requests it asks how sure the long one is (the lower end of Wilson's interval, 95 %), and for ten that were bad.

use crate::telemetry::{Budget, Budgets, OperationKind};
use std::fmt::Write;

/// Of all Operations with a budget of time, so many may be slower.
const SLOW: f64 = 0.01;

/// Fewest bad ones in the long window.
const LEAST_BAD: u32 = 10;

/// How fast a budget may burn: the alert, the burn, its long and short window, and how urgent it is.
const BURNS: [(&str, &str, &str, &str, &str); 3] = [
    ("SarsenBudgetBurnsFast", "14.4", "1h", "5m", "page"),
    ("SarsenBudgetBurns", "6", "6h", "30m", "page"),
    ("SarsenBudgetBurnsSlowly", "1", "3d", "6h", "ticket"),
];

/// Every window of [`BURNS`].
const WINDOWS: [&str; 5] = ["5m", "30m", "1h", "6h", "3d"];

/// The file of rules: what is allowed by these budgets, what was bad, and who is to be woken. The same budgets give the same
/// file.
pub fn alerts(budgets: &Budgets) -> String {
    let mut text =
        "# Made by `export alerts` from the budgets of routes and jobs; make it anew when they change.\ngroups:\n"
            .to_owned();
    group(&mut text, "sarsen_budgets_allowed");
    for (kind, name, budget) in budgets.all() {
        for (promise, allowed) in allowed(&budget) {
            let labels = [("kind", kind.as_str()), ("operation", name), ("promise", promise)];
            record(&mut text, "sarsen:budget_allowed:ratio", &format!("vector({allowed})"), &labels);
        }
    }
    if text.ends_with("rules:\n") {
        // Rules without a budget are no rules.
        record(&mut text, "sarsen:budget_allowed:ratio", "vector(1)", &[("promise", "none")]);
    }
    group(&mut text, "sarsen_budgets_spent");
    for window in WINDOWS {
        spent(&mut text, window);
    }
    group(&mut text, "sarsen_budgets");
    for (alert, burn, long, short, severity) in BURNS {
        burns(&mut text, alert, burn, (long, short), severity);
    }
    text
}

/// The promises that are kept in the many, and how many may break them.
fn allowed(budget: &Budget) -> Vec<(&'static str, f64)> {
    let time = budget.p99.or(budget.run).map(|_| ("time", SLOW));
    let wait = budget.wait.map(|_| ("wait", SLOW));
    let errors = budget.error_rate.filter(|rate| *rate > 0.0).map(|rate| ("errors", rate));
    [time, wait, errors].into_iter().flatten().collect()
}

fn group(text: &mut String, name: &str) {
    let _ = write!(text, "  - name: {name}\n    rules:\n");
}

/// A text of YAML in quotation marks: JSON is a part of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn record(text: &mut String, name: &str, expression: &str, labels: &[(&str, &str)]) {
    let _ = write!(text, "      - record: {name}\n        expr: {}\n", quoted(expression));
    for (index, (label, value)) in labels.iter().enumerate() {
        let head = if index == 0 { "        labels:\n" } else { "" };
        let _ = writeln!(text, "{head}          {label}: {}", quoted(value));
    }
}

/// What was bad, out of how many, and how sure that is, within `window`.
fn spent(text: &mut String, window: &str) {
    let by = "sum by (kind, operation";
    let bad = format!("sarsen:budget_bad:increase{window}");
    record(text, &bad, &format!("{by}, promise) (increase(sarsen_budget_broken_total[{window}]))"), &[]);
    let failed = format!("{by}) (increase(sarsen_operations_failed_total[{window}]))");
    record(text, &bad, &failed, &[("promise", "errors")]);
    let all = format!("sarsen:budget_all:increase{window}");
    let count = format!("{by}) (increase(sarsen_operation_duration_seconds_count[{window}]))");
    let each = "(0 * sarsen:budget_allowed:ratio + 1)";
    record(text, &all, &format!("{each} * on (kind, operation) group_left () {count}"), &[]);
    let ratio = format!("sarsen:budget_bad:ratio{window}");
    record(text, &ratio, &format!("{bad} / ({all} > 0)"), &[]);
    let (n, p) = (format!("({all} > 0)"), &ratio);
    let lower =
        format!("({p} + 1.9208 / {n} - 1.96 * sqrt({p} * (1 - {p}) / {n} + 0.9604 / {n} ^ 2)) / (1 + 3.8416 / {n})");
    record(text, &format!("sarsen:budget_bad:lower{window}"), &lower, &[]);
}

fn burns(text: &mut String, alert: &str, burn: &str, (long, short): (&str, &str), severity: &str) {
    let limit = format!("({burn} * sarsen:budget_allowed:ratio)");
    let expression = format!(
        "sarsen:budget_bad:lower{long} >= {limit} and sarsen:budget_bad:ratio{short} >= {limit} \
         and sarsen:budget_bad:increase{long} >= {LEAST_BAD}"
    );
    let _ = write!(
        text,
        "      - alert: {alert}\n        expr: {}\n        labels:\n          severity: {severity}\n        annotations:\n          \
         summary: {}\n          description: {}\n",
        quoted(&expression),
        quoted(&format!(
            "{{{{ $labels.operation }}}} spends its budget of {{{{ $labels.promise }}}} {burn} times too fast"
        )),
        quoted(&format!(
            "Of the {{{{ $labels.kind }}}} {{{{ $labels.operation }}}}, at least {{{{ $value | humanizePercentage }}}} broke its promise of \
             {{{{ $labels.promise }}}} within {long}, and it goes on."
        )),
    );
}

/// What a budget says, for people: `p99 80 ms, 6 queries`.
pub(crate) fn words(kind: OperationKind, budget: &Budget) -> String {
    let milliseconds =
        |name: &str, time: Option<std::time::Duration>| time.map(|time| format!("{name} {} ms", time.as_millis()));
    let run = if kind == OperationKind::Job { "run" } else { "p99" };
    let parts = [
        milliseconds(run, budget.p99.or(budget.run)),
        milliseconds("wait", budget.wait),
        budget.queries.map(|queries| format!("{queries} queries")),
        budget.allocated.map(|bytes| format!("{} kB", bytes / 1024)),
        budget.retries.map(|retries| format!("{retries} retries")),
        budget.error_rate.map(|rate| format!("{} % errors", rate * 100.0)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
