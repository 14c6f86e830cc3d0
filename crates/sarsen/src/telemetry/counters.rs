//! Rows of counters with one writer: what a thread adds up, another one reads, without a lock or a locked instruction.

use super::account::{Account, KINDS};
use super::snapshot::{CauseSpan, Over, Sums};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that one thread writes, and any may read.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Counters<N> {
    /// Adds to one of them; only the thread that owns them may.
    #[inline]
    pub(crate) fn add(&self, place: usize, value: u64) {
        if value != 0 {
            let counter = &self.0[place];
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
        }
    }

    /// One of them.
    pub(crate) fn get(&self, place: usize) -> u64 {
        self.0[place].load(Ordering::Relaxed)
    }

    /// All of them as they stand.
    pub(crate) fn read(&self) -> Values<N> {
        Values(std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed)))
    }
}

/// What counters stood at, or by how much they rose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Values<const N: usize>(pub(crate) [u64; N]);

impl<const N: usize> Default for Values<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Values<N> {
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.wrapping_add(*theirs);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.wrapping_sub(*theirs);
        }
    }
}

/// The counters of [`Sums`], by place. What has a place keeps it: the store holds them by number.
pub(crate) mod sum {
    use super::KINDS;
    pub(crate) const COUNT: usize = 0;
    pub(crate) const FAILED: usize = 1;
    pub(crate) const CANCELLED: usize = 2;
    pub(crate) const CPU: usize = 3;
    pub(crate) const CPU_WALL: usize = 4;
    pub(crate) const QUERIES: usize = 5;
    pub(crate) const ALLOCATED: usize = 6;
    /// As a signed number.
    pub(crate) const KEPT: usize = 7;
    pub(crate) const QUEUED: usize = 8;
    pub(crate) const BYTES_OUT: usize = 9;
    pub(crate) const WALL: usize = 10;
    pub(crate) const ON_CPU: usize = 11;
    pub(crate) const RUNNABLE: usize = 12;
    pub(crate) const OTHER: usize = 13;
    pub(crate) const POLLS: usize = 14;
    /// By kind; see [`of_kind`].
    pub(crate) const WAIT: usize = 15;
    pub(crate) const SYNC: usize = WAIT + FIRST;
    pub(crate) const CRITICAL: usize = SYNC + FIRST;
    /// Three places for each kind that came later.
    const LATER: usize = CRITICAL + FIRST;
    pub(crate) const ALL: usize = LATER + 3 * (KINDS - FIRST);
    /// The kinds that there were when the first stores were written.
    const FIRST: usize = 14;

    /// The place of a kind in `WAIT`, `SYNC` or `CRITICAL`.
    pub(crate) const fn of_kind(list: usize, kind: usize) -> usize {
        if kind < FIRST { list + kind } else { LATER + 3 * (kind - FIRST) + (list - WAIT) / FIRST }
    }
}

/// The sums of one name.
pub(crate) type SumValues = Values<{ sum::ALL }>;

impl SumValues {
    /// As the snapshot has them.
    pub(crate) fn sums(&self, longest_poll: u64) -> Sums {
        let of = |place: usize| self.0[place];
        let kinds = |from: usize| std::array::from_fn(|kind| self.0[sum::of_kind(from, kind)]);
        Sums {
            count: of(sum::COUNT),
            failed: of(sum::FAILED),
            cancelled: of(sum::CANCELLED),
            account: Account {
                wall: of(sum::WALL),
                on_cpu: of(sum::ON_CPU),
                runnable: of(sum::RUNNABLE),
                other: of(sum::OTHER),
                wait: kinds(sum::WAIT),
                sync: kinds(sum::SYNC),
                critical: kinds(sum::CRITICAL),
                polls: of(sum::POLLS),
                longest_poll,
            },
            cpu: of(sum::CPU),
            cpu_wall: of(sum::CPU_WALL),
            queries: of(sum::QUERIES),
            allocated: of(sum::ALLOCATED),
            kept: of(sum::KEPT).cast_signed(),
            queued: of(sum::QUEUED),
            bytes_out: of(sum::BYTES_OUT),
        }
    }
}

/// How often each promise was broken, by place.
pub(crate) mod over {
    pub(crate) const TIME: usize = 0;
    pub(crate) const QUERIES: usize = 1;
    pub(crate) const ALLOCATED: usize = 2;
    pub(crate) const WAIT: usize = 3;
    pub(crate) const RETRIES: usize = 4;
    pub(crate) const ALL: usize = 5;
}

/// How often each promise of one name was broken.
pub(crate) type OverValues = Values<{ over::ALL }>;

impl OverValues {
    pub(crate) fn over(&self) -> Over {
        let of = |place: usize| self.0[place];
        Over {
            time: of(over::TIME),
            queries: of(over::QUERIES),
            allocated: of(over::ALLOCATED),
            wait: of(over::WAIT),
            retries: of(over::RETRIES),
        }
    }
}

/// The counters of [`CauseSpan`], by place. What has a place keeps it: the store holds them by number.
pub(crate) mod part {
    pub(crate) const CALLS: usize = 0;
    pub(crate) const OPERATIONS: usize = 1;
    pub(crate) const REPEATED: usize = 2;
    pub(crate) const IDENTICAL: usize = 3;
    pub(crate) const SHARE: usize = 4;
    pub(crate) const CRITICAL: usize = 5;
    pub(crate) const WALL: usize = 6;
    pub(crate) const SYNC: usize = 7;
    pub(crate) const TAIL_SHARE: usize = 8;
    pub(crate) const ROWS: usize = 9;
    pub(crate) const EXAMINED: usize = 10;
    pub(crate) const FAILED: usize = 11;
    pub(crate) const HOLDING: usize = 12;
    pub(crate) const HOLDING_WALL: usize = 13;
    pub(crate) const AFTER_ANOTHER: usize = 14;
    pub(crate) const ALL: usize = 15;
}

/// The counters of one cause.
pub(crate) type CauseValues = Values<{ part::ALL }>;

impl CauseValues {
    /// Writes them into `span`.
    pub(crate) fn fill(&self, span: &mut CauseSpan) {
        let of = |place: usize| self.0[place];
        (span.calls, span.operations) = (of(part::CALLS), of(part::OPERATIONS));
        (span.repeated, span.identical) = (of(part::REPEATED), of(part::IDENTICAL));
        (span.share, span.critical, span.wall) = (of(part::SHARE), of(part::CRITICAL), of(part::WALL));
        (span.sync, span.tail_share) = (of(part::SYNC), of(part::TAIL_SHARE));
        (span.rows, span.examined, span.failed) = (of(part::ROWS), of(part::EXAMINED), of(part::FAILED));
        (span.while_holding, span.while_holding_wall) = (of(part::HOLDING), of(part::HOLDING_WALL));
        span.after_another = of(part::AFTER_ANOTHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_places_of_its_own_and_keeps_them() {
        let lists = [sum::WAIT, sum::SYNC, sum::CRITICAL];
        let mut places: Vec<usize> =
            lists.iter().flat_map(|list| (0..KINDS).map(|kind| sum::of_kind(*list, kind))).collect();
        places.sort_unstable();
        assert_eq!(places, (sum::WAIT..sum::ALL).collect::<Vec<_>>());
        // As stores have them that were written when there were 14 kinds.
        assert_eq!(
            [sum::of_kind(sum::WAIT, 13), sum::of_kind(sum::SYNC, 0), sum::of_kind(sum::CRITICAL, 13)],
            [28, 29, 56]
        );
    }
}
