//! The text that Prometheus reads: its own form, and OpenMetrics with exemplars where that is asked for.

use super::counts::{BOUNDS, Exemplar, Row, Rows};
use super::process::ProcessCounts;
use crate::blobs;
use crate::cache::{self, FamilyState};
use crate::clock::Timestamp;
use crate::jobs::QueueState;
use crate::realtime::{KindState, State};
use crate::telemetry::{HolderSpan, OperationKind, WaitKind};
use std::fmt::Write;

/// A figure of topics of one kind.
type OfKind = fn(&KindState) -> u64;
/// One number of a family of keys.
type OfFamily = fn(&FamilyState) -> f64;

/// Which form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Version 0.0.4, which every collector reads.
    Text,
    /// OpenMetrics 1.0.0, which has exemplars.
    OpenMetrics,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything that is told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) now: Timestamp,
    pub(super) version: &'a str,
    pub(super) rows: &'a Rows,
    pub(super) queues: &'a [QueueState],
    /// Where a module serves topics.
    pub(super) realtime: Option<&'a State>,
    pub(super) blobs: Option<(blobs::State, blobs::Usage)>,
    /// Where anything was fetched.
    pub(super) cache: Option<&'a cache::State>,
    pub(super) holders: &'a [HolderSpan],
    pub(super) process: &'a ProcessCounts,
    /// Closed Operations that were not recorded.
    pub(super) dropped: u64,
    /// Tasks at work.
    pub(super) tasks: u64,
}

