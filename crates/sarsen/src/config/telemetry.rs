//! What an application tells others of itself: metrics, traces and errors.

use super::{Secret, Span};
use serde::{Deserialize, Serialize};

/// Section `[telemetry]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetrySection {
    /// Whether `/metrics` answers: openly in development, in production only to the operators' token.
    pub metrics: bool,
    /// The collector that takes traces and metrics by OTLP over HTTP, `http://127.0.0.1:4318`; empty is none.
    pub otlp: String,
    /// How many of all Operations become traces, 0 to 1; slow and failed ones always do.
    pub trace_sample: f64,
    /// How often metrics are sent to the collector.
    pub metrics_every: Span,
    /// Where errors go: the DSN of a Sentry project; empty is nowhere.
    pub sentry_dsn: Secret,
    /// Most traces, and most errors, that wait to be sent; more are dropped and counted.
    pub queue: usize,
    /// How long sending once may take.
    pub timeout: Span,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self {
            metrics: true,
            otlp: String::new(),
            trace_sample: 0.01,
            metrics_every: Span::seconds(15),
            sentry_dsn: Secret::default(),
            queue: 2_048,
            timeout: Span::seconds(10),
        }
    }
}
