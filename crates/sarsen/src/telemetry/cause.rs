//! What Operations of one name wait for, or run, as one thread sees it: one cell for each query at each line, host, pool, lock.

use super::counters::{CauseValues, Counters, part};
use super::distinct::{self, REGISTERS, Registers};
use super::{Leaf, Statement, WaitKind};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What a cause is.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    /// Its key: equal ones are the same cause.
    pub(crate) key: u64,
    /// What kind of wait.
    pub(crate) kind: WaitKind,
    /// Which one; empty for a query.
    pub(crate) label: Arc<str>,
    /// The query and the line that asks for it.
    pub(crate) query: Option<(Arc<Statement>, &'static Location<'static>)>,
}

impl Cause {
    pub(crate) fn of(key: u64, leaf: &Leaf) -> Self {
        let label = if leaf.query.is_some() { Arc::default() } else { leaf.label.as_str().into() };
        let query = leaf.query.as_ref().map(|query| (query.statement.clone(), query.site));
        Self { key, kind: leaf.kind, label, query }
    }

    /// Stands for those that there is no room for.
    pub(crate) fn others(key: u64, kind: WaitKind) -> Self {
        Self { key, kind, label: super::name::OTHERS.into(), query: None }
    }
}

/// The key of the cause that a leaf belongs to.
#[inline]
pub(crate) fn key_of(leaf: &Leaf) -> u64 {
    match &leaf.query {
        // Its address will not do: the compiler writes one line down as often as it likes.
        Some(query) => {
            let place = (u64::from(query.site.line()) << 32) | (u64::from(query.site.column()) << 16);
            spread(mix(query.statement.fingerprint, place | query.site.file().len() as u64))
        }
        None => label_key(leaf.kind, &leaf.label),
    }
}

/// The key of those of a kind that there is no room for.
pub(crate) fn others_key(kind: WaitKind) -> u64 {
    label_key(kind, super::name::OTHERS)
}

fn label_key(kind: WaitKind, label: &str) -> u64 {
    let (chunks, rest) = label.as_bytes().as_chunks::<8>();
    let key = chunks.iter().fold(kind as u64 + 1, |key, chunk| mix(key, u64::from_le_bytes(*chunk)));
    spread(mix(key, rest.iter().fold(1, |word: u64, byte| (word << 8) | u64::from(*byte))))
}

/// A product is spread well above only, and a map looks below.
#[inline]
fn spread(key: u64) -> u64 {
    key ^ (key >> 32)
}

/// Multiply and rotate, as `FxHash` does: spread enough for a map of some hundred.
#[inline]
fn mix(key: u64, word: u64) -> u64 {
    (key.rotate_left(5) ^ word).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95)
}

/// One cause of one name on one thread.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) cause: Cause,
    pub(crate) counters: Counters<{ part::ALL }>,
    /// Of this tick and of the one before it, in turn: what is no sum cannot be told apart later.
    peaks: [Peaks; 2],
    /// Nobody writes to it any more.
    pub(crate) ended: AtomicBool,
}

#[derive(Debug)]
struct Peaks {
    tick: AtomicU32,
    most: AtomicU64,
    registers: [AtomicU8; REGISTERS],
}

impl Default for Peaks {
    fn default() -> Self {
        let registers = [const { AtomicU8::new(0) }; REGISTERS];
        Self { tick: AtomicU32::new(0), most: AtomicU64::new(0), registers }
    }
}

impl Cell {
    pub(crate) fn new(cause: Cause) -> Self {
        Self { cause, counters: Counters::default(), peaks: Default::default(), ended: AtomicBool::new(false) }
    }

    /// The peaks of a tick, for who writes.
    #[inline]
    fn peaks(&self, tick: u32) -> &Peaks {
        let peaks = &self.peaks[tick as usize & 1];
        if peaks.tick.load(Ordering::Relaxed) != tick {
            peaks.most.store(0, Ordering::Relaxed);
            peaks.registers.iter().for_each(|register| register.store(0, Ordering::Relaxed));
            peaks.tick.store(tick, Ordering::Relaxed);
        }
        peaks
    }

    #[inline]
    pub(crate) fn note_most(&self, tick: u32, in_one: u64) {
        let most = &self.peaks(tick).most;
        if in_one > most.load(Ordering::Relaxed) {
            most.store(in_one, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn note_parameters(&self, tick: u32, parameters: u64) {
        let (place, rank) = distinct::place_of(parameters);
        let register = &self.peaks(tick).registers[place];
        if rank > register.load(Ordering::Relaxed) {
            register.store(rank, Ordering::Relaxed);
        }
    }

    /// The most in one Operation and the registers of a tick that is over.
    pub(crate) fn peaks_of(&self, tick: u32) -> Option<(u64, Registers)> {
        let peaks = &self.peaks[tick as usize & 1];
        if peaks.tick.load(Ordering::Relaxed) != tick {
            return None;
        }
        let registers = std::array::from_fn(|place| peaks.registers[place].load(Ordering::Relaxed));
        Some((peaks.most.load(Ordering::Relaxed), registers))
    }

    pub(crate) fn read(&self) -> CauseValues {
        self.counters.read()
    }
}
