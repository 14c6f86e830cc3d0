//! Tells others what happens here: metrics for Prometheus, traces and metrics by OTLP, errors to Sentry, and the rules and the
//! dashboard that go with them.
//!
//! Nothing here holds up who works: what is closed is looked at by the one who writes the log, and sent by tasks with bounded
//! queues. What is told has names, numbers, texts of statements without their values, and errors without secrets.

mod alerts;
mod counts;
mod dashboard;
mod metrics;
mod otlp;
mod process;
mod prometheus;
mod sample;
mod sentry;
mod ship;

pub use alerts::alerts;
pub(crate) use alerts::words;
pub use dashboard::dashboard;

use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::{Config, Environment, TelemetrySection};
use crate::error::{Error, Result};
use crate::http::client::Address;
use crate::insight::Insight;
use crate::jobs::Jobs;
use crate::lifecycle::{self, Lifecycle};
use crate::realtime::Realtime;
use crate::telemetry::{Broken, Operation, Promise};
use bytes::Bytes;
use counts::Rows;
use http::header::{CONTENT_TYPE, HeaderValue};
use otlp::{Service, Traced};
use process::ProcessCounts;
use sample::Seen;
use sentry::{Lately, Report};
use ship::{Receiver, Ship};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Most Operations in one request to a collector.
const TRACES: usize = 256;

/// Without a budget, one that takes longer is slow, in nanoseconds.
const SLOW: u64 = 1_000_000_000;

/// What an application is told apart by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Everything that an application tells others. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Export(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: TelemetrySection,
    service: Service,
    environment: Environment,
    clock: Clock,
    jobs: Jobs,
    realtime: Realtime,
    blobs: Blobs,
    cache: Cache,
    insight: Insight,
    traces: Option<(Receiver, Ship<Traced>)>,
    metrics: Option<Receiver>,
    errors: Option<(Receiver, Ship<Report>, Lately)>,
}

impl Export {
    /// Reads the configuration; an address that is none is an error that names its key.
    pub(crate) fn new(
        identity: Identity,
        config: &Config,
        clock: &Clock,
        (jobs, realtime, cache, blobs): (&Jobs, &Realtime, &Cache, &Blobs),
        insight: &Insight,
    ) -> Result<Self> {
        let section = config.telemetry.clone();
        let environment = config.app.environment;
        let service = Service {
            name: identity.name,
            version: identity.version,
            environment: match environment {
                Environment::Development => "development",
                Environment::Test => "test",
                Environment::Production => "production",
            },
            since: nanoseconds(clock),
        };
        let collector = collector(&section)?;
        let traces = collector.as_ref().map(|to| (at(to, "/v1/traces"), Ship::new(section.queue, TRACES)));
        let errors = if section.sentry_dsn.expose().is_empty() {
            None
        } else {
            let receiver = sentry::receiver(&section.sentry_dsn, section.timeout.0)?;
            Some((receiver, Ship::new(section.queue, 1), Lately::default()))
        };
        let metrics = collector.as_ref().map(|to| at(to, "/v1/metrics"));
        let (clock, jobs, insight) = (clock.clone(), jobs.clone(), insight.clone());
        let (realtime, cache, blobs) = (realtime.clone(), cache.clone(), blobs.clone());
        Ok(Self(Arc::new(Inner {
            section,
            service,
            environment,
            clock,
            jobs,
            realtime,
            blobs,
            cache,
            insight,
            traces,
            metrics,
            errors,
        })))
    }

    /// Whether it must see every Operation, not only those that failed.
    pub(crate) fn is_wanted(&self) -> bool {
        let inner = &*self.0;
        inner.traces.is_some() || inner.environment == Environment::Development
    }

    /// Looks at an Operation that was closed.
    pub(crate) fn see(&self, operation: &Operation) {
        let inner = &*self.0;
        if inner.errors.is_none() && !self.is_wanted() {
            return;
        }
        let seen = Seen::new(operation, &inner.clock);
        let broken = operation.broken_promises();
        if inner.environment == Environment::Development {
            warn_of(operation, &broken);
        }
        if let Some((_, ship)) = &inner.traces {
            let late = broken.iter().any(|broken| broken.promise == Promise::Time);
            let unlimited = seen.name.budget().is_none_or(|budget| budget.p99.or(budget.run).is_none());
            let slow = late || (unlimited && seen.took > SLOW);
            if seen.failed || slow || seen.trace.chance() < inner.section.trace_sample {
                ship.push(Traced { seen: seen.clone(), leaves: Seen::leaves(operation) });
            }
        }
        if let Some((_, ship, lately)) = &inner.errors
            && let Some(report) = lately.report(&seen)
        {
            ship.push(report);
        }
    }

