//! The cache of one process, without the log that tells it of the others.

use super::entry::{Age, Began, Entry};
use super::flight::Flights;
use super::key::Key;
use super::state::{Families, Family, State};
use super::store::Store;
use super::versions::{TagHash, Versions};
use crate::clock::{Clock, Ticks};
use crate::config::CacheSection;
use crate::error::Error;
use crate::telemetry::Recorder;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most own invalidations that are remembered until the log is read up to them; others are heard once more, which is no harm.
const MAX_OWN: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) section: CacheSection,
    /// By which values grow old.
    pub(super) clock: Clock,
    /// By which silence is measured: nobody else moves it.
    pub(super) real: Clock,
    pub(super) recorder: Recorder,
    pub(super) versions: Versions,
    pub(super) store: Store,
    pub(super) flights: Arc<Flights>,
    families: Families,
    heard: Mutex<Heard>,
    invalidations: AtomicU64,
    interruptions: AtomicU64,
}

/// How far the log was read, and what of the part behind is known already.
#[derive(Debug)]
struct Heard {
    position: i64,
    /// The positions of invalidations that it knows of already: most of them it has committed itself.
    own: BTreeSet<i64>,
    /// A moment, and the last position that was given away then: once the log is read up to it, all of before is heard.
    awaited: Option<(Ticks, i64)>,
}

/// What is there for a key.
pub(super) enum Found {
    Fresh(Arc<Entry>),
    /// Fresh, and to be loaded anew.
    Due(Arc<Entry>),
    /// It may serve where loading fails or takes long.
    Old(Arc<Entry>),
    /// It was invalidated.
    Changed,
    Nothing,
}

impl Node {
    pub(super) fn new(section: &CacheSection, clock: &Clock, real: Clock, recorder: &Recorder) -> Self {
        Self {
            section: section.clone(),
            clock: clock.clone(),
            real,
            recorder: recorder.clone(),
            versions: Versions::new(),
            store: Store::new(section.max_bytes.0),
            flights: Arc::default(),
            families: Families::default(),
            heard: Mutex::new(Heard { position: i64::MAX, own: BTreeSet::new(), awaited: None }),
            invalidations: AtomicU64::new(0),
            interruptions: AtomicU64::new(0),
        }
    }

    pub(super) fn family(&self, key: &Key) -> Arc<Family> {
        self.families.of(key, self.section.max_families)
    }

