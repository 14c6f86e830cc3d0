//! Traces and metrics as OTLP over HTTP, in its JSON encoding (opentelemetry.io/docs/specs/otlp, version 1).
//!
//! In this encoding ids are hexadecimal, names are in lowerCamelCase, 64-bit whole numbers are text, and enums are numbers.

use super::counts::{BOUNDS, Row, Rows};
use super::process::ProcessCounts;
use super::sample::Seen;
use crate::jobs::QueueState;
use crate::telemetry::{Leaf, OperationKind, Outcome, WaitKind};
use serde_json::{Value, json};

/// Who tells.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) environment: &'static str,
    /// Nanoseconds since 1970: since when counters count.
    pub(super) since: i128,
}

/// An Operation with its leaves.
#[derive(Clone, Debug)]
pub(super) struct Traced {
    pub(super) seen: Seen,
    pub(super) leaves: Vec<Leaf>,
}

const CUMULATIVE: u8 = 2;
const ERROR: u8 = 2;
const SPAN_INTERNAL: u8 = 1;
const SPAN_SERVER: u8 = 2;
const SPAN_CLIENT: u8 = 3;
const SPAN_CONSUMER: u8 = 5;

/// The body of a request to `/v1/traces`.
pub(super) fn traces(service: &Service, operations: &[Traced]) -> Value {
    let spans: Vec<Value> = operations.iter().flat_map(spans).collect();
    json!({"resourceSpans": [{"resource": resource(service), "scopeSpans": [{"scope": scope(), "spans": spans}]}]})
}

/// The body of a request to `/v1/metrics`.
pub(super) fn metrics(
    service: &Service,
    rows: &Rows,
    queues: &[QueueState],
    process: &ProcessCounts,
    now: i128,
) -> Value {
    let told = Told { since: service.since, now };
    let metrics = [told.operations(rows), told.process(process, queues)].concat();
    json!({"resourceMetrics": [{"resource": resource(service), "scopeMetrics": [{"scope": scope(), "metrics": metrics}]}]})
}

fn resource(service: &Service) -> Value {
    json!({"attributes": [
        text("service.name", service.name),
        text("service.version", service.version),
        text("deployment.environment.name", service.environment),
    ]})
}

