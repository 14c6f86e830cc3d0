//! How the collector reads the shards: what rose since it looked last.

use super::cause::{Cause, Cell};
use super::counters::{CauseValues, OverValues, SumValues, part, sum};
use super::distinct::{self, REGISTERS, Registers};
use super::histogram::Histogram;
use super::name::Name;
use super::operation::Operation;
use super::shard::{Shard, Shared, Totals};
use super::snapshot::Reason;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks for which nothing came before a cause gives way.
const IDLE: u32 = 3_600;

/// What rose in a span of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collected {
    pub(crate) names: Vec<NameDelta>,
    pub(crate) causes: Vec<CauseDelta>,
    pub(crate) errors: Vec<ErrorDelta>,
    /// Operations that are worth keeping whole, and why.
    pub(crate) kept: Vec<(Reason, Operation)>,
}

/// How often Operations of one name failed in one way.
#[derive(Clone, Debug)]
pub(crate) struct ErrorDelta {
    pub(crate) name: Name,
    pub(crate) kind: &'static str,
    /// Without numbers, ids and values.
    pub(crate) message: String,
    pub(crate) count: u64,
}

/// By how much the sums of one name rose.
#[derive(Clone, Debug)]
pub(crate) struct NameDelta {
    pub(crate) name: Name,
    pub(crate) histogram: Histogram,
    pub(crate) all: SumValues,
    pub(crate) tail: SumValues,
    pub(crate) over: OverValues,
    /// The longest Operation, the longest poll, and the longest poll of a slow one.
    pub(crate) longest: [u64; 3],
    /// From where on one was slow; zero where that is not known.
    pub(crate) slow_after: u64,
}

/// By how much the sums of one cause rose.
#[derive(Clone, Debug)]
pub(crate) struct CauseDelta {
    pub(crate) name: Name,
    pub(crate) cause: Cause,
    pub(crate) values: CauseValues,
    pub(crate) most: u64,
    pub(crate) registers: Registers,
}

/// What was read last. A thread that ends takes its part out of it again.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    names: Vec<Option<Box<NameRead>>>,
}

#[derive(Debug, Default)]
struct NameRead {
    totals: Totals,
    turns: u64,
    causes: HashMap<u64, CauseRead>,
}

#[derive(Debug, Default)]
struct CauseRead {
    values: CauseValues,
    /// Looks since something came.
    idle: u32,
}

/// The shards of one name, and of those the ones whose thread is gone.
#[derive(Default)]
struct Shards {
    all: Vec<(Arc<Shard>, bool)>,
}

impl Reader {
    /// What rose since the last call, and the threads that were read for the last time.
    pub(crate) fn read(
        &mut self,
        threads: &[Arc<Shared>],
        names: &[Name],
        tick: u32,
        cells: &AtomicUsize,
    ) -> (Collected, Vec<Arc<Shared>>) {
        let ended: Vec<bool> = threads.iter().map(|thread| thread.ended.load(Ordering::Acquire)).collect();
        let mut by_name: Vec<Shards> = Vec::new();
        for (thread, ended) in threads.iter().zip(&ended) {
            for (index, shard) in thread.shards().iter() {
                if by_name.len() <= *index {
                    by_name.resize_with(index + 1, Shards::default);
                }
                by_name[*index].all.push((shard.clone(), *ended));
            }
        }
        if self.names.len() < by_name.len() {
            self.names.resize_with(by_name.len(), || None);
        }
        let mut collected = Collected::default();
        for ((shards, read), name) in by_name.iter().zip(&mut self.names).zip(names) {
            if !shards.all.is_empty() {
                read.get_or_insert_default().look(*name, shards, tick, cells, &mut collected);
            }
        }
        for ((index, kind, message), count) in threads.iter().flat_map(|thread| thread.take_errors()) {
            let name = names.get(index).copied();
            collected.errors.extend(name.map(|name| ErrorDelta { name, kind, message, count }));
        }
        let gone = threads.iter().zip(ended).filter(|(_, ended)| *ended).map(|(thread, _)| thread.clone());
        (collected, gone.collect())
    }
}

