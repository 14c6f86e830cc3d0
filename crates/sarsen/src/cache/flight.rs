//! Loads at work: one for each key at a time, whoever waits for it.

use super::entry::{Began, Entry};
use super::key::Key;
use crate::error::Error;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Keys are spread over this many locks.
const SHARDS: usize = 16;

type Shard = HashMap<Key, Arc<Flight>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flights {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// What came of a load, for all who waited.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Loaded(Arc<Entry>),
    Failed(Arc<Error>),
    /// The time of the one who began it was over.
    Late(Arc<Error>),
}

/// One load.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) began: Began,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Flight {
    /// Waits for what comes of it.
    pub(super) async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        let ended = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        ended.ok().flatten().unwrap_or_else(|| Outcome::Failed(Arc::new(unfinished())))
    }
}

/// What a caller finds who has found no value.
pub(super) enum Place {
    /// It has come meanwhile.
    There(Arc<Entry>),
    /// Somebody loads it.
    Joined(Arc<Flight>),
    /// The caller is to load it.
    Leads(Lead),
}

impl Flights {
    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a place for a caller. A load keeps its value before it ends, so who sees neither is the first.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: &Key,
        there: impl FnOnce() -> Option<Arc<Entry>>,
        began: impl FnOnce() -> Began,
    ) -> Place {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(key) {
            return Place::Joined(flight.clone());
        }
        if let Some(entry) = there() {
            return Place::There(entry);
        }
        let flight = Arc::new(Flight { began: began(), outcome: watch::Sender::new(None) });
        shard.insert(key.clone(), flight.clone());
        Place::Leads(Lead { flights: self.clone(), key: key.clone(), flight, ended: false })
    }

    /// Loads at work.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// The duty to end a load. Dropped without, by a panic say, those who wait hear that it did not finish.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: Key,
    pub(super) flight: Arc<Flight>,
    ended: bool,
}

impl Lead {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Tells all who wait; from now on another may load.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.ended = true;
        self.flights.shard(&self.key).remove(&self.key);
        self.flight.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Outcome::Failed(Arc::new(unfinished())));
        }
    }
}

fn unfinished() -> Error {
    Error::internal("the load did not finish")
}

/// The error of a load for one of those who waited.
pub(super) fn error_of(error: &Arc<Error>) -> Error {
    let mut told = Error::new(error.kind(), error.message().to_owned());
    for field in error.fields() {
        told = told.field(field.field.clone(), field.message.clone());
    }
    if let Some(hint) = error.hint_text() {
        told = told.hint(hint.to_owned());
    }
    if let Some(wait) = error.wait_time() {
        told = told.retry_after(wait);
    }
    if std::error::Error::source(error.as_ref()).is_some() { told.source(Cause(error.clone())) } else { told }
}

/// The cause of an error that several have.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::error::Error::source(self.0.as_ref()).map_or(Ok(()), |cause| fmt::Display::fmt(cause, f))
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self.0.as_ref()).and_then(std::error::Error::source)
    }
}
