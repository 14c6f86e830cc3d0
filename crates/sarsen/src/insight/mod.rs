//! What the application did lately, and why it took so long: windows of what was recorded, kept samples, and their history.
//!
//! ```
//! # async fn example(running: sarsen::app::Running) {
//! let snapshot = running.insight().snapshot(std::time::Duration::from_secs(60));
//! for operation in &snapshot.operations {
//!     println!("{} {} p99 {} ns", operation.all.count, operation.name, operation.p99);
//! }
//! # }
//! ```

mod collector;
mod error;
mod frame;
mod packed;
mod place;
mod points;
pub(crate) mod queues;
mod recall;
mod row;
mod sample;
mod store;
mod summary;
mod totals;
mod window;

use crate::clock::{self, Clock, Ticks, Timestamp};
use crate::data::Db;
use crate::error::Result;
use crate::telemetry::resource::Facts;
use crate::telemetry::{Budget, Operation, OperationMeans, QueueState, Reason, Recorder, Sample, Snapshot};
pub(crate) use collector::Collector;
use error::{ErrorKey, Errors};
use frame::{Frame, Gathered, Keys, NameKey};
pub(crate) use place::place;
pub use place::stored;
pub use points::Point;
use row::NameRow;
pub use sample::SampleFilter;
use sample::Samples;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{News, Restored};
use summary::Budgets;
use totals::Totals;
pub(crate) use totals::{Example, Total};
use window::Windows;

const MINUTE: Duration = Duration::from_secs(60);

/// From so many Operations on, their p95 says which ones are slow.
const ENOUGH: u64 = 20;

/// What the application did lately. Clones are the same.
#[derive(Clone, Debug)]
pub struct Insight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recorder: Recorder,
    clock: Clock,
    version: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The version until the collector has looked at the program.
    build: String,
    keys: Keys,
    windows: Windows,
    totals: Totals,
    samples: Samples,
    errors: Errors,
    queues: Vec<QueueState>,
    before: Vec<OperationMeans>,
    facts: Option<Facts>,
    /// Operations that did not fit into the recorder's queue until the last tick.
    dropped: u64,
    /// Where older samples are.
    store: Option<Db>,
    /// Minutes and hours that are over and not written down, and what Operations cost since then.
    ended: Vec<(Duration, Frame)>,
    costs: HashMap<Arc<NameKey>, NameRow>,
    last: Instant,
    ticks: u64,
    /// Snapshots since the last tick, by their span.
    made: Vec<(Duration, Arc<Snapshot>)>,
}

