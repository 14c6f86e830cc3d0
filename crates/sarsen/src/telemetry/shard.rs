//! What one thread recorded: a shard for each name, which this thread alone writes and the collector reads.

use super::cause::{Cause, Cell, key_of, others_key};
use super::counters::{Counters, OverValues, SumValues, over, part, sum};
use super::histogram::{BUCKETS, Histogram, bucket_of};
use super::operation::Outcome;
use super::record::Record;
use super::sampling::Sampling;
use super::snapshot::Reason;
use super::{KINDS, Leaf, WaitKind};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most causes of one name that a thread keeps apart; then the rarest gives way.
pub(crate) const MAX_CAUSES: usize = 512;
/// Most cells of one name, those that gave way and were not read yet included.
const MAX_CELLS: usize = 2 * MAX_CAUSES;
/// Most cells of a recorder.
pub(crate) const MAX_ALL_CAUSES: usize = 20_000;
/// Most errors that a thread tells apart between two looks of the collector.
const MAX_ERRORS: usize = 200;
/// So many runs of a query one after another in one Operation are a repetition.
pub(crate) const REPEATED: u32 = 5;
/// Two waits that follow so closely could as well have run at the same time, if the second does not need the first.
const GAP: u64 = 1_000_000;
/// How often a reader looks again before it takes what is half written.
const LOOKS: usize = 1_000;

/// The histogram, the sums and the peaks of one name on one thread: less than 4 kB.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Odd while the thread writes.
    turn: AtomicU32,
    histogram: [AtomicU32; BUCKETS],
    all: Counters<{ sum::ALL }>,
    tail: Counters<{ sum::ALL }>,
    over: Counters<{ over::ALL }>,
    peaks: [Peaks; 2],
    causes: Mutex<Vec<Arc<Cell>>>,
}

/// The longest Operation, the longest poll, and the longest poll of a slow one.
#[derive(Debug, Default)]
struct Peaks {
    tick: AtomicU32,
    longest: [AtomicU64; 3],
}

/// What was read from a shard.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub(crate) histogram: [u32; BUCKETS],
    pub(crate) all: SumValues,
    pub(crate) tail: SumValues,
    pub(crate) over: OverValues,
}