    /// Starts sending; the tasks end when the application stops and what waits is sent, or is late.
    pub(crate) fn start(&self, lifecycle: &Lifecycle) -> Vec<JoinHandle<()>> {
        let inner = &self.0;
        let mut tasks = Vec::new();
        if let Some((receiver, ship)) = inner.traces.clone() {
            let service = inner.service.clone();
            let encode = move |operations: &[Traced]| Bytes::from(otlp::traces(&service, operations).to_string());
            tasks.push(lifecycle::spawn_background(ship.run(receiver, lifecycle.clone(), encode)));
        }
        if let Some((receiver, ship, _)) = &inner.errors {
            let service = inner.service.clone();
            let encode = move |reports: &[Report]| {
                reports.iter().flat_map(|report| sentry::envelope(&service, report)).collect()
            };
            tasks.push(lifecycle::spawn_background(ship.clone().run(receiver.clone(), lifecycle.clone(), encode)));
        }
        if let Some(receiver) = inner.metrics.clone() {
            tasks.push(lifecycle::spawn_background(self.clone().send_metrics(receiver, lifecycle.clone())));
        }
        tasks
    }

    /// Sends the metrics again and again, and once more at the end.
    async fn send_metrics(self, receiver: Receiver, lifecycle: Lifecycle) {
        let inner = &*self.0;
        loop {
            let next = crate::clock::monotonic() + inner.section.metrics_every.0;
            let stopped = crate::clock::until(next, lifecycle.stopping()).await.is_ok();
            let queues = if stopped { Vec::new() } else { inner.queues().await };
            let (rows, process, now) = (inner.rows(), ProcessCounts::read(), nanoseconds(&inner.clock));
            let body = otlp::metrics(&inner.service, &rows, &queues, &process, now).to_string();
            if let Err(error) = receiver.deliver(Bytes::from(body), &lifecycle).await {
                tracing::warn!(to = ?receiver.to, "metrics: {}", error.report());
            }
            if stopped {
                return;
            }
        }
    }
}

impl Inner {
    /// The queues of jobs; none where the database does not answer, for the other metrics are worth more then.
    async fn queues(&self) -> Vec<crate::jobs::QueueState> {
        self.jobs.admin().queues().await.unwrap_or_default()
    }

    fn rows(&self) -> Rows {
        counts::rows(&self.insight.totals())
    }

    /// What was closed and is in no line of the log or no trace, ever.
    fn dropped(&self) -> u64 {
        let traces = self.traces.as_ref().map_or(0, |(_, ship)| ship.dropped());
        let errors = self.errors.as_ref().map_or(0, |(_, ship, _)| ship.dropped());
        self.insight.recorder().dropped() + traces + errors
    }
}

/// Fails when the section does not say where to send, or how much.
pub(crate) fn check(section: &TelemetrySection) -> Result<()> {
    if !(0.0..=1.0).contains(&section.trace_sample) {
        let text = format!("telemetry.trace_sample = {} is no share", section.trace_sample);
        return Err(Error::invalid(text).hint("it is between 0 (none) and 1 (all)"));
    }
    collector(section)?;
    if section.sentry_dsn.expose().is_empty() {
        Ok(())
    } else {
        sentry::receiver(&section.sentry_dsn, section.timeout.0).map(drop)
    }
}

/// A developer hears of each request and job that is beyond its budget.
fn warn_of(operation: &Operation, broken: &[Broken]) {
    if broken.is_empty() {
        return;
    }
    let told: Vec<String> = broken.iter().map(Broken::to_string).collect();
    let (kind, name) = (operation.kind().as_str(), operation.record().name);
    tracing::warn!(target: "sarsen::budget", "the {kind} `{name}` is beyond its budget: {}", told.join(", "));
}

fn nanoseconds(clock: &Clock) -> i128 {
    i128::from(clock.now().as_micros()) * 1_000
}

fn collector(section: &TelemetrySection) -> Result<Option<Receiver>> {
    if section.otlp.is_empty() {
        return Ok(None);
    }
    let wrong = |error: Error| {
        error.context("telemetry.otlp").hint("it is the address of a collector: `http://127.0.0.1:4318`")
    };
    let to = Address::parse(&section.otlp).map_err(wrong)?;
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok(Some(Receiver { label: "collector", to, headers, timeout: section.timeout.0 }))
}

fn at(collector: &Receiver, path: &str) -> Receiver {
    Receiver { to: collector.to.join(path), ..collector.clone() }
}
