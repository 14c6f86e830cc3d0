//! Whether one Operation kept its budget, and the table that knows whose budget is which.

use super::{Budget, Operation, OperationKind};
use crate::clock::Ticks;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One thing that a [`Budget`] limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// How long it takes: `p99` of a request, `run` of a job.
    Time,
    /// Queries.
    Queries,
    /// Bytes from the heap.
    Allocated,
    /// How long a job lies in its queue.
    Wait,
    /// Attempts after the first one.
    Retries,
}

impl Promise {
    /// The name in metrics and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Promise::Time => "time",
            Promise::Queries => "queries",
            Promise::Allocated => "allocated",
            Promise::Wait => "wait",
            Promise::Retries => "retries",
        }
    }

    /// Whether it is the same in every run, so that a test may fail of it; time depends on the machine.
    pub fn is_deterministic(self) -> bool {
        matches!(self, Promise::Queries | Promise::Allocated)
    }
}

/// A promise that one Operation did not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub promise: Promise,
    /// What it took: nanoseconds, queries or bytes.
    pub was: u64,
    /// What was promised.
    pub limit: u64,
}

impl fmt::Display for Broken {
    /// `queries=9/6`, `time=180ms/80ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, was, limit) = (self.promise.as_str(), self.was, self.limit);
        match self.promise {
            Promise::Time | Promise::Wait => write!(f, "{name}={}ms/{}ms", was / 1_000_000, limit / 1_000_000),
            Promise::Allocated => write!(f, "{name}={}kB/{}kB", was.div_ceil(1024), limit / 1024),
            Promise::Queries | Promise::Retries => write!(f, "{name}={was}/{limit}"),
        }
    }
}

/// What one Operation took of what a budget limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// How long it took, or has taken so far.
    pub time: Duration,
    /// Runs of queries.
    pub queries: u64,
    /// Bytes from the heap; zero where the program does not count them.
    pub allocated: u64,
    /// How long it lay in its queue.
    pub queued: Duration,
    /// How often it was tried before.
    pub retries: u64,
}

impl Spent {
    /// What `operation` took; until now when it is still open.
    pub fn by(operation: &Operation) -> Self {
        let record = operation.record();
        let open = record.outcome == super::Outcome::Open;
        let time = if open { Ticks::now() - operation.started() } else { record.duration };
        let (queries, allocated) = (record.query_count, record.allocated);
        Self { time, queries, allocated, queued: record.queued, retries: record.retries }
    }
}

impl Operation {
    /// The promises of its name that it does not keep.
    pub fn broken_promises(&self) -> Vec<Broken> {
        let budget = self.record().name.budget();
        budget.map(|budget| budget.broken_by(&Spent::by(self))).unwrap_or_default()
    }
}

impl Budget {
    /// The promises that are not kept by this one.
    pub fn broken_by(&self, spent: &Spent) -> Vec<Broken> {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let checks = [
            (Promise::Time, nanoseconds(spent.time), self.p99.or(self.run).map(nanoseconds)),
            (Promise::Queries, spent.queries, self.queries),
            (Promise::Allocated, spent.allocated, self.allocated),
            (Promise::Wait, nanoseconds(spent.queued), self.wait.map(nanoseconds)),
            (Promise::Retries, spent.retries, self.retries),
        ];
        let broken = |(promise, was, limit): (Promise, u64, Option<u64>)| {
            limit.filter(|limit| was > *limit).map(|limit| Broken { promise, was, limit })
        };
        checks.into_iter().filter_map(broken).collect()
    }
}

/// The budgets of an application by kind and name of Operation. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Budgets(Arc<BTreeMap<OperationKind, HashMap<String, Budget>>>);

impl Budgets {
    /// The table of these.
    pub fn new(budgets: impl IntoIterator<Item = (OperationKind, String, Budget)>) -> Self {
        let mut table: BTreeMap<OperationKind, HashMap<String, Budget>> = BTreeMap::new();
        for (kind, name, budget) in budgets {
            table.entry(kind).or_default().insert(name, budget);
        }
        Self(Arc::new(table))
    }

    /// What Operations of this name promise.
    pub fn get(&self, kind: OperationKind, name: &str) -> Option<Budget> {
        self.0.get(&kind)?.get(name).copied()
    }

    /// All of them by kind and name, in order.
    pub fn all(&self) -> Vec<(OperationKind, &str, Budget)> {
        let named = |(kind, names): (&OperationKind, _)| {
            let names: &HashMap<String, Budget> = names;
            let kind = *kind;
            names.iter().map(move |(name, budget)| (kind, name.as_str(), *budget)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.0.iter().flat_map(named).collect();
        all.sort_by_key(|(kind, name, _)| (*kind, *name));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{kb, ms};

    #[test]
    fn what_is_beyond_is_named_with_what_was_promised() {
        let budget = Budget::p99(ms(80)).queries(6).allocated(kb(512));
        let spent = Spent { time: ms(180), queries: 9, allocated: kb(512), ..Spent::default() };
        let broken: Vec<String> = budget.broken_by(&spent).iter().map(Broken::to_string).collect();
        assert_eq!(broken, ["time=180ms/80ms", "queries=9/6"]);
        assert!(Budget::new().broken_by(&spent).is_empty(), "nothing that is not said is promised");
    }

    #[test]
    fn the_table_knows_kinds_apart() {
        let table = Budgets::new([(OperationKind::Job, "a".to_owned(), Budget::new().run(ms(5)))]);
        assert_eq!(table.get(OperationKind::Job, "a").and_then(|budget| budget.run), Some(ms(5)));
        assert_eq!(table.get(OperationKind::Request, "a"), None);
    }
}
