//! Log lines: one a closed Operation, as JSON or for people.

use super::{Operation, OperationKind, Outcome, Record, Recorder, redact};
use crate::clock;
use crate::config::{LogFormat, LogSection};
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// How often closed Operations are written.
const TICK: Duration = Duration::from_millis(50);

/// Sends log events to standard error in the configured form. Call it once, at the start of the process.
pub fn init_logging(section: &LogSection) -> Result<()> {
    let level: LevelFilter = section.level.parse().map_err(|_| {
        Error::invalid(format!("[log] level = \"{}\" is no level", section.level))
            .hint("one of error, warn, info, debug, trace")
    })?;
    let filter = Targets::new().with_default(level);
    let registry = tracing_subscriber::registry().with(filter);
    let writer = || Careful(std::io::stderr());
    let installed = match section.format {
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
        }
        LogFormat::Pretty => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            let layer = tracing_subscriber::fmt::layer().compact().with_ansi(terminal).with_target(false);
            registry.with(layer.with_writer(writer)).try_init()
        }
    };
    installed.map_err(|error| Error::internal("logging is already set up").source(error))
}

/// Takes secrets out of each line; a line is one call.
struct Careful(std::io::Stderr);

impl std::io::Write for Careful {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(redact::line(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Writes closed Operations until the application stops, then the rest; each is shown to `see` too.
pub async fn write_operations(recorder: Recorder, lifecycle: Lifecycle, lines: bool, see: impl Fn(&Operation)) {
    let mut reported = 0;
    loop {
        let stopping = clock::until(clock::monotonic() + TICK, lifecycle.stopping()).await.is_ok();
        for operation in recorder.drain() {
            see(&operation);
            if lines || operation.record().error.is_some() {
                write_line(&operation);
            }
        }
        let dropped = recorder.dropped();
        if dropped > reported {
            tracing::warn!(dropped = dropped - reported, "the queue of closed operations was full");
            reported = dropped;
        }
        if stopping {
            return;
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// What is not worth a word is left out: no queries, no waits, an ordinary end. Commands are for `debug`: starting a
/// module is one; and so is what the pages of the operators ask for.
fn write_line(operation: &Operation) {
    let record = operation.record();
    let database: Duration = record.queries().map(|query| query.execution).sum();
    let status = if let Outcome::Status(status) = record.outcome { Some(status) } else { None };
    let failed = status.is_some_and(|status| status >= 500) || record.outcome == Outcome::Failed;
    let queried = record.query_count > 0;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "sarsen::operation",
                kind = operation.kind().as_str(),
                module = (!record.module().is_empty()).then(|| record.module()),
                status,
                outcome = outcome(&record),
                ms = milliseconds(record.duration),
                queries = queried.then_some(record.query_count),
                database_ms = queried.then(|| milliseconds(database)),
                waits = waits(&record),
                actor = record.actor.map(tracing::field::display),
                error = record.error.as_deref(),
                trace_id = operation.trace().id(),
                "{}",
                record.name
            )
        };
    }
    match operation.kind() {
        _ if failed => line!(error),
        OperationKind::Command => line!(debug),
        // A page that is left open asks each second.
        OperationKind::Request if record.module() == "ops" => line!(debug),
        _ => line!(info),
    }
}

fn outcome(record: &Record) -> Option<&'static str> {
    match record.outcome {
        Outcome::Done | Outcome::Status(..500) => None,
        Outcome::Open => Some("open"),
        Outcome::Failed | Outcome::Status(_) => Some("failed"),
        Outcome::Cancelled => Some("cancelled"),
    }
}

/// Milliseconds by kind: `database=0.412 lock=1.1`.
fn waits(record: &Record) -> Option<String> {
    let mut kinds: BTreeMap<&str, Duration> = BTreeMap::new();
    for wait in record.waits() {
        *kinds.entry(wait.kind.as_str()).or_default() += wait.total;
    }
    let shown = kinds.iter().map(|(kind, total)| format!("{kind}={}", milliseconds(*total)));
    let shown = shown.collect::<Vec<_>>().join(" ");
    (!shown.is_empty()).then_some(shown)
}
