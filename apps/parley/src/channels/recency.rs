//! Remembers when channels were last written to, so that a busy one does not write a row for every message.

use sarsen::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How exactly a channel knows when its last message was.
const PRECISION: Duration = Duration::from_secs(1);

/// Most channels remembered; then all are forgotten, which costs one more write for each.
const MAX_CHANNELS: usize = 10_000;

/// The last time written for each channel, by this process.
#[derive(Debug, Default)]
pub(super) struct Recency(Mutex<HashMap<Uuid, Timestamp>>);

impl Recency {
    /// Whether a message at `at` is worth a write; it then counts as written.
    pub(super) fn is_news(&self, channel: Uuid, at: Timestamp) -> bool {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.get(&channel).is_some_and(|last| at < *last + PRECISION) {
            return false;
        }
        if channels.len() >= MAX_CHANNELS {
            channels.clear();
        }
        channels.insert(channel, at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_news_once_a_second() {
        let recency = Recency::default();
        let at = |millis: i64| Timestamp::from_micros(millis * 1000);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let news =
            [(one, 0), (one, 999), (other, 999), (one, 1000), (one, 500)].map(|(id, ms)| recency.is_news(id, at(ms)));
        assert_eq!(news, [true, false, true, true, false]);
    }
}
