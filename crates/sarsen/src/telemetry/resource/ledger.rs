//! Time by name of Operation, counted up for ever without a lock; readers take differences.

use super::named::{MOST_NAMES, Named};
use crate::telemetry::Held;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// One row of a [`Ledger`].
#[derive(Debug, Default)]
struct Entry {
    time: AtomicU64,
    times: AtomicU64,
}

/// Names that get their rows together.
const CHUNK: usize = 256;
const CHUNKS: usize = MOST_NAMES / CHUNK;

/// Nanoseconds and occasions by name; rows are made when one of their chunk is needed.
#[derive(Debug)]
pub(super) struct Ledger([OnceLock<Box<[Entry]>>; CHUNKS]);

/// What a ledger said when it was read last.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(u64, u64)>);

impl Ledger {
    pub(super) fn new() -> Self {
        Self([const { OnceLock::new() }; CHUNKS])
    }

    #[inline]
    fn entry(&self, name: Named) -> &Entry {
        let chunk = self.0[name.index() / CHUNK].get_or_init(|| (0..CHUNK).map(|_| Entry::default()).collect());
        &chunk[name.index() % CHUNK]
    }

    /// Adds from any thread.
    #[inline]
    pub(super) fn add(&self, name: Named, time: u64, times: u64) {
        let entry = self.entry(name);
        entry.time.fetch_add(time, Ordering::Relaxed);
        entry.times.fetch_add(times, Ordering::Relaxed);
    }

    /// Adds from the one thread that ever writes to it: cheaper.
    #[inline]
    pub(super) fn add_alone(&self, name: Named, time: u64) {
        let entry = self.entry(name);
        entry.time.store(entry.time.load(Ordering::Relaxed) + time, Ordering::Relaxed);
        entry.times.store(entry.times.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds what it says to `sums`.
    pub(super) fn add_to(&self, sums: &mut Vec<(u64, u64)>) {
        for (number, chunk) in self.0.iter().enumerate().filter_map(|(number, chunk)| Some((number, chunk.get()?))) {
            let first = number * CHUNK;
            sums.resize(sums.len().max(first + CHUNK), (0, 0));
            for (entry, sum) in chunk.iter().zip(&mut sums[first..]) {
                sum.0 += entry.time.load(Ordering::Relaxed);
                sum.1 += entry.times.load(Ordering::Relaxed);
            }
        }
    }
}

impl Known {
    /// What came since the last time, most first; `sums` is what is known then.
    pub(super) fn since(&mut self, sums: Vec<(u64, u64)>) -> Vec<Held> {
        let before = std::mem::replace(&mut self.0, sums);
        let rows = self.0.iter().enumerate().map(|(index, now)| {
            let then = before.get(index).copied().unwrap_or_default();
            (index, now.0.saturating_sub(then.0), now.1.saturating_sub(then.1))
        });
        let mut rows: Vec<_> = rows.filter(|(_, time, times)| *time > 0 || *times > 0).collect();
        rows.sort_by_key(|(_, time, _)| std::cmp::Reverse(*time));
        rows.into_iter().map(|(index, time, times)| Held { operation: Named::at(index).name(), time, times }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::OperationKind;

    #[test]
    fn a_reader_sees_what_came_since_it_looked_last() {
        let (ledger, mut known) = (Ledger::new(), Known::default());
        let (quick, slow) = (Named::of(OperationKind::Job, "quick"), Named::of(OperationKind::Job, "slow"));
        let mut read = || {
            let mut sums = Vec::new();
            ledger.add_to(&mut sums);
            known.since(sums).into_iter().map(|held| (held.operation.1, held.time, held.times)).collect::<Vec<_>>()
        };
        ledger.add(quick, 5, 1);
        ledger.add_alone(slow, 70);
        assert_eq!(read(), [("slow".to_owned(), 70, 1), ("quick".to_owned(), 5, 1)]);
        ledger.add(quick, 6, 0);
        assert_eq!(read(), [("quick".to_owned(), 6, 0)]);
        assert_eq!(read(), []);
    }
}
