//! What can be seen of a cache: hits, loads and memory, by family of keys.

use super::key::Key;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The name of all families beyond the limit.
const OTHERS: &str = "others";

/// The counters of one family of keys.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) label: Arc<str>,
    pub(super) hits: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) refreshed: AtomicU64,
    pub(super) invalidated: AtomicU64,
    pub(super) passed: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    load_nanos: AtomicU64,
    slowest_nanos: AtomicU64,
}

impl Family {
    fn new(label: Arc<str>) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            label,
            hits: zero(),
            loads: zero(),
            joined: zero(),
            failed: zero(),
            stale: zero(),
            refreshed: zero(),
            invalidated: zero(),
            passed: zero(),
            evicted: zero(),
            entries: zero(),
            bytes: zero(),
            load_nanos: zero(),
            slowest_nanos: zero(),
        }
    }

    /// A load has ended.
    pub(super) fn loaded(&self, took: Duration, well: bool) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(!well), Ordering::Relaxed);
        self.load_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.slowest_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    fn state(&self) -> FamilyState {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (loads, nanos) = (read(&self.loads), read(&self.load_nanos));
        FamilyState {
            hits: read(&self.hits),
            loads,
            joined: read(&self.joined),
            failed: read(&self.failed),
            stale: read(&self.stale),
            refreshed: read(&self.refreshed),
            invalidated: read(&self.invalidated),
            passed: read(&self.passed),
            evicted: read(&self.evicted),
            entries: read(&self.entries),
            bytes: read(&self.bytes),
            load_seconds: nanos as f64 / 1e9,
            load_ms_mean: if loads == 0 { 0.0 } else { nanos as f64 / loads as f64 / 1e6 },
            load_ms_most: read(&self.slowest_nanos) as f64 / 1e6,
        }
    }
}

/// The families of a process. There are as many as the program has names for them, and a limit all the same.
#[derive(Debug, Default)]
pub(super) struct Families(RwLock<BTreeMap<(&'static str, &'static str), Arc<Family>>>);

impl Families {
    pub(super) fn of(&self, key: &Key, most: usize) -> Arc<Family> {
        let name = (key.module, key.family);
        if let Some(family) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return family.clone();
        }
        let mut families = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = if families.len() < most { name } else { ("", OTHERS) };
        let label = || if name.0.is_empty() { name.1.to_owned() } else { format!("{}.{}", name.0, name.1) };
        families.entry(name).or_insert_with(|| Arc::new(Family::new(label().into()))).clone()
    }

    pub(super) fn state(&self) -> BTreeMap<String, FamilyState> {
        let families = self.0.read().unwrap_or_else(PoisonError::into_inner);
        families.values().map(|family| (family.label.to_string(), family.state())).collect()
    }
}

/// The cache of this process; counts are since its start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// Entries, also such as are of no use any more.
    pub entries: usize,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes that they may take.
    pub max_bytes: u64,
    /// Loads at work.
    pub loading: usize,
    /// Invalidations that were heard, of this process and of others.
    pub invalidations: u64,
    /// Whether invalidations of other processes may have been missed: then everything is loaded anew.
    pub behind: bool,
    /// How often it was so.
    pub interruptions: u64,
    /// By family of keys: `module.family`.
    pub families: BTreeMap<String, FamilyState>,
}

/// The keys of one family.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FamilyState {
    /// Values that were there, fresh.
    pub hits: u64,
    /// Values that were loaded, also in vain.
    pub loads: u64,
    /// Callers that waited for what another one loaded.
    pub joined: u64,
    /// Loads that failed or took too long.
    pub failed: u64,
    /// Callers that were given an old value, because loading failed or took long.
    pub stale: u64,
    /// Loads in the background, before the value was old.
    pub refreshed: u64,
    /// Values that were asked for and found to be invalidated.
    pub invalidated: u64,
    /// Reads in a transaction that passed by the cache.
    pub passed: u64,
    /// Values that went for want of room.
    pub evicted: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// All loads together.
    pub load_seconds: f64,
    /// The mean of a load.
    pub load_ms_mean: f64,
    /// The longest load.
    pub load_ms_most: f64,
}

impl FamilyState {
    /// The part of the calls that needed no load of their own; without calls there is none.
    pub fn hit_rate(&self) -> Option<f64> {
        let served = self.hits + self.joined;
        let all = served + self.loads.saturating_sub(self.refreshed) + self.passed;
        (all > 0).then(|| served as f64 / all as f64)
    }
}