impl Default for Totals {
    fn default() -> Self {
        let (all, tail, over) = Default::default();
        Self { histogram: [0; BUCKETS], all, tail, over }
    }
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Totals) {
        self.each_bucket(other, u32::wrapping_add);
        self.all.add(&other.all);
        self.tail.add(&other.tail);
        self.over.add(&other.over);
    }

    pub(crate) fn subtract(&mut self, other: &Totals) {
        self.each_bucket(other, u32::wrapping_sub);
        self.all.subtract(&other.all);
        self.tail.subtract(&other.tail);
        self.over.subtract(&other.over);
    }

    fn each_bucket(&mut self, other: &Totals, with: impl Fn(u32, u32) -> u32) {
        for (mine, theirs) in self.histogram.iter_mut().zip(&other.histogram) {
            *mine = with(*mine, *theirs);
        }
    }

    /// The buckets that are not empty.
    pub(crate) fn counts(&self) -> Histogram {
        let counts = self.histogram.iter().enumerate().filter(|(_, count)| **count > 0);
        Histogram { counts: counts.map(|(bucket, count)| (bucket as u16, u64::from(*count))).collect() }
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            turn: AtomicU32::new(0),
            histogram: [const { AtomicU32::new(0) }; BUCKETS],
            all: Counters::default(),
            tail: Counters::default(),
            over: Counters::default(),
            peaks: Default::default(),
            causes: Mutex::default(),
        }
    }

    pub(crate) fn causes(&self) -> MutexGuard<'_, Vec<Arc<Cell>>> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything was written since it stood at `count`.
    pub(crate) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Relaxed)
    }

    /// All of it at one moment, between two Operations.
    pub(crate) fn read(&self) -> Totals {
        for _ in 0..LOOKS {
            let before = self.turn.load(Ordering::Acquire);
            let totals = self.read_anyhow();
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == before {
                return totals;
            }
            // Who writes may have lost its core in the middle: it gets this one.
            std::thread::yield_now();
        }
        // What is torn here is made up for by the next look: nothing is lost.
        self.read_anyhow()
    }

    fn read_anyhow(&self) -> Totals {
        Totals {
            histogram: std::array::from_fn(|bucket| self.histogram[bucket].load(Ordering::Relaxed)),
            all: self.all.read(),
            tail: self.tail.read(),
            over: self.over.read(),
        }
    }

    /// The peaks of a tick that is over.
    pub(crate) fn peaks_of(&self, tick: u32) -> [u64; 3] {
        let peaks = &self.peaks[tick as usize & 1];
        let current = peaks.tick.load(Ordering::Relaxed) == tick;
        std::array::from_fn(|place| if current { peaks.longest[place].load(Ordering::Relaxed) } else { 0 })
    }

    /// Adds one Operation; only the thread that owns the shard may.
    fn book(&self, record: &Record, moment: Moment) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let bucket = &self.histogram[bucket_of(record.account.wall)];
        bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        add_sums(&self.all, record);
        if moment.slow {
            add_sums(&self.tail, record);
        }
        if record.name.budget().is_some() {
            self.note_over(record);
        }
        self.note_peaks(record, moment);
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }

    fn note_peaks(&self, record: &Record, Moment { slow, tick }: Moment) {
        let peaks = &self.peaks[tick as usize & 1];
        if peaks.tick.load(Ordering::Relaxed) != tick {
            peaks.longest.iter().for_each(|longest| longest.store(0, Ordering::Relaxed));
            peaks.tick.store(tick, Ordering::Relaxed);
        }
        let poll = record.account.longest_poll;
        for (longest, value) in peaks.longest.iter().zip([record.account.wall, poll, if slow { poll } else { 0 }]) {
            if value > longest.load(Ordering::Relaxed) {
                longest.store(value, Ordering::Relaxed);
            }
        }
    }

    fn note_over(&self, record: &Record) {
        let Some(budget) = record.name.budget() else { return };
        let longer = |limit: Option<std::time::Duration>, than: u64| {
            limit.is_some_and(|limit| u128::from(than) > limit.as_nanos())
        };
        let more = |limit: Option<u64>, than: u64| limit.is_some_and(|limit| than > limit);
        let wall = record.account.wall;
        let counts = [
            (over::TIME, longer(budget.p99, wall) || longer(budget.run, wall)),
            (over::QUERIES, more(budget.queries, record.query_count)),
            (over::ALLOCATED, more(budget.allocated, record.allocated)),
            (over::WAIT, budget.wait.is_some_and(|limit| record.queued > limit)),
            (over::RETRIES, more(budget.retries, record.retries)),
        ];
        for (place, broken) in counts {
            self.over.add(place, u64::from(broken));
        }
    }
}

fn add_sums(sums: &Counters<{ sum::ALL }>, record: &Record) {
    let account = &record.account;
    sums.add(sum::COUNT, 1);
    sums.add(sum::FAILED, u64::from(record.has_failed()));
    sums.add(sum::CANCELLED, u64::from(record.outcome == Outcome::Cancelled));
    sums.add(sum::CPU, record.cpu);
    sums.add(sum::CPU_WALL, record.cpu_wall);
    sums.add(sum::QUERIES, record.query_count);
    sums.add(sum::ALLOCATED, record.allocated);
    sums.add(sum::KEPT, record.kept.cast_unsigned());
    sums.add(sum::QUEUED, u64::try_from(record.queued.as_nanos()).unwrap_or(u64::MAX));
    sums.add(sum::BYTES_OUT, record.bytes_out);
    sums.add(sum::WALL, account.wall);
    sums.add(sum::ON_CPU, account.on_cpu);
    sums.add(sum::RUNNABLE, account.runnable);
    sums.add(sum::OTHER, account.other);
    sums.add(sum::POLLS, account.polls);
    // What only computes has waited for nothing.
    if account.wall == account.on_cpu + account.runnable + account.other {
        return;
    }
    for kind in (0..KINDS).filter(|kind| account.wait[*kind] | account.sync[*kind] | account.critical[*kind] != 0) {
        sums.add(sum::of_kind(sum::WAIT, kind), account.wait[kind]);
        sums.add(sum::of_kind(sum::SYNC, kind), account.sync[kind]);
        sums.add(sum::of_kind(sum::CRITICAL, kind), account.critical[kind]);
    }
}

