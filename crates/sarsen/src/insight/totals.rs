//! What was added up since the process began, by name: it only rises, as metrics must.

use crate::clock::{Ticks, Timestamp};
use crate::telemetry::{Collected, Histogram, Name, OTHERS, Operation, OverValues, SumValues, Trace, WaitKind, part};
use std::collections::{BTreeMap, HashMap};

/// Operations of one name since the process began.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) name: Name,
    pub(crate) all: SumValues,
    pub(crate) over: OverValues,
    /// How many took how long.
    pub(crate) histogram: Histogram,
    /// Nanoseconds in queries, each counted whole, also where several ran at once.
    pub(crate) query_time: u64,
    /// The last one that was kept whole, by the binary logarithm of its nanoseconds.
    pub(crate) examples: BTreeMap<u32, Example>,
}

/// One Operation among many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    pub(crate) trace: Trace,
    /// How long it took, in nanoseconds.
    pub(crate) took: u64,
    pub(crate) ended: Timestamp,
}

impl Total {
    fn of(name: Name) -> Self {
        let (all, over, histogram) = Default::default();
        Self { name, all, over, histogram, query_time: 0, examples: BTreeMap::new() }
    }

    fn show(&mut self, operation: &Operation, now: Timestamp) {
        let duration = operation.record().duration;
        let took = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1);
        let ended = now - (Ticks::now() - operation.started()).saturating_sub(duration);
        self.examples.insert(took.ilog2(), Example { trace: *operation.trace(), took, ended });
    }
}

/// All names, by their places.
#[derive(Debug, Default)]
pub(super) struct Totals(HashMap<usize, Total>);

impl Totals {
    /// Adds what rose since the last look; what was kept whole meanwhile are the examples.
    pub(super) fn add(&mut self, collected: &Collected, now: Timestamp) {
        for delta in &collected.names {
            let total = self.of(delta.name);
            total.all.add(&delta.all);
            total.over.add(&delta.over);
            total.histogram.add(&delta.histogram);
        }
        for delta in &collected.causes {
            let (cause, many) = (&delta.cause, &*delta.cause.label == OTHERS);
            if cause.query.is_some() || cause.kind == WaitKind::Database && many {
                self.of(delta.name).query_time += delta.values.0[part::WALL];
            }
        }
        for (_, operation) in &collected.kept {
            let name = operation.record().name;
            self.of(name).show(operation, now);
        }
    }

    fn of(&mut self, name: Name) -> &mut Total {
        self.0.entry(name.index()).or_insert_with(|| Total::of(name))
    }

    /// Those of which any was closed.
    pub(super) fn all(&self) -> Vec<Total> {
        self.0.values().cloned().collect()
    }
}
