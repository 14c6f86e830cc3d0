//! Section `[telemetry]`: what is recorded, how much of it is kept, and what is told to others.

use super::{Secret, Size, Span, Url};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Section `[telemetry]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetrySection {
    /// Whether it is added up what Operations do and wait for.
    pub enabled: bool,
    /// The file that keeps what was recorded: `sqlite:PATH`; `auto` is `insight.db` beside the embedded database, and in
    /// tests none; empty is none.
    pub store: String,
    /// How long it is kept.
    pub keep: Span,
    /// Most bytes of that file; the oldest give way.
    pub max_size: Size,
    /// A poll that holds up a thread of the runtime for longer is looked at; `0s` looks at none.
    pub stall_after: Span,
    /// Whether the line of the application that holds it up is read from the thread's stack, where the system allows it.
    pub stacks: bool,
    /// How often is measured how long a new request waits unseen; `0s` is never.
    pub canary: Span,
    /// Most memory that the process may have; 0 is what its control group or the machine has.
    pub memory_limit: Size,
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
            enabled: true,
            store: "auto".into(),
            keep: Span::seconds(7 * 86_400),
            max_size: Size(50 << 20),
            stall_after: Span(Duration::from_millis(10)),
            stacks: true,
            canary: Span(Duration::from_millis(5)),
            memory_limit: Size(0),
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

/// The name of the store, where no other is given.
const FILE: &str = "insight.db";

impl TelemetrySection {
    /// The file of the store; nothing where there is none. `database` is the application's own.
    pub(crate) fn store_file(&self, database: &Url, in_test: bool) -> Result<Option<PathBuf>> {
        match self.store.as_str() {
            _ if !self.enabled => Ok(None),
            "" => Ok(None),
            "auto" if in_test => Ok(None),
            "auto" => {
                let beside = file_of(database).unwrap_or_else(|| PathBuf::from("data/app.db"));
                Ok(Some(beside.with_file_name(FILE)))
            }
            url => file_of(&Url::new(url)).map(Some).ok_or_else(|| {
                Error::invalid(format!("telemetry.store = \"{url}\" names no file"))
                    .hint("write sqlite:data/insight.db, auto, or nothing for no store")
            }),
        }
    }
}

/// The file that the URL of an embedded database names.
fn file_of(url: &Url) -> Option<PathBuf> {
    let (scheme, path) = url.expose().split_once(':')?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (scheme == Url::embedded("").scheme() && !path.is_empty()).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_beside_the_database_unless_told_otherwise() {
        let mut section = TelemetrySection::default();
        let embedded = Url::embedded("/var/lib/parley/app.db");
        let at = |section: &TelemetrySection, url: &Url| {
            section.store_file(url, false).map(|path| path.map(|path| path.display().to_string()))
        };
        assert_eq!(at(&section, &Url::embedded("data/app.db")).expect("a place").as_deref(), Some("data/insight.db"));
        assert_eq!(at(&section, &embedded).expect("a place").as_deref(), Some("/var/lib/parley/insight.db"));
        let server = Url::new("postgres://u:p@h/d");
        assert_eq!(at(&section, &server).expect("a place").as_deref(), Some("data/insight.db"));
        assert_eq!(section.store_file(&embedded, true).expect("none"), None);
        section.store = "sqlite:/x/y.db".into();
        assert_eq!(at(&section, &server).expect("a place").as_deref(), Some("/x/y.db"));
        section.store = "postgres://h/d".into();
        assert!(at(&section, &server).is_err());
        section.store = String::new();
        assert_eq!(at(&section, &server).expect("none"), None);
    }
}