/// What one thread shares with the collector.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// By the index of the name.
    shards: Mutex<Vec<(usize, Arc<Shard>)>>,
    /// The thread is gone.
    pub(crate) ended: AtomicBool,
    /// What failed since the collector looked, by name and words.
    errors: Mutex<HashMap<ErrorKey, u64>>,
}

/// What failed: the index of the name, the kind, and what it said.
pub(crate) type ErrorKey = (usize, &'static str, String);

impl Shared {
    /// Takes what failed.
    pub(crate) fn take_errors(&self) -> HashMap<ErrorKey, u64> {
        std::mem::take(&mut self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cold]
    fn add_error(&self, record: &Record) {
        let (kind, message) = record.fault();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (record.name.index(), kind, message);
        let full = errors.len() >= MAX_ERRORS && !errors.contains_key(&key);
        let key = if full { (key.0, kind, super::name::OTHERS.to_owned()) } else { key };
        *errors.entry(key).or_default() += 1;
    }

    pub(crate) fn shards(&self) -> MutexGuard<'_, Vec<(usize, Arc<Shard>)>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one thread keeps for one recorder.
#[derive(Debug)]
pub(crate) struct Local {
    shared: Arc<Shared>,
    /// By the index of the name.
    places: Vec<Option<Place>>,
    /// Texts with parameters that the Operation at hand ran already.
    seen: HashSet<u64, BuildHasherDefault<AsItIs>>,
    /// Cells of all threads of the recorder.
    cells: Arc<AtomicUsize>,
}

/// One name, for the thread that writes.
#[derive(Debug)]
struct Place {
    shard: Arc<Shard>,
    causes: HashMap<u64, Known, BuildHasherDefault<AsItIs>>,
    /// Which Operation of this name it is.
    number: u64,
    sampling: Sampling,
}

/// One cause, and how often it came in the Operation at hand.
#[derive(Debug)]
struct Known {
    cell: Arc<Cell>,
    number: u64,
    calls: u64,
    /// Those that followed one another, and where the last one ended.
    row: u32,
    to: u64,
}

impl Local {
    pub(crate) fn new(cells: &Arc<AtomicUsize>) -> Self {
        Self { shared: Arc::default(), places: Vec::new(), seen: HashSet::default(), cells: cells.clone() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Adds one Operation and its leaves; says why it is worth keeping whole, if it is.
    #[inline]
    pub(crate) fn book(&mut self, record: &Record, moment: Moment) -> Option<Reason> {
        let index = record.name.index();
        if !matches!(self.places.get(index), Some(Some(_))) {
            self.add_place(index);
        }
        let Some(Some(place)) = self.places.get_mut(index) else { return None };
        place.shard.book(record, moment);
        place.number += 1;
        let mut before = None;
        for leaf in &record.leaves {
            // One alone is no copy of another.
            let seen = if record.leaves.len() > 1 { Some(&mut self.seen) } else { None };
            place.book_leaf(leaf, before, seen, &self.cells, moment);
            before = Some(leaf);
        }
        if !self.seen.is_empty() {
            self.seen.clear();
        }
        if record.has_failed() {
            self.shared.add_error(record);
        }
        place.sampling.choose(record, moment.slow, moment.tick)
    }

    #[cold]
    fn add_place(&mut self, index: usize) {
        let shard = Arc::new(Shard::new());
        self.shared.shards().push((index, shard.clone()));
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        self.places[index] =
            Some(Place { shard, causes: HashMap::default(), number: 0, sampling: Sampling::default() });
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

/// When something is booked, and whether its Operation was slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) slow: bool,
    pub(crate) tick: u32,
}

type Seen = HashSet<u64, BuildHasherDefault<AsItIs>>;

impl Place {
    fn book_leaf(
        &mut self,
        leaf: &Leaf,
        before: Option<&Leaf>,
        seen: Option<&mut Seen>,
        cells: &AtomicUsize,
        moment: Moment,
    ) {
        let (key, number) = (key_of(leaf), self.number);
        let is_known = self.causes.get(&key).is_some_and(|known| !known.cell.ended.load(Ordering::Relaxed));
        let key = if is_known { key } else { self.add_cause(key, leaf, cells) };
        let Some(known) = self.causes.get_mut(&key) else { return };
        let counters = &known.cell.counters;
        if known.number != number {
            (known.number, known.calls, known.row, known.to) = (number, 0, 0, 0);
            counters.add(part::OPERATIONS, 1);
        }
        let wall = leaf.wall();
        known.calls += 1;
        known.row = if leaf.from >= known.to { known.row + 1 } else { 1 };
        known.to = leaf.to;
        counters.add(part::REPEATED, u64::from(known.row == REPEATED));
        counters.add(part::CALLS, 1);
        counters.add(part::SHARE, leaf.share);
        counters.add(part::CRITICAL, leaf.critical);
        counters.add(part::WALL, wall);
        counters.add(part::SYNC, if leaf.sync { leaf.share } else { 0 });
        counters.add(part::TAIL_SHARE, if moment.slow { leaf.share } else { 0 });
        if leaf.holding {
            counters.add(part::HOLDING, 1);
            counters.add(part::HOLDING_WALL, wall);
        }
        counters.add(part::AFTER_ANOTHER, before.map_or(0, |before| beside(leaf, before)));
        known.cell.note_most(moment.tick, known.calls);
        let Some(query) = &leaf.query else { return };
        counters.add(part::ROWS, query.rows);
        counters.add(part::FAILED, u64::from(query.failed));
        known.cell.note_parameters(moment.tick, query.parameters);
        if let Some(seen) = seen {
            let same = !seen.insert(query.statement.fingerprint ^ query.parameters.rotate_left(17));
            counters.add(part::IDENTICAL, u64::from(same));
        }
    }

    /// Makes room for a cause, and says under which key it is counted: where there is no room, as one of the others.
    #[cold]
    fn add_cause(&mut self, key: u64, leaf: &Leaf, cells: &AtomicUsize) -> u64 {
        let shard = self.shard.clone();
        let mut listed = shard.causes();
        self.causes.retain(|_, known| !known.cell.ended.load(Ordering::Relaxed));
        let full = listed.len() >= MAX_CELLS || cells.load(Ordering::Relaxed) >= MAX_ALL_CAUSES;
        let (key, cause) = if full {
            let key = others_key(leaf.kind);
            (key, Cause::others(key, leaf.kind))
        } else {
            (key, Cause::of(key, leaf))
        };
        if self.causes.contains_key(&key) {
            return key;
        }
        if self.causes.len() >= MAX_CAUSES {
            self.end_the_rarest();
        }
        let cell = Arc::new(Cell::new(cause));
        listed.push(cell.clone());
        cells.fetch_add(1, Ordering::Relaxed);
        self.causes.insert(key, Known { cell, number: 0, calls: 0, row: 0, to: 0 });
        key
    }

    /// The cell stays until the collector has read it, so nothing that was counted is lost.
    fn end_the_rarest(&mut self) {
        let all = self.causes.iter().filter(|(key, known)| **key != others_key(known.cell.cause.kind));
        let rarest = all.min_by_key(|(_, known)| known.cell.counters.get(part::CALLS)).map(|(key, _)| *key);
        if let Some(known) = rarest.and_then(|key| self.causes.remove(&key)) {
            known.cell.ended.store(true, Ordering::Release);
        }
    }
}

/// What would have been saved had the two run at the same time.
fn beside(leaf: &Leaf, before: &Leaf) -> u64 {
    let writes = |leaf: &Leaf| leaf.query.as_ref().is_some_and(|query| query.statement.writes);
    let outside = |kind| matches!(kind, WaitKind::Http | WaitKind::Mail | WaitKind::Cache | WaitKind::Database);
    let close = leaf.from >= before.to && leaf.from - before.to < GAP;
    if !close || !outside(leaf.kind) || !outside(before.kind) || writes(leaf) || writes(before) {
        return 0;
    }
    leaf.wall().min(before.wall())
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
