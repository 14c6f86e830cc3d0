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

mod frame;
mod points;
mod row;
mod summary;
mod window;

pub use points::Point;

use crate::clock::{self, Clock};
use crate::lifecycle::Lifecycle;
use crate::telemetry::{Budget, Recorder, Snapshot};
use frame::{Gathered, Keys};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use summary::Budgets;
use window::Windows;

/// How often the collector looks.
const TICK: Duration = Duration::from_secs(1);

/// From so many Operations on, their p95 says which ones are slow.
const ENOUGH: u64 = 20;

/// What the application did lately. Clones are the same.
#[derive(Clone, Debug)]
pub struct Insight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recorder: Recorder,
    clock: Clock,
    build: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Keys,
    windows: Windows,
    last: Instant,
    ticks: u64,
    /// Snapshots since the last tick, by their span.
    made: Vec<(Duration, Arc<Snapshot>)>,
}

impl Insight {
    /// Looks at what `recorder` adds up, in the name of a build.
    pub fn new(recorder: &Recorder, clock: &Clock, build: impl Into<String>) -> Self {
        let state = State {
            keys: Keys::default(),
            windows: Windows::default(),
            last: clock::monotonic(),
            ticks: 0,
            made: Vec::new(),
        };
        let (recorder, clock, build) = (recorder.clone(), clock.clone(), build.into());
        Self(Arc::new(Inner { recorder, clock, build, state: Mutex::new(state) }))
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
        let snapshot = Arc::new(Snapshot { build: self.0.build.clone(), ..summary::snapshot(gathered, &budgets) });
        if state.made.len() < 8 {
            state.made.push((span, snapshot.clone()));
        }
        drop(state);
        Arc::unwrap_or_clone(snapshot)
    }

    fn budgets(&self) -> Budgets {
        let named = self.0.recorder.names().into_iter();
        named.filter_map(|name| Some(((name.kind(), name.as_str().to_owned()), *name.budget()?))).collect()
    }

    /// Takes in what was closed since the last time. The collector does it each second; a test does it before it looks.
    pub fn collect(&self) {
        let collected = self.0.recorder.collect();
        let mut state = self.state();
        let (now, at) = (clock::monotonic(), self.0.clock.now());
        let mut gathered = Gathered::of(collected, &mut state.keys);
        gathered.span = now - std::mem::replace(&mut state.last, now);
        let last = state.windows.now();
        let begun = at - gathered.span;
        (gathered.from, gathered.to) = (if state.ticks == 0 { begun } else { last.min(at) }, at);
        gathered.process.dropped = self.0.recorder.dropped();
        let names: Vec<_> = gathered.names.keys().cloned().collect();
        state.windows.push(gathered.frame());
        state.made.clear();
        state.ticks += 1;
        if state.ticks.is_multiple_of(60) {
            state.keys.forget();
        }
        self.set_limits(&state.windows, &names);
    }

    /// What is slow: above the budget, or above the p95 of the last ten seconds, whichever is less.
    fn set_limits(&self, windows: &Windows, names: &[Arc<frame::NameKey>]) {
        let mut gathered = Gathered::default();
        windows
            .last(windows.now(), Duration::from_secs(10))
            .into_iter()
            .for_each(|frame| gathered.add_histograms(frame));
        for name in self.0.recorder.names() {
            let Some(key) = names.iter().find(|key| key.is(name)) else { continue };
            let Some(row) = gathered.names.get(key) else { continue };
            let usual = (row.histogram.total() >= ENOUGH).then(|| row.histogram.quantile(0.95));
            let promised =
                name.budget().and_then(budget_of_time).map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
            if let Some(limit) = [usual, promised].into_iter().flatten().min() {
                self.0.recorder.set_slow_after(name, limit);
            }
        }
    }

    /// Collects each second until the application stops, and once more then.
    pub async fn run(self, lifecycle: Lifecycle) {
        loop {
            let stopping = clock::until(clock::monotonic() + TICK, lifecycle.stopping()).await.is_ok();
            self.collect();
            if stopping {
                return;
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
