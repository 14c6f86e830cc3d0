//! What one request has read already: it reads the same again, whatever happens meanwhile.

use super::entry::Entry;
use super::keep::Keep;
use super::key::Key;
use super::{Cache, Kept, value_of};
use crate::error::Result;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Most values of one memo; more are fetched each time.
const MOST: usize = 64;

/// Values that were fetched for one piece of work, which sees each of them once. Made by [`Cache::memo`], and dropped with the work.
///
/// It is a list that is looked through, and does not save time where a value is in the cache: what it gives is that nothing changes
/// under the work, and that it knows what was read.
#[derive(Debug)]
pub struct Memo<'c> {
    cache: &'c Cache,
    seen: Mutex<Vec<(Key, Arc<Entry>)>>,
}

impl<'c> Memo<'c> {
    pub(super) fn new(cache: &'c Cache) -> Self {
        Self { cache, seen: Mutex::default() }
    }

    /// Like [`Cache::fetch`], once for each key.
    pub async fn fetch<T, W>(
        &self,
        key: Key,
        keep: impl Into<Keep>,
        load: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Arc<T>>
    where
        T: Kept,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        if let Some(entry) = self.find(&key) {
            return value_of(&entry);
        }
        let entry = self.cache.entry(key.clone(), keep, load).await?;
        let value = value_of(&entry);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST {
            seen.push((key, entry));
        }
        value
    }

    fn find(&self, key: &Key) -> Option<Arc<Entry>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|(known, _)| known == key).map(|(_, entry)| entry.clone())
    }

    /// The tags of all that was read, each as 16 digits that say nothing about it: what a network of caches is told to remember an
    /// answer by. [`Tag::digits`](super::Tag::digits) are the same.
    pub fn tags(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let tags = seen.iter().flat_map(|(_, entry)| entry.tags.iter().map(|tag| tag.number()));
        tags.collect::<BTreeSet<u64>>().into_iter().map(|tag| format!("{tag:016x}")).collect()
    }
}
