//! What can be seen of the connections and topics of a process.

use super::registry::TopicsInfo;
use super::topic::Topic;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one kind of topics.
#[derive(Debug, Default)]
pub(super) struct KindCounts {
    pub(super) delivered: AtomicU64,
    pub(super) left_out: AtomicU64,
    pub(super) slow: AtomicU64,
}

/// Counters of a process, since its start.
#[derive(Debug)]
pub(super) struct Counts {
    kinds: BTreeMap<&'static str, KindCounts>,
    pub(super) slow: AtomicU64,
    pub(super) silent: AtomicU64,
    pub(super) floods: AtomicU64,
    pub(super) left_out: AtomicU64,
    pub(super) refused: AtomicU64,
    recovered: AtomicU64,
    reloaded: AtomicU64,
}

impl Counts {
    pub(super) fn new<'a>(kinds: impl Iterator<Item = &'a TopicsInfo>) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            kinds: kinds.map(|info| (info.topics.name, KindCounts::default())).collect(),
            slow: zero(),
            silent: zero(),
            floods: zero(),
            left_out: zero(),
            refused: zero(),
            recovered: zero(),
            reloaded: zero(),
        }
    }

    pub(super) fn of(&self, topic: &Topic) -> Option<&KindCounts> {
        self.kinds.get(topic.kind())
    }

    /// Somebody who said where they stood got what they missed, or was told to load anew.
    pub(super) fn came_back(&self, said: bool, recovered: bool) {
        match (said, recovered) {
            (true, true) => drop(self.recovered.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.reloaded.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    pub(super) fn state(&self, connections: usize, queued: usize, topics: &[(Topic, usize)]) -> State {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut kinds: BTreeMap<&'static str, KindState> = self
            .kinds
            .iter()
            .map(|(name, counts)| {
                let (delivered, left_out, slow) = (read(&counts.delivered), read(&counts.left_out), read(&counts.slow));
                (*name, KindState { delivered, left_out, slow, ..KindState::default() })
            })
            .collect();
        for (topic, subscribers) in topics {
            if let Some(kind) = kinds.get_mut(topic.kind()) {
                kind.topics += 1;
                kind.subscribers += subscribers;
            }
        }
        State {
            connections,
            queued,
            slow: read(&self.slow),
            silent: read(&self.silent),
            floods: read(&self.floods),
            left_out: read(&self.left_out),
            refused: read(&self.refused),
            recovered: read(&self.recovered),
            reloaded: read(&self.reloaded),
            kinds,
        }
    }
}

/// The connections and topics of this process; counts are since its start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// Connections that are open.
    pub connections: usize,
    /// Bytes that wait to go out.
    pub queued: usize,
    /// Connections that were ended because they did not read.
    pub slow: u64,
    /// Connections that were ended because they said nothing.
    pub silent: u64,
    /// Connections that were ended because they sent too much.
    pub floods: u64,
    /// Messages that were left out for slow readers, where that may be.
    pub left_out: u64,
    /// Connections that found no place.
    pub refused: u64,
    /// Subscriptions that got what they had missed.
    pub recovered: u64,
    /// Subscriptions that were told to load anew.
    pub reloaded: u64,
    /// By kind of topics.
    pub kinds: BTreeMap<&'static str, KindState>,
}

/// The topics of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindState {
    /// How many are heard or kept.
    pub topics: usize,
    /// Subscriptions.
    pub subscribers: usize,
    /// Messages that were queued for a connection.
    pub delivered: u64,
    /// Messages that were left out for slow readers, where that may be.
    pub left_out: u64,
    /// Connections that were ended because they did not read them.
    pub slow: u64,
}