/// Writes it down.
pub(super) fn text(form: Form, told: &Told<'_>) -> String {
    let mut page = Page { form, text: String::with_capacity(64 << 10) };
    page.operations(told.rows);
    page.queues(told.queues);
    page.oldest(told.queues, told.now);
    page.pools(told.holders);
    if let Some(state) = told.realtime {
        page.realtime(state);
    }
    if let Some((moved, usage)) = &told.blobs {
        page.blobs(moved, usage);
    }
    if let Some(state) = told.cache {
        page.cache(state);
    }
    page.process(told);
    if form == Form::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

/// One number of a pool or a lock.
type Look = fn(&HolderSpan) -> u64;

struct Page {
    form: Form,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float; 2^53 nanoseconds are 104 days")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

impl Page {
    fn family(&mut self, kind: Kind, name: &str, help: &str) {
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // OpenMetrics names the family without what its samples end with.
        let family = if self.form == Form::OpenMetrics { name.strip_suffix("_total").unwrap_or(name) } else { name };
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind_name}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        self.labels(labels);
        let _ = writeln!(self.text, " {value}");
    }

    fn labels(&mut self, labels: &[(&str, &str)]) {
        for (index, (label, value)) in labels.iter().enumerate() {
            let sign = if index == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{sign}{label}=\"{value}\"");
        }
        self.text.push_str(if labels.is_empty() { "" } else { "}" });
    }

    fn counters(&mut self, name: &str, help: &str, rows: &Rows, value: impl Fn(&Row) -> f64) {
        self.family(Kind::Counter, name, help);
        for (key, row) in rows {
            self.sample(name, &of(key), value(row));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn operations(&mut self, rows: &Rows) {
        let name = "sarsen_operation_duration_seconds";
        self.family(Kind::Histogram, name, "How long Operations took: requests, jobs, schedules and commands.");
        rows.iter().for_each(|(key, row)| self.histogram(name, &of(key), row));
        let total = |count: fn(&Row) -> u64| move |row: &Row| count(row) as f64;
        self.counters("sarsen_operations_failed_total", "Operations that failed.", rows, total(|row| row.failed));
        let help = "Operations whose client hung up.";
        self.counters("sarsen_operations_cancelled_total", help, rows, total(|row| row.cancelled));
        self.counters("sarsen_queries_total", "Runs of queries.", rows, total(|row| row.queries));
        let help = "Time of the database in queries.";
        self.counters("sarsen_query_seconds_total", help, rows, |row| seconds(row.query_time));
        self.waits(rows);
        self.broken(rows);
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn histogram(&mut self, name: &str, labels: &[(&str, &str); 3], row: &Row) {
        let mut below = 0;
        for (index, count) in row.buckets.iter().enumerate() {
            below += count;
            let bound = BOUNDS.get(index).map_or("+Inf".to_owned(), |bound| seconds(*bound).to_string());
            let [kind, module, operation] = *labels;
            let _ = write!(self.text, "{name}_bucket");
            self.labels(&[kind, module, operation, ("le", &bound)]);
            let _ = write!(self.text, " {below}");
            self.exemplar(row.exemplars[index].as_ref());
            self.text.push('\n');
        }
        self.sample(&format!("{name}_sum"), labels, seconds(row.time));
        self.sample(&format!("{name}_count"), labels, row.count as f64);
    }

    fn exemplar(&mut self, exemplar: Option<&Exemplar>) {
        if let (Form::OpenMetrics, Some(Exemplar { trace, took, ended })) = (self.form, exemplar) {
            let at = ended.as_micros();
            let (whole, part) = (at.div_euclid(1_000_000), at.rem_euclid(1_000_000) / 1_000);
            let _ = write!(self.text, " # {{trace_id=\"{}\"}} {} {whole}.{part:03}", trace.id(), seconds(*took));
        }
    }

    fn waits(&mut self, rows: &Rows) {
        let name = "sarsen_wait_seconds_total";
        self.family(Kind::Counter, name, "What Operations waited for, by kind.");
        for (key, row) in rows {
            let [kind, module, operation] = of(key);
            for wait in WaitKind::ALL.into_iter().filter(|wait| row.waits[*wait as usize] > 0) {
                let labels = [kind, module, operation, ("wait", wait.as_str())];
                self.sample(name, &labels, seconds(row.waits[wait as usize]));
            }
        }
    }

    /// Connections, and what went over them by kind of topics: never by topic, of which there are too many.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn realtime(&mut self, state: &State) {
        let whole: [(Kind, &str, &str, u64); 8] = [
            (Kind::Gauge, "sarsen_realtime_connections", "Connections that are open.", state.connections as u64),
            (Kind::Gauge, "sarsen_realtime_queued_bytes", "Bytes that wait to go out.", state.queued as u64),
            (
                Kind::Counter,
                "sarsen_realtime_silent_total",
                "Connections ended because they said nothing.",
                state.silent,
            ),
            (
                Kind::Counter,
                "sarsen_realtime_floods_total",
                "Connections ended because they sent too much.",
                state.floods,
            ),
            (Kind::Counter, "sarsen_realtime_slow_total", "Connections ended because they did not read.", state.slow),
            (Kind::Counter, "sarsen_realtime_refused_total", "Connections that found no place.", state.refused),
            (
                Kind::Counter,
                "sarsen_realtime_recovered_total",
                "Subscriptions given what they missed.",
                state.recovered,
            ),
            (Kind::Counter, "sarsen_realtime_reloaded_total", "Subscriptions told to load anew.", state.reloaded),
        ];
        for (kind, name, help, value) in whole {
            self.family(kind, name, help);
            self.sample(name, &[], value as f64);
        }
        let by_kind: [(Kind, &str, &str, OfKind); 5] = [
            (Kind::Gauge, "sarsen_realtime_topics", "Topics that are heard or kept.", |kind| kind.topics as u64),
            (Kind::Gauge, "sarsen_realtime_subscribers", "Subscriptions.", |kind| kind.subscribers as u64),
            (Kind::Counter, "sarsen_realtime_delivered_total", "Messages queued for a connection.", |kind| {
                kind.delivered
            }),
            (Kind::Counter, "sarsen_realtime_left_out_total", "Messages left out for slow readers.", |kind| {
                kind.left_out
            }),
            (Kind::Counter, "sarsen_realtime_slow_consumers_total", "Slow readers sent away.", |kind| kind.slow),
        ];
        for (kind, name, help, look) in by_kind {
            self.family(kind, name, help);
            for (topics, of_kind) in &state.kinds {
                self.sample(name, &[("topics", topics)], look(of_kind) as f64);
            }
        }
    }

    /// What is in the store of blobs, and what this process moved.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn blobs(&mut self, moved: &blobs::State, usage: &blobs::Usage) {
        let figures: [(Kind, &str, &str, u64); 14] = [
            (Kind::Gauge, "sarsen_blobs_kept", "Blobs that are kept.", usage.kept),
            (Kind::Gauge, "sarsen_blobs_kept_bytes", "Their bytes.", usage.kept_bytes),
            (Kind::Gauge, "sarsen_blobs_pending", "Uploads that no transaction has kept.", usage.pending),
            (Kind::Gauge, "sarsen_blobs_to_delete", "Blobs that are to be removed.", usage.to_delete),
            (Kind::Gauge, "sarsen_blobs_to_delete_bytes", "Their bytes.", usage.to_delete_bytes),
            (Kind::Gauge, "sarsen_blobs_uploading", "Uploads that are at work.", moved.uploading),
            (Kind::Gauge, "sarsen_blobs_reading", "Downloads that are at work.", moved.reading),
            (Kind::Counter, "sarsen_blobs_uploaded_total", "Uploads that came to their end.", moved.uploaded),
            (Kind::Counter, "sarsen_blobs_broken_off_total", "Uploads that did not.", moved.broken_off),
            (Kind::Counter, "sarsen_blobs_in_bytes_total", "Bytes that came in.", moved.bytes_in),
            (Kind::Counter, "sarsen_blobs_out_bytes_total", "Bytes that went out.", moved.bytes_out),
            (Kind::Counter, "sarsen_blobs_errors_total", "Calls of the store that failed.", moved.errors),
            (Kind::Counter, "sarsen_blobs_swept_total", "Blobs that were removed.", moved.swept),
            (Kind::Counter, "sarsen_blobs_orphans_total", "Objects without a row, removed.", moved.orphans),
        ];
        for (kind, name, help, value) in figures {
            self.family(kind, name, help);
            self.sample(name, &[], value as f64);
        }
    }

    /// Memory, and what is read from it by family of keys: never by key.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn cache(&mut self, state: &cache::State) {
        let whole: [(Kind, &str, &str, u64); 4] = [
            (Kind::Gauge, "sarsen_cache_max_bytes", "Bytes that the cache may take.", state.max_bytes),
            (Kind::Gauge, "sarsen_cache_behind", "1 while the log is not heard.", u64::from(state.behind)),
            (Kind::Counter, "sarsen_cache_invalidations_total", "Invalidations heard.", state.invalidations),
            (Kind::Counter, "sarsen_cache_interruptions_total", "Times the log was not heard.", state.interruptions),
        ];
        for (kind, name, help, value) in whole {
            self.family(kind, name, help);
            self.sample(name, &[], value as f64);
        }
        let by_family: [(Kind, &str, &str, OfFamily); 11] = [
            (Kind::Counter, "sarsen_cache_hits_total", "Values that were there.", |family| family.hits as f64),
            (Kind::Counter, "sarsen_cache_joined_total", "Waited for the load of another.", |family| {
                family.joined as f64
            }),
            (Kind::Counter, "sarsen_cache_loads_total", "Loads, also in vain.", |family| family.loads as f64),
            (Kind::Counter, "sarsen_cache_load_seconds_total", "Time of all loads.", |family| family.load_seconds),
            (Kind::Counter, "sarsen_cache_failed_loads_total", "Loads that failed.", |family| family.failed as f64),
            (Kind::Counter, "sarsen_cache_stale_total", "Old values that served.", |family| family.stale as f64),
            (Kind::Counter, "sarsen_cache_refreshed_total", "Loads in the background.", |family| {
                family.refreshed as f64
            }),
            (Kind::Counter, "sarsen_cache_invalidated_total", "Found to be invalidated.", |family| {
                family.invalidated as f64
            }),
            (Kind::Counter, "sarsen_cache_evicted_total", "Gone for want of room.", |family| family.evicted as f64),
            (Kind::Gauge, "sarsen_cache_entries", "Entries.", |family| family.entries as f64),
            (Kind::Gauge, "sarsen_cache_bytes", "Bytes that they take.", |family| family.bytes as f64),
        ];
        for (kind, name, help, look) in by_family {
            self.family(kind, name, help);
            for (label, family) in &state.families {
                self.sample(name, &[("family", label)], look(family));
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn broken(&mut self, rows: &Rows) {
        let name = "sarsen_budget_broken_total";
        self.family(Kind::Counter, name, "Operations that did not keep their budget, by promise.");
        for (key, row) in rows {
            let [kind, module, operation] = of(key);
            for (promise, count) in &row.broken {
                self.sample(name, &[kind, module, operation, ("promise", promise.as_str())], *count as f64);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn queues(&mut self, queues: &[QueueState]) {
        self.family(Kind::Gauge, "sarsen_jobs", "Jobs by queue and state; counted up to a limit, see docs/jobs.md.");
        for queue in queues {
            let states = [
                ("available", queue.available),
                ("running", queue.running),
                ("scheduled", queue.scheduled),
                ("retryable", queue.retryable),
                ("waiting", queue.waiting),
                ("discarded", queue.discarded),
            ];
            for (state, depth) in states {
                self.sample("sarsen_jobs", &[("queue", &queue.name), ("state", state)], depth.count as f64);
            }
        }
    }

    fn oldest(&mut self, queues: &[QueueState], now: Timestamp) {
        let name = "sarsen_jobs_oldest_seconds";
        self.family(Kind::Gauge, name, "Since when the oldest job of a queue could run.");
        for queue in queues {
            let age = queue.due_since.map_or(0.0, |since| now.since(since).as_secs_f64());
            self.sample(name, &[("queue", &queue.name)], age);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn pools(&mut self, holders: &[HolderSpan]) {
        let gauges: [(&str, &str, Look); 3] = [
            ("sarsen_pool_capacity", "How many can hold a pool or a lock at a time.", |holder| holder.capacity),
            ("sarsen_pool_in_use", "How many hold it.", |holder| holder.in_use),
            ("sarsen_pool_waiting", "How many wait for it.", |holder| holder.waiting),
        ];
        for (name, help, value) in gauges.into_iter().filter(|_| !holders.is_empty()) {
            self.family(Kind::Gauge, name, help);
            for holder in holders {
                self.sample(name, &[("kind", holder.kind.as_str()), ("pool", &holder.label)], value(holder) as f64);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn process(&mut self, told: &Told<'_>) {
        let process = told.process;
        self.family(Kind::Gauge, "sarsen_build_info", "The build of the application; always 1.");
        self.sample("sarsen_build_info", &[("version", told.version)], 1.0);
        let gauges = [
            ("sarsen_tasks", "Tasks at work.", told.tasks as f64),
            ("process_resident_memory_bytes", "Resident memory.", process.resident as f64),
            ("process_open_fds", "Open file descriptors.", process.descriptors as f64),
            ("process_max_fds", "Most file descriptors.", process.descriptor_limit as f64),
            ("process_start_time_seconds", "When the process started, in seconds since 1970.", process.started),
        ];
        for (name, help, value) in gauges.into_iter().filter(|(.., value)| *value > 0.0) {
            self.family(Kind::Gauge, name, help);
            self.sample(name, &[], value);
        }
        let counters = [
            ("process_cpu_seconds_total", "CPU time of the process.", process.cpu),
            (
                "sarsen_operations_dropped_total",
                "Closed Operations that found no room for a line of the log or a trace.",
                told.dropped as f64,
            ),
        ];
        for (name, help, value) in counters {
            self.family(Kind::Counter, name, help);
            self.sample(name, &[], value);
        }
    }
}

fn of(&(kind, operation, module): &(OperationKind, &'static str, &'static str)) -> [(&'static str, &'static str); 3] {
    [("kind", kind.as_str()), ("module", module), ("operation", operation)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Promise, Trace};

    fn written(form: Form) -> String {
        let mut row = Row { count: 1, time: 1_500_000, broken: [(Promise::Queries, 1)].into(), ..Row::default() };
        let ended = Timestamp::from_micros(1_767_225_600_000_000);
        row.buckets[1] = 1;
        row.exemplars[1] = Some(Exemplar { trace: Trace::new(), took: 1_500_000, ended });
        let rows = Rows::from([((OperationKind::Request, "GET /\"x\"", "shop"), row)]);
        let process = ProcessCounts::default();
        let now = Timestamp::default();
        let room = KindState { subscribers: 3, delivered: 7, slow: 1, ..KindState::default() };
        let state = State { connections: 4, kinds: [("room", room)].into(), ..State::default() };
        let access = FamilyState { hits: 5, bytes: 900, ..FamilyState::default() };
        let cache = cache::State { families: [("shop.access".to_owned(), access)].into(), ..cache::State::default() };
        text(
            form,
            &Told {
                now,
                version: "1.0.0",
                rows: &rows,
                queues: &[],
                realtime: Some(&state),
                blobs: Some((blobs::State { bytes_in: 9, ..Default::default() }, blobs::Usage::default())),
                cache: Some(&cache),
                holders: &[],
                process: &process,
                dropped: 3,
                tasks: 1,
            },
        )
    }

    #[test]
    fn a_histogram_is_cumulative_and_labels_are_escaped() {
        let text = written(Form::Text);
        let name = r#"kind="request",module="shop",operation="GET /\"x\"""#;
        for line in [
            format!("sarsen_operation_duration_seconds_bucket{{{name},le=\"0.001\"}} 0\n"),
            format!("sarsen_operation_duration_seconds_bucket{{{name},le=\"0.0025\"}} 1\n"),
            format!("sarsen_operation_duration_seconds_bucket{{{name},le=\"+Inf\"}} 1\n"),
            format!("sarsen_operation_duration_seconds_sum{{{name}}} 0.0015\n"),
            format!("sarsen_budget_broken_total{{{name},promise=\"queries\"}} 1\n"),
            "sarsen_operations_dropped_total 3\n".to_owned(),
            "sarsen_blobs_in_bytes_total 9\n".to_owned(),
            "sarsen_realtime_connections 4\n".to_owned(),
            "sarsen_cache_hits_total{family=\"shop.access\"} 5\n".to_owned(),
            "sarsen_cache_bytes{family=\"shop.access\"} 900\n".to_owned(),
            "sarsen_realtime_delivered_total{topics=\"room\"} 7\n".to_owned(),
            "sarsen_realtime_slow_consumers_total{topics=\"room\"} 1\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn openmetrics_has_exemplars_and_an_end() {
        let text = written(Form::OpenMetrics);
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("# TYPE sarsen_budget_broken counter\n"), "{text}");
        let bucket = text.lines().find(|line| line.contains("le=\"0.0025\"")).expect("a bucket");
        assert!(bucket.contains(" 1 # {trace_id=\"") && bucket.ends_with("\"} 0.0015 1767225600.000"), "{bucket}");
    }
}