impl Insight {
    /// Looks at what `recorder` adds up, in the name of a version of the application.
    pub fn new(recorder: &Recorder, clock: &Clock, version: &str) -> Self {
        let state = State {
            build: version.to_owned(),
            keys: Keys::default(),
            windows: Windows::default(),
            totals: Totals::default(),
            samples: Samples::default(),
            errors: Errors::default(),
            queues: Vec::new(),
            before: Vec::new(),
            facts: None,
            dropped: 0,
            store: None,
            ended: Vec::new(),
            costs: HashMap::new(),
            last: clock::monotonic(),
            ticks: 0,
            made: Vec::new(),
        };
        let (recorder, clock, version) = (recorder.clone(), clock.clone(), version.to_owned());
        Self(Arc::new(Inner { recorder, clock, version, state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorder it looks at.
    pub fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// What was done in the last `span`: by seconds up to one minute, by tens of seconds up to five, by minutes up to two
    /// hours, by hours up to three days. It is at most a second old, and the same until the next second.
    pub fn snapshot(&self, span: Duration) -> Snapshot {
        let mut state = self.state();
        if let Some((_, made)) = state.made.iter().find(|(made, _)| *made == span) {
            return Snapshot::clone(made);
        }
        let mut gathered = Gathered::default();
        state.windows.last(state.windows.now(), span).into_iter().for_each(|frame| gathered.add(frame));
        let budgets = self.budgets();
        let snapshot = summary::snapshot(gathered, &budgets, &state.errors);
        let mut snapshot = Snapshot { build: state.build.clone(), ..snapshot };
        (snapshot.queues, snapshot.before) = (state.queues.clone(), state.before.clone());
        let ids = state.samples.ids_since(snapshot.at - span);
        for operation in &mut snapshot.operations {
            operation.samples = ids.get(&(operation.kind, operation.name.as_str())).cloned().unwrap_or_default();
        }
        let snapshot = Arc::new(snapshot);
        if state.made.len() < 8 {
            state.made.push((span, snapshot.clone()));
        }
        drop(state);
        Arc::unwrap_or_clone(snapshot)
    }

    /// What was added up since the process began, by name; at most a second old.
    pub(crate) fn totals(&self) -> Vec<Total> {
        self.state().totals.all()
    }

    fn budgets(&self) -> Budgets {
        let named = self.0.recorder.names().into_iter();
        named.filter_map(|name| Some(((name.kind(), name.as_str().to_owned()), *name.budget()?))).collect()
    }

    /// Takes in what was closed since the last time. The collector does it each second; a test does it before it looks.
    pub fn collect(&self) {
        let mut collected = self.0.recorder.collect();
        // It reads files of the kernel: nobody waits for the state meanwhile.
        let facts = self.state().facts.clone();
        let facts = facts.map(|facts| facts.read());
        let mut guard = self.state();
        let state = &mut *guard;
        let (now, at) = (clock::monotonic(), self.0.clock.now());
        state.totals.add(&collected, at);
        let kept = std::mem::take(&mut collected.kept);
        let mut gathered = Gathered::of(collected, &mut state.keys, &mut state.errors, at);
        state.keep(kept, at);
        gathered.span = now - std::mem::replace(&mut state.last, now);
        let last = state.windows.now();
        let begun = at - gathered.span;
        (gathered.from, gathered.to) = (if state.ticks == 0 { begun } else { last.min(at) }, at);
        if let Some(facts) = facts {
            gathered.add_facts(facts);
        }
        let dropped = self.0.recorder.dropped();
        gathered.process.dropped = dropped - std::mem::replace(&mut state.dropped, dropped);
        let names: Vec<_> = gathered.names.keys().cloned().collect();
        for (key, row) in &gathered.names {
            state.costs.entry(key.clone()).or_default().add(row);
        }
        let ended = state.windows.push(gathered.frame());
        state.ended.extend(ended);
        state.made.clear();
        state.ticks += 1;
        if state.ticks.is_multiple_of(60) {
            state.keys.forget();
            state.samples.forget(at);
        }
        self.set_limits(&state.windows, &names);
    }

    /// Operations that were kept whole, the slowest first: those of this process, then those of the store.
    pub async fn samples(&self, filter: &SampleFilter) -> Vec<Sample> {
        let (kept, store) = {
            let state = self.state();
            (state.samples.list(filter), state.store.clone())
        };
        let mut found: Vec<Sample> = kept.iter().filter_map(|kept| sample::unpack(&kept.packed).ok()).collect();
        if let (Some(db), true) = (store, found.len() < filter.most()) {
            let older = recall::samples(&db, filter).await.unwrap_or_default();
            let older = older.iter().filter_map(|packed| sample::unpack(packed).ok());
            let older: Vec<_> = older.filter(|older| !found.iter().any(|known| known.id == older.id)).collect();
            found.extend(older);
            found.sort_by_key(|sample| std::cmp::Reverse(sample.account.wall));
            found.truncate(filter.most());
        }
        found
    }

    /// An Operation that was kept whole.
    pub async fn sample(&self, id: &str) -> Option<Sample> {
        let (kept, store) = {
            let state = self.state();
            (state.samples.find(id).cloned(), state.store.clone())
        };
        let packed = match (kept, store) {
            (Some(kept), _) => kept.packed.to_vec(),
            (None, Some(db)) => recall::sample(&db, id).await.ok()??,
            (None, None) => return None,
        };
        sample::unpack(&packed).ok()
    }

    /// What was done in the last `span`, piece by piece, oldest first: seconds, tens of seconds, minutes or hours, as
    /// finely as they are kept for so long. Beyond three days it is read from the store, with what all processes wrote there.
    pub async fn history(&self, span: Duration) -> Result<Vec<Snapshot>> {
        let store = self.state().store.clone();
        if let (Some(db), true) = (store, span > window::LONGEST) {
            let (frames, errors) = recall::history(&db, self.0.clock.now() - span).await?;
            return Ok(frames.iter().map(|frame| self.summary(frame, &errors, "")).collect());
        }
        let state = self.state();
        let frames = state.windows.last(state.windows.now(), span);
        Ok(frames.into_iter().map(|frame| self.summary(frame, &state.errors, &state.build)).collect())
    }

    fn summary(&self, frame: &Frame, errors: &Errors, build: &str) -> Snapshot {
        let mut gathered = Gathered::default();
        gathered.add(frame);
        Snapshot { build: build.to_owned(), ..summary::snapshot(gathered, &self.budgets(), errors) }
    }

    /// What is slow: above the budget, or above the p95 of the last ten seconds, whichever is less.
    fn set_limits(&self, windows: &Windows, names: &[Arc<NameKey>]) {
        let mut gathered = Gathered::default();
        let frames = windows.last(windows.now(), Duration::from_secs(10));
        frames.into_iter().for_each(|frame| gathered.add_histograms(frame));
        let seen: HashMap<_, _> =
            names.iter().map(|key| ((key.kind, key.name.as_str(), key.module.as_str()), key)).collect();
        for name in self.0.recorder.names() {
            let Some(key) = seen.get(&(name.kind(), name.as_str(), name.module())) else { continue };
            let Some(row) = gathered.names.get(*key) else { continue };
            let usual = (row.histogram.total() >= ENOUGH).then(|| row.histogram.quantile(0.95));
            let promised =
                name.budget().and_then(budget_of_time).map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
            if let Some(limit) = [usual, promised].into_iter().flatten().min() {
                self.0.recorder.set_slow_after(name, limit);
            }
        }
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// From now on `facts` are asked too.
    pub(crate) fn set_facts(&self, facts: Facts) {
        self.state().facts = Some(facts);
    }

    fn build(&self) -> String {
        self.state().build.clone()
    }

    fn find_build(&self) {
        let build = place::build_of(&self.0.version);
        self.state().build = build;
    }

    fn set_queues(&self, queues: Vec<QueueState>) {
        let mut state = self.state();
        state.queues = queues;
        state.made.clear();
    }

    /// Takes what an earlier process left, and where to look for the rest.
    fn restore(&self, db: Db, restored: Restored) {
        let mut state = self.state();
        if state.ticks == 0 {
            state.windows.restore(restored.hours, restored.minutes);
        }
        restored.errors.into_iter().for_each(|(key, seen)| state.errors.restore(key, seen));
        (state.before, state.store) = (restored.before, Some(db));
    }

    fn forget_store(&self) {
        self.state().store = None;
    }

    /// What is to be written down; nothing is kept for it where there is no store.
    fn take_news(&self, wanted: bool) -> News {
        let mut state = self.state();
        let (samples, errors) = (state.samples.take_new(), state.errors.take_new());
        let mut frames = std::mem::take(&mut state.ended);
        let costs = std::mem::take(&mut state.costs).into_iter().collect();
        if !wanted {
            return News::default();
        }
        frames.extend(state.windows.minute_at_hand().map(|frame| (MINUTE, frame)));
        News { frames, samples, errors, costs }
    }
}

impl State {
    /// Keeps what is worth it, and says of errors which sample shows them.
    fn keep(&mut self, offered: Vec<(Reason, Operation)>, at: Timestamp) {
        for (reason, operation) in offered {
            let began = at - (Ticks::now() - operation.started());
            let Some(id) = self.samples.offer(reason, &operation, began) else { continue };
            if reason == Reason::Failed {
                let record = operation.record();
                let (kind, message) = record.fault();
                let key = ErrorKey { operation: self.keys.name(record.name), kind: kind.into(), message };
                self.errors.set_sample(&key, &id);
            }
        }
    }
}

fn budget_of_time(budget: &Budget) -> Option<Duration> {
    [budget.p99, budget.run].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Operation, OperationKind, Outcome};

    fn close(recorder: &Recorder, name: &str, outcome: Outcome) {
        Operation::open(OperationKind::Request, name, recorder).close(outcome);
    }

    #[tokio::test]
    async fn what_fails_is_grouped_and_a_sample_shows_it() {
        let recorder = Recorder::new(8);
        let insight = Insight::new(&recorder, &Clock::real(), "1.0");
        for number in 0..50 {
            let operation = Operation::open(OperationKind::Job, "send", &recorder);
            operation.set_error(&crate::error::Error::invalid(format!("no user {number}")));
            operation.close(Outcome::Failed);
        }
        insight.collect();
        let snapshot = insight.snapshot(Duration::from_secs(10));
        let group = &snapshot.errors[0];
        assert_eq!((group.kind.as_str(), group.message.as_str(), group.count), ("invalid", "no user #", 50));
        let sample = insight.sample(group.sample.as_deref().expect("was kept")).await.expect("is there");
        assert_eq!((sample.error.as_deref(), sample.outcome.as_str()), (Some("no user #"), "failed"));
        assert!(snapshot.operations[0].samples.contains(&sample.id));
        assert_eq!(insight.samples(&SampleFilter { limit: 3, ..SampleFilter::default() }).await.len(), 3);
    }

    #[test]
    fn what_is_closed_is_in_the_next_snapshot() {
        let recorder = Recorder::new(8);
        let insight = Insight::new(&recorder, &Clock::real(), "1.0");
        for _ in 0..100 {
            close(&recorder, "GET /a", Outcome::Status(200));
            close(&recorder, "POST /b", Outcome::Status(500));
        }
        insight.collect();
        let snapshot = insight.snapshot(Duration::from_secs(10));
        let found: Vec<_> = snapshot.operations.iter().map(|operation| &operation.name[..]).collect();
        assert_eq!((found.len(), snapshot.build.as_str()), (2, "1.0"), "{found:?}");
        let failing = snapshot.operations.iter().find(|operation| operation.name == "POST /b").expect("is there");
        assert_eq!((failing.all.count, failing.all.failed, failing.reads_only), (100, 100, Some(false)));
        assert_eq!(failing.all.account.booked(), failing.all.account.wall);
        assert!(failing.p50 > 0 && failing.p50 <= failing.p99 && failing.p99 <= failing.max, "{failing:?}");
    }
}