    /// What is there, and what it is good for at this moment: the only place that says whether a value may be given out.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Found {
        let Some(entry) = self.store.get(key) else { return Found::Nothing };
        if self.versions.changed(&entry.tags, entry.since) {
            return Found::Changed;
        }
        let now = self.clock.ticks();
        match entry.age(now) {
            Age::Gone => Found::Nothing,
            Age::Fresh | Age::Due if self.is_unsure(&entry) => {
                if entry.serves(now) {
                    Found::Old(entry)
                } else {
                    Found::Nothing
                }
            }
            Age::Fresh => Found::Fresh(entry),
            Age::Due => Found::Due(entry),
            Age::Old => Found::Old(entry),
        }
    }

    /// What is there, fresh, and hangs on nothing that was touched.
    pub(super) fn find_untouched(&self, key: &Key, touched: impl FnOnce(&[TagHash]) -> bool) -> Option<Arc<Entry>> {
        match self.find(key) {
            Found::Fresh(entry) | Found::Due(entry) => (!touched(&entry.tags)).then_some(entry),
            Found::Old(_) | Found::Changed | Found::Nothing => None,
        }
    }

    /// Whether an invalidation of it may have been missed, or may not have been heard yet.
    #[inline]
    pub(super) fn is_unsure(&self, entry: &Entry) -> bool {
        self.is_behind() || self.versions.may_have_missed(entry.since)
    }

    /// Whether `entry`, found to be old, may serve now; it may have been invalidated since.
    pub(super) fn may_serve(&self, entry: &Entry) -> bool {
        !self.versions.changed(&entry.tags, entry.since) && entry.serves(self.clock.ticks())
    }

    #[inline]
    fn is_behind(&self) -> bool {
        self.versions.is_behind(self.real.ticks())
    }

    /// The moment, for what begins to load.
    pub(super) fn begin(&self) -> Began {
        Began { since: self.versions.last(), at: self.clock.ticks() }
    }

    /// Keeps what was loaded, unless it is known to be wrong already.
    pub(super) fn keep(&self, key: &Key, entry: &Arc<Entry>) {
        if !self.versions.changed(&entry.tags, entry.since) {
            self.store.insert(key.clone(), entry.clone());
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the log was read.
    pub(super) fn position(&self) -> i64 {
        self.heard().position
    }

    /// This process has committed an invalidation at this position of the log.
    pub(super) fn committed(&self, position: i64, tags: &[TagHash]) {
        let mut heard = self.heard();
        self.versions.invalidate(tags);
        self.invalidations.fetch_add(1, Ordering::Relaxed);
        if position > heard.position && heard.own.len() < MAX_OWN {
            heard.own.insert(position);
        }
    }

    /// Somebody else has read this entry of the log.
    pub(super) fn read_early(&self, position: i64, tags: &[&str]) {
        let mut heard = self.heard();
        if position > heard.position && !heard.own.contains(&position) {
            self.invalidate(tags);
            if heard.own.len() < MAX_OWN {
                heard.own.insert(position);
            }
        }
    }

    fn invalidate(&self, tags: &[&str]) {
        let tags: SmallVec<[TagHash; 8]> = tags.iter().map(|tag| TagHash::of(tag)).collect();
        self.versions.invalidate(&tags);
        self.invalidations.fetch_add(1, Ordering::Relaxed);
    }

    /// The log has been read up to `mark`, by a reading that began at `moment`, when the last position was `last`; `entries` are
    /// positions and tags. Says whether all that was committed before is heard.
    pub(super) fn read(&self, moment: Ticks, (mark, last): (i64, i64), entries: Vec<(i64, Vec<&str>)>) -> bool {
        let mut heard = self.heard();
        for (position, tags) in entries {
            // Of its own commit the process knows since then.
            if !heard.own.remove(&position) {
                self.invalidate(&tags);
            }
        }
        heard.position = mark;
        heard.own.retain(|position| *position > mark);
        let (from, to) = *heard.awaited.get_or_insert((moment, last));
        if mark >= last {
            heard.awaited = None;
            self.versions.heard_all(moment, self.section.max_silence.0);
            return true;
        }
        // Others are about to commit; what was there before they began is heard at some time, however many follow.
        if mark >= to {
            heard.awaited = Some((moment, last));
            self.versions.heard_all(from, self.section.max_silence.0);
        }
        false
    }

    /// The reading begins at `position`, at `moment`: what was kept before may have missed something.
    pub(super) fn begin_at(&self, moment: Ticks, position: i64) {
        let mut heard = self.heard();
        heard.position = position;
        heard.own.clear();
        heard.awaited = None;
        self.versions.missed_some();
        self.versions.heard_all(moment, self.section.max_silence.0);
    }

    /// The log cannot be read.
    pub(super) fn lost(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
        self.versions.lost();
    }

    /// Lets go of what is of no use any more.
    pub(super) fn sweep(&self) {
        let now = self.clock.ticks();
        self.store.sweep(|entry| entry.age(now) != Age::Gone && !self.versions.changed(&entry.tags, entry.since));
    }

    pub(super) fn state(&self) -> State {
        State {
            entries: self.store.len(),
            bytes: self.store.bytes(),
            max_bytes: self.section.max_bytes.0,
            loading: self.flights.len(),
            invalidations: self.invalidations.load(Ordering::Relaxed),
            behind: self.store.len() > 0 && self.is_behind(),
            interruptions: self.interruptions.load(Ordering::Relaxed),
            families: self.families.state(),
        }
    }

    /// What a type that is not the one of the key means.
    pub(super) fn wrong_type(entry: &Entry) -> Error {
        Error::internal(format!("the keys of `{}` hold values of another type", entry.family.label))
            .hint("give values of each type a family of their own")
    }
}