fn scope() -> Value {
    json!({"name": "sarsen", "version": env!("CARGO_PKG_VERSION")})
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn spans(traced: &Traced) -> Vec<Value> {
    let Traced { seen, leaves } = traced;
    let end = i128::from(seen.ended) * 1_000;
    let start = end - i128::from(seen.took);
    let leaf = |leaf: &Leaf| leaf_span(seen, leaf, start + i128::from(leaf.from), start + i128::from(leaf.to));
    std::iter::once(operation(seen, start, end)).chain(leaves.iter().map(leaf)).collect()
}

fn operation(seen: &Seen, start: i128, end: i128) -> Value {
    let kind = match seen.kind {
        OperationKind::Request => SPAN_SERVER,
        OperationKind::Job => SPAN_CONSUMER,
        OperationKind::Schedule | OperationKind::Command => SPAN_INTERNAL,
    };
    let mut attributes = vec![
        text("sarsen.kind", seen.kind.as_str()),
        text("sarsen.module", seen.name.module()),
        number("sarsen.queries", seen.queries),
    ];
    if let Some((method, route)) = seen.name.split_once(' ').filter(|_| seen.kind == OperationKind::Request) {
        attributes.extend([text("http.request.method", method), text("http.route", route)]);
    }
    if let Outcome::Status(status) = seen.outcome {
        attributes.push(number("http.response.status_code", u64::from(status)));
    }
    let status = match &seen.error {
        Some(error) if seen.failed => json!({"code": ERROR, "message": error}),
        _ if seen.failed => json!({"code": ERROR}),
        _ => json!({}),
    };
    json!({
        "traceId": seen.trace.id(),
        "spanId": seen.trace.span_id(),
        "parentSpanId": seen.trace.parent_id().unwrap_or_default(),
        "name": seen.name.as_str(),
        "kind": kind,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": attributes,
        "status": status,
    })
}

fn leaf_span(seen: &Seen, leaf: &Leaf, from: i128, to: i128) -> Value {
    let mut attributes = vec![text("sarsen.wait", leaf.kind.as_str())];
    if let Some(query) = &leaf.query {
        attributes.extend([
            text("db.query.text", &query.statement.normalised),
            text("code.file.path", query.site.file()),
            number("code.line.number", u64::from(query.site.line())),
            number("db.response.returned_rows", query.rows),
        ]);
    }
    let statement = leaf.query.as_ref().and_then(|query| query.statement.normalised.split(' ').next());
    let name = statement.unwrap_or(if leaf.label.is_empty() { leaf.kind.as_str() } else { &leaf.label });
    let failed = leaf.query.as_ref().is_some_and(|query| query.failed);
    let outside = leaf.query.is_some() || matches!(leaf.kind, WaitKind::Http | WaitKind::Mail | WaitKind::Blob);
    json!({
        "traceId": seen.trace.id(),
        "spanId": format!("{:016x}", fastrand::u64(1..)),
        "parentSpanId": seen.trace.span_id(),
        "name": name,
        "kind": if outside { SPAN_CLIENT } else { SPAN_INTERNAL },
        "startTimeUnixNano": from.to_string(),
        "endTimeUnixNano": to.to_string(),
        "attributes": attributes,
        "status": if failed { json!({"code": ERROR}) } else { json!({}) },
    })
}

#[expect(clippy::cast_precision_loss, reason = "2^53 nanoseconds are 104 days")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

type Key = (OperationKind, &'static str, &'static str);

struct Told {
    since: i128,
    now: i128,
}

impl Told {
    fn operations(&self, rows: &Rows) -> Vec<Value> {
        let whole = |count: fn(&Row) -> u64| move |row: &Row| json!({"asInt": count(row).to_string()});
        let waits = rows.iter().flat_map(|(key, row)| {
            let waited = WaitKind::ALL.into_iter().filter(|wait| row.waits[*wait as usize] > 0);
            waited.map(|wait| {
                self.point(
                    &attributes(key, Some(text("sarsen.wait", wait.as_str()))),
                    &json!({"asDouble": seconds(row.waits[wait as usize])}),
                )
            })
        });
        let broken = rows.iter().flat_map(|(key, row)| {
            row.broken.iter().map(|(promise, count)| {
                self.point(
                    &attributes(key, Some(text("sarsen.promise", promise.as_str()))),
                    &json!({"asInt": count.to_string()}),
                )
            })
        });
        vec![
            self.durations(rows),
            self.counter("sarsen.operations.failed", "{operation}", rows, whole(|row| row.failed)),
            self.counter("sarsen.operations.cancelled", "{operation}", rows, whole(|row| row.cancelled)),
            self.counter("sarsen.queries", "{query}", rows, whole(|row| row.queries)),
            self.counter("sarsen.query.time", "s", rows, |row| json!({"asDouble": seconds(row.query_time)})),
            sum("sarsen.wait.time", "s", &waits.collect::<Vec<_>>()),
            sum("sarsen.budget.broken", "{operation}", &broken.collect::<Vec<_>>()),
        ]
    }

    fn durations(&self, rows: &Rows) -> Value {
        let bounds: Vec<f64> = BOUNDS.iter().map(|bound| seconds(*bound)).collect();
        let points = rows.iter().map(|(key, row)| {
            let counts: Vec<String> = row.buckets.iter().map(u64::to_string).collect();
            let histogram = json!({
                "count": row.count.to_string(), "sum": seconds(row.time), "bucketCounts": counts, "explicitBounds": bounds,
            });
            self.point(&attributes(key, None), &histogram)
        });
        let points: Vec<Value> = points.collect();
        json!({"name": "sarsen.operation.duration", "unit": "s",
            "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points}})
    }

    fn counter(&self, name: &str, unit: &str, rows: &Rows, value: impl Fn(&Row) -> Value) -> Value {
        let points = rows.iter().map(|(key, row)| self.point(&attributes(key, None), &value(row)));
        sum(name, unit, &points.collect::<Vec<_>>())
    }

    fn process(&self, process: &ProcessCounts, queues: &[QueueState]) -> Vec<Value> {
        let gauge = |name: &str, unit: &str, points: Vec<Value>| json!({"name": name, "unit": unit, "gauge": {"dataPoints": points}});
        let one = |value: Value| vec![self.point(&[], &value)];
        let jobs = queues.iter().flat_map(|queue| {
            let states = [("available", queue.available), ("running", queue.running), ("discarded", queue.discarded)];
            states.map(|(state, depth)| {
                let attributes = vec![text("sarsen.queue", &queue.name), text("sarsen.state", state)];
                self.point(&attributes, &json!({"asInt": depth.count.to_string()}))
            })
        });
        vec![
            sum("process.cpu.time", "s", &one(json!({"asDouble": process.cpu}))),
            gauge("process.memory.usage", "By", one(json!({"asInt": process.resident.to_string()}))),
            gauge(
                "process.open_file_descriptor.count",
                "{file_descriptor}",
                one(json!({"asInt": process.descriptors.to_string()})),
            ),
            gauge("sarsen.jobs", "{job}", jobs.collect()),
        ]
    }

    fn point(&self, attributes: &[Value], value: &Value) -> Value {
        let mut point = json!({
            "attributes": attributes,
            "startTimeUnixNano": self.since.to_string(),
            "timeUnixNano": self.now.to_string(),
        });
        if let (Some(point), Some(value)) = (point.as_object_mut(), value.as_object()) {
            point.extend(value.clone());
        }
        point
    }
}

fn attributes(&(kind, name, module): &Key, more: Option<Value>) -> Vec<Value> {
    let mut all =
        vec![text("sarsen.kind", kind.as_str()), text("sarsen.module", module), text("sarsen.operation", name)];
    all.extend(more);
    all
}

fn sum(name: &str, unit: &str, points: &[Value]) -> Value {
    json!({"name": name, "unit": unit,
        "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points}})
}
