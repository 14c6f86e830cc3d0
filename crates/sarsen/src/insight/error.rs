//! What failed, by Operation, kind and words: how often in each span, and when for the first and the last time.

use super::frame::NameKey;
use crate::clock::Timestamp;
use crate::telemetry::ErrorGroup;
use std::collections::HashMap;
use std::sync::Arc;

/// Most groups of errors; beyond it those that were seen longest ago are forgotten.
const MAX_GROUPS: usize = 1_000;

/// One way in which Operations of one name fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ErrorKey {
    pub(super) operation: Arc<NameKey>,
    pub(super) kind: String,
    pub(super) message: String,
}

/// What is known of it beside how often it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) sample: Option<String>,
    /// The store does not know this yet.
    pub(super) new: bool,
}

/// All groups of errors.
#[derive(Debug, Default)]
pub(super) struct Errors(HashMap<Arc<ErrorKey>, Seen>);

impl Errors {
    /// One that was seen at a moment; gives back its key, each once.
    pub(super) fn see(&mut self, key: ErrorKey, at: Timestamp) -> Arc<ErrorKey> {
        if let Some((known, _)) = self.0.get_key_value(&key) {
            let known = known.clone();
            if let Some(seen) = self.0.get_mut(&known) {
                (seen.last, seen.new) = (at.max(seen.last), true);
            }
            return known;
        }
        if self.0.len() >= MAX_GROUPS {
            self.forget_the_oldest();
        }
        let key = Arc::new(key);
        self.0.insert(key.clone(), Seen { first: at, last: at, sample: None, new: true });
        key
    }

    /// What the store knew.
    pub(super) fn restore(&mut self, key: ErrorKey, seen: Seen) {
        if self.0.len() < MAX_GROUPS {
            self.0.entry(Arc::new(key)).or_insert(seen);
        }
    }

    /// A sample of it was kept.
    pub(super) fn set_sample(&mut self, key: &ErrorKey, sample: &str) {
        if let Some(seen) = self.0.get_mut(key) {
            (seen.sample, seen.new) = (Some(sample.to_owned()), true);
        }
    }

    fn forget_the_oldest(&mut self) {
        let mut times: Vec<Timestamp> = self.0.values().map(|seen| seen.last).collect();
        times.sort();
        // A tenth at once, so that a flood does not look for the oldest each time.
        let until = times.get(MAX_GROUPS / 10).copied().unwrap_or(Timestamp::MAX);
        let mut left = MAX_GROUPS / 10;
        self.0.retain(|_, seen| {
            let goes = seen.last <= until && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }

    /// Those that changed since the last call.
    pub(super) fn take_new(&mut self) -> Vec<(Arc<ErrorKey>, Seen)> {
        let changed = self
            .0
            .iter_mut()
            .filter_map(|(key, seen)| std::mem::take(&mut seen.new).then(|| (key.clone(), seen.clone())));
        changed.collect()
    }

    /// As the snapshot has it.
    pub(super) fn group(&self, key: &ErrorKey, count: u64) -> ErrorGroup {
        let seen = self.0.get(key).cloned().unwrap_or_default();
        ErrorGroup {
            operation: key.operation.operation(),
            kind: key.kind.clone(),
            message: key.message.clone(),
            count,
            first: seen.first,
            last: seen.last,
            sample: seen.sample,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::OperationKind;

    #[test]
    fn groups_are_bounded_and_the_oldest_go() {
        let mut errors = Errors::default();
        let key = |message: String| ErrorKey {
            operation: Arc::new(NameKey { kind: OperationKind::Job, name: "a".into(), module: String::new() }),
            kind: "internal".into(),
            message,
        };
        for second in 0..5_000 {
            errors.see(key(format!("fault {second}")), Timestamp::from_micros(second));
        }
        assert!(errors.0.len() <= MAX_GROUPS);
        let last = errors.group(&key("fault 4999".into()), 3);
        assert_eq!((last.count, last.first), (3, Timestamp::from_micros(4_999)));
        errors.see(key("fault 4999".into()), Timestamp::from_micros(9_000));
        let last = errors.group(&key("fault 4999".into()), 1);
        assert_eq!((last.first, last.last), (Timestamp::from_micros(4_999), Timestamp::from_micros(9_000)));
    }
}
