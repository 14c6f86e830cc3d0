//! A dashboard for Grafana, made from the budgets: what people look at first, by the metrics of `/metrics`.

use super::alerts::words;
use crate::telemetry::Budgets;
use serde_json::{Value, json};
use std::fmt::Write;

/// The dashboard as the JSON that Grafana imports. The same budgets give the same file.
pub fn dashboard(application: &str, budgets: &Budgets) -> String {
    let rate = "$__rate_interval";
    let quantile = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (le, operation) (rate(sarsen_operation_duration_seconds_bucket{{kind=~\"$kind\"}}[{rate}])))"
        )
    };
    let by_operation = |metric: &str| format!("sum by (operation) (rate({metric}{{kind=~\"$kind\"}}[{rate}]))");
    let panels = [
        panel("Operations a second", "ops", &by_operation("sarsen_operation_duration_seconds_count"), "{{operation}}"),
        panel("99 of 100 are quicker than", "s", &quantile("0.99"), "{{operation}}"),
        panel("Half are quicker than", "s", &quantile("0.5"), "{{operation}}"),
        panel("Failed a second", "ops", &by_operation("sarsen_operations_failed_total"), "{{operation}}"),
        panel(
            "Beyond their budget, of all",
            "percentunit",
            &format!(
                "sum by (operation, promise) (rate(sarsen_budget_broken_total[{rate}])) / on (operation) group_left () \
                 sum by (operation) (rate(sarsen_operation_duration_seconds_count[{rate}]))"
            ),
            "{{operation}} {{promise}}",
        ),
        panel(
            "What is waited for, seconds a second",
            "s",
            &format!("sum by (wait) (rate(sarsen_wait_seconds_total[{rate}]))"),
            "{{wait}}",
        ),
        panel(
            "Time of the database, seconds a second",
            "s",
            &by_operation("sarsen_query_seconds_total"),
            "{{operation}}",
        ),
        panel("Jobs", "short", "sum by (queue, state) (sarsen_jobs)", "{{queue}} {{state}}"),
        panel("The oldest job waits", "s", "max by (queue) (sarsen_jobs_oldest_seconds)", "{{queue}}"),
        panel(
            "Cores in use",
            "short",
            &format!("sum by (instance) (rate(process_cpu_seconds_total[{rate}]))"),
            "{{instance}}",
        ),
        panel("Memory", "bytes", "sum by (instance) (process_resident_memory_bytes)", "{{instance}}"),
    ];
    let mut placed: Vec<Value> = panels.into_iter().enumerate().map(|(index, panel)| at(index, panel)).collect();
    placed.push(at(placed.len(), promised(budgets)));
    let board = json!({
        "title": format!("{application}, by Sarsen"),
        "uid": format!("sarsen-{application}"),
        "tags": ["sarsen"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source(), kinds()]},
        "panels": placed,
    });
    format!("{board:#}\n")
}

fn source() -> Value {
    json!({"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"})
}

fn kinds() -> Value {
    let options = ["request", "job", "schedule", "command"];
    json!({
        "name": "kind", "label": "Kind", "type": "custom", "query": options.join(","), "multi": true, "includeAll": true,
        "current": {"text": ["request"], "value": ["request"]},
    })
}

fn panel(title: &str, unit: &str, expression: &str, legend: &str) -> Value {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    json!({
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "table", "placement": "right", "calcs": ["mean", "max"]}},
        "targets": [{"refId": "A", "datasource": source, "expr": expression, "legendFormat": legend, "exemplar": true}],
    })
}

/// What routes and jobs promise, as a table.
fn promised(budgets: &Budgets) -> Value {
    let mut table = "| kind | operation | budget |\n|---|---|---|\n".to_owned();
    for (kind, name, budget) in budgets.all() {
        let _ = writeln!(table, "| {} | `{name}` | {} |", kind.as_str(), words(kind, &budget));
    }
    json!({"type": "text", "title": "Budgets", "options": {"mode": "markdown", "content": table}})
}

/// Two in a row; ids in order.
fn at(index: usize, mut panel: Value) -> Value {
    panel["id"] = json!(index + 1);
    panel["gridPos"] = json!({"x": 12 * (index % 2), "y": 9 * (index / 2), "w": 12, "h": 9});
    panel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Budget, OperationKind, ms};

    #[test]
    fn the_same_budgets_give_the_same_file() {
        let made = || {
            let names = ["GET /a", "GET /b", "POST /c"]
                .map(|name| (OperationKind::Request, name.to_owned(), Budget::p99(ms(80)).queries(6)));
            dashboard("shop", &Budgets::new(names))
        };
        let board: Value = serde_json::from_str(&made()).expect("JSON");
        assert_eq!(made(), made());
        assert!(
            board["panels"][11]["options"]["content"]
                .as_str()
                .expect("a table")
                .contains("| `GET /b` | p99 80 ms, 6 queries |")
        );
    }
}