impl NameRead {
    fn look(&mut self, name: Name, shards: &Shards, tick: u32, cells: &AtomicUsize, collected: &mut Collected) {
        let turns = shards.all.iter().map(|(shard, _)| u64::from(shard.turn())).sum();
        let ended = shards.all.iter().any(|(_, ended)| *ended);
        if turns != self.turns || ended {
            self.turns = turns;
            self.look_at_totals(name, shards, tick, collected);
        }
        self.look_at_causes(name, shards, tick, cells, collected);
    }

    fn look_at_totals(&mut self, name: Name, shards: &Shards, tick: u32, collected: &mut Collected) {
        let (mut now, mut gone, mut longest) = (Totals::default(), Totals::default(), [0; 3]);
        for (shard, ended) in &shards.all {
            let totals = shard.read();
            now.add(&totals);
            if *ended {
                gone.add(&totals);
            }
            let peaks = shard.peaks_of(tick);
            longest.iter_mut().zip(peaks).for_each(|(longest, peak)| *longest = peak.max(*longest));
        }
        let mut rose = now.clone();
        rose.subtract(&self.totals);
        now.subtract(&gone);
        self.totals = now;
        if rose.all.0[sum::COUNT] > 0 {
            let (histogram, Totals { all, tail, over, .. }) = (rose.counts(), rose);
            collected.names.push(NameDelta { name, histogram, all, tail, over, longest, slow_after: 0 });
        }
    }

    fn look_at_causes(
        &mut self,
        name: Name,
        shards: &Shards,
        tick: u32,
        cells: &AtomicUsize,
        collected: &mut Collected,
    ) {
        let mut now: HashMap<u64, Gathered> = HashMap::new();
        for (shard, shard_ended) in &shards.all {
            let mut listed = shard.causes();
            let before = listed.len();
            listed.retain(|cell| {
                let last = *shard_ended || cell.ended.load(Ordering::Acquire);
                let gathered = now.entry(cell.cause.key).or_insert_with(|| Gathered::of(cell));
                gathered.add(cell, last, tick);
                !last
            });
            cells.fetch_sub(before - listed.len(), Ordering::Relaxed);
        }
        self.causes.retain(|key, _| now.contains_key(key));
        for (key, gathered) in now {
            let read = self.causes.entry(key).or_default();
            let mut rose = gathered.values;
            rose.subtract(&read.values);
            read.values = gathered.values;
            read.values.subtract(&gathered.gone);
            if rose.0[part::CALLS] > 0 {
                read.idle = 0;
                let Gathered { cell, most, registers, .. } = gathered;
                let cause = cell.cause.clone();
                collected.causes.push(CauseDelta { name, cause, values: rose, most, registers });
            } else {
                read.idle += 1;
                if read.idle >= IDLE {
                    gathered.end();
                }
            }
        }
    }
}

/// One cause on all threads.
struct Gathered {
    cell: Arc<Cell>,
    all: Vec<Arc<Cell>>,
    values: CauseValues,
    gone: CauseValues,
    most: u64,
    registers: Registers,
}

impl Gathered {
    fn of(cell: &Arc<Cell>) -> Self {
        let (values, gone) = Default::default();
        Self { cell: cell.clone(), all: Vec::new(), values, gone, most: 0, registers: [0; REGISTERS] }
    }

    fn add(&mut self, cell: &Arc<Cell>, last: bool, tick: u32) {
        let values = cell.read();
        self.values.add(&values);
        if last {
            self.gone.add(&values);
        } else {
            self.all.push(cell.clone());
        }
        if let Some((most, registers)) = cell.peaks_of(tick) {
            self.most = self.most.max(most);
            distinct::merge(&mut self.registers, &registers);
        }
    }

    /// Who writes makes new ones; these are read once more.
    fn end(&self) {
        self.all.iter().for_each(|cell| cell.ended.store(true, Ordering::Release));
    }
}
