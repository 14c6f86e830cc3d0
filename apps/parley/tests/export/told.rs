//! Parley with everything turned on that it tells others, and what arrived.

use crate::program::place::{Database, Place, Server};
use crate::receiver::{Received, Receiver};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use sarsen::clock;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long something may take that is told in the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The server, and those to whom it tells.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) server: Server,
    pub(crate) collector: Receiver,
    pub(crate) sentry: Receiver,
    collected: Mutex<Vec<Received>>,
}

impl World {
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let place = Place::new(Database::Embedded).await.expect("is always there");
        let (collector, sentry) = (Receiver::start().await, Receiver::start().await);
        let (otlp, dsn) = (collector.url(""), format!("http://dsn-key-hush@127.0.0.1:{}/42", sentry.port()));
        let variables = [
            ("SARSEN_TELEMETRY__OTLP", otlp.as_str()),
            ("SARSEN_TELEMETRY__SENTRY_DSN", dsn.as_str()),
            ("SARSEN_TELEMETRY__TRACE_SAMPLE", "1.0"),
            ("SARSEN_TELEMETRY__METRICS_EVERY", "200ms"),
            ("SARSEN_LOG__OPERATIONS", "true"),
            ("SARSEN_MODULES__WEBHOOKS__CONFIG__ALLOW_PRIVATE", "true"),
        ];
        let server = place.serve_with(&[&variables, more].concat()).await;
        Self { place, server, collector, sentry, collected: Mutex::default() }
    }

    /// Everything that the collector got so far.
    pub(crate) fn collected(&self) -> Vec<Received> {
        let mut all = self.collected.lock().expect("no panic");
        all.extend(self.collector.received());
        all.clone()
    }

    /// The spans, decoded by the published types.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let traces = self.collected().into_iter().filter(|received| received.line.starts_with("POST /v1/traces "));
        let decoded = traces.map(|received| {
            assert_eq!(received.header("content-type"), "application/json");
            serde_json::from_str::<ExportTraceServiceRequest>(&received.body).expect("OTLP")
        });
        let resources = decoded.flat_map(|request| request.resource_spans).inspect(|spans| {
            let resource = spans.resource.as_ref().expect("a resource");
            assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("parley"));
        });
        resources.flat_map(|spans| spans.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The last metrics, decoded by the published types.
    pub(crate) fn metrics(&self) -> Option<ExportMetricsServiceRequest> {
        let last = self.collected().into_iter().rfind(|received| received.line.starts_with("POST /v1/metrics "))?;
        Some(serde_json::from_str(&last.body).expect("OTLP"))
    }

    /// A request by hand, which gives head and body as they came.
    pub(crate) async fn ask(&self, request: &str) -> String {
        ask(self.server.address, request).await
    }

    pub(crate) fn log(&self) -> String {
        self.server.said.lock().expect("no panic").join("\n")
    }
}

/// Sends `request`, whose head has no end yet, and reads what comes until the connection ends.
pub(crate) async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let length = if body.is_empty() { String::new() } else { format!("\r\ncontent-length: {}", body.len()) };
    let head = head.replace('\n', "\r\n");
    let text = format!("{head}\r\nhost: localhost\r\nconnection: close{length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.expect("is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("is answered");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = clock::monotonic() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::monotonic() < until, "{what}: not within {PATIENCE:?}");
        clock::pause(Duration::from_millis(20)).await;
    }
}

/// The attribute of this name, as text.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn hexadecimal(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
