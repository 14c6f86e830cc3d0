//! The memory of a process: entries by key, within a limit of bytes.

use super::entry::Entry;
use super::key::Key;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// How large entries are guessed to be, for the size of the tables.
const GUESS: u64 = 1 << 10;

type Table = Cache<Key, Arc<Entry>, Bytes, DefaultHashBuilder, Evictions>;

/// See the module. Without entries it takes no memory.
#[derive(Debug)]
pub(super) struct Store {
    max_bytes: u64,
    table: OnceLock<Table>,
}

impl Store {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, table: OnceLock::new() }
    }

    #[inline]
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.table.get()?.get(key)
    }

    /// Keeps an entry; others are evicted where there is no room, or it is itself where it is larger than there is.
    pub(super) fn insert(&self, key: Key, entry: Arc<Entry>) {
        entry.count();
        self.table.get_or_init(|| self.make()).insert(key, entry);
    }

    fn make(&self) -> Table {
        let guess = usize::try_from(self.max_bytes / GUESS).unwrap_or(usize::MAX).max(16);
        Cache::with(guess, self.max_bytes, Bytes, DefaultHashBuilder::default(), Evictions)
    }

    /// Lets go of those that are of no use any more.
    pub(super) fn sweep(&self, useful: impl Fn(&Entry) -> bool) {
        if let Some(table) = self.table.get() {
            table.retain(|_, entry| useful(entry));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.get().map_or(0, Table::len)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.table.get().map_or(0, Table::weight)
    }
}

/// Weighs entries in bytes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Arc<Entry>> for Bytes {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        entry.bytes() + key.bytes()
    }
}

/// Counts what has to go for want of room.
#[derive(Clone, Debug)]
struct Evictions;

impl Lifecycle<Key, Arc<Entry>> for Evictions {
    /// What was evicted is dropped when the lock is free again.
    type RequestState = Vec<Arc<Entry>>;

    fn on_evict(&self, evicted: &mut Self::RequestState, _: Key, entry: Arc<Entry>) {
        entry.family.evicted.fetch_add(1, Ordering::Relaxed);
        evicted.push(entry);
    }
}
