//! Reads through a cache, which never gives what a committed change has made wrong.
//!
//! A value hangs on tags. The transaction that changes something invalidates its tag, and that is an entry of the commit log:
//! rolled back, nothing happens; committed, the values are gone in this process when [`Tx::commit`] returns, and in every other
//! process once it has read that far, which takes milliseconds. One that does not hear from the log trusts nothing any more.
//! What began to load before an invalidation never comes to be kept after it.
//!
//! ```
//! use sarsen::cache::{Cache, Keep, key, tag};
//! use sarsen::{Db, Result};
//! use std::{sync::Arc, time::Duration};
//! use uuid::Uuid;
//!
//! async fn topic(cache: &Cache, db: &Db, channel: Uuid) -> Result<Arc<String>> {
//!     let keep = Keep::new(Duration::from_secs(600)).tag(tag("channel", channel));
//!     let db = db.clone();
//!     cache.fetch(key("topic").with(channel), keep, move || async move {
//!         db.query("SELECT topic FROM channels WHERE id = ?").bind(channel).scalar().await
//!     }).await
//! }
//!
//! async fn set_topic(cache: &Cache, db: &Db, channel: Uuid, topic: &str) -> Result<()> {
//!     let tx = db.begin().await?;
//!     tx.query("UPDATE channels SET topic = ? WHERE id = ?").bind(topic).bind(channel).execute().await?;
//!     cache.invalidate(&tx, [tag("channel", channel)]).await?;
//!     tx.commit().await
//! }
//! ```

mod driver;
mod entry;
mod flight;
mod keep;
mod key;
mod load;
mod memo;
#[cfg(test)]
mod model;
mod node;
mod state;
mod store;
mod tail;
mod versions;

pub use keep::Keep;
pub use key::{Id, Key, Tag, key, tag};
pub use memo::Memo;
pub use state::{FamilyState, State};
pub(crate) use tail::INVALIDATED;

use crate::clock::Clock;
use crate::config::CacheSection;
use crate::data::{Db, Entry as Logged, NewEntry, Tx};
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use crate::telemetry::{self, Recorder, WaitKind};
use driver::Driver;
use entry::Entry;
use load::{Load, Loaded};
use node::{Found, Node};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OnceCell;
use versions::TagHash;

/// What can be kept. Values are weighed by their JSON, in which another driver than `memory:` keeps them.
pub trait Kept: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Kept for T {}

/// The handle on the cache. Clones are the same cache; each module has its own families of keys.
#[derive(Clone, Debug)]
pub struct Cache {
    inner: Arc<Inner>,
    module: &'static str,
}

#[derive(Debug)]
struct Inner {
    node: Arc<Node>,
    db: Db,
    driver: Box<dyn Driver>,
    lifecycle: Lifecycle,
    follows: OnceCell<()>,
}

impl Cache {
    /// A cache whose invalidations ride on the commits of `db`.
    pub fn new(db: &Db, section: &CacheSection, recorder: &Recorder, lifecycle: &Lifecycle) -> Result<Self> {
        let inner = Inner {
            node: Arc::new(Node::new(section, db.clock(), Clock::real(), recorder)),
            db: db.clone(),
            driver: driver::connect(&section.url)?,
            lifecycle: lifecycle.clone(),
            follows: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner), module: "" })
    }

    /// The handle of a module.
    #[must_use]
    pub fn for_module(&self, module: &'static str) -> Self {
        Self { module, ..self.clone() }
    }

    /// Gives the value of `key`, and loads it where it is not there: once, however many ask at a time.
    ///
    /// `load` runs as a task of its own, which goes on when the caller is gone. Its errors are given to all who wait, and are not
    /// kept. Limits: `cache.max_bytes`, `cache.load_timeout`.
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
        value_of(&*self.entry(key, keep, load).await?)
    }

    async fn entry<T, W>(
        &self,
        key: Key,
        keep: impl Into<Keep>,
        load: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Arc<Entry>>
    where
        T: Kept,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let key = key.of(self.module);
        if let Some(entry) = self.hit(&key) {
            return Ok(entry);
        }
        let load: Load = Box::new(move || {
            let load = load();
            Box::pin(async move { Loaded::new(Some(load.await?), []) })
        });
        self.miss(key, keep.into(), load).await
    }

    /// What is there, fresh; all else is the way of [`Cache::miss`].
    #[inline]
    fn hit(&self, key: &Key) -> Option<Arc<Entry>> {
        let Found::Fresh(entry) = self.inner.node.find(key) else { return None };
        entry.family.hits.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Like [`Cache::fetch`], of a value that knows only when it is loaded what it hangs on: `load` gives its tags with it.
    pub async fn fetch_tagged<T, W>(
        &self,
        key: Key,
        keep: impl Into<Keep>,
        load: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Arc<T>>
    where
        T: Kept,
        W: Future<Output = Result<(T, Vec<Tag>)>> + Send + 'static,
    {
        let key = key.of(self.module);
        if let Some(entry) = self.hit(&key) {
            return value_of(&entry);
        }
        let load: Load = Box::new(move || {
            let load = load();
            Box::pin(async move {
                let (value, tags) = load.await?;
                Loaded::new(Some(value), tags)
            })
        });
        value_of(&*self.miss(key, keep.into(), load).await?)
    }

    /// Like [`Cache::fetch`] of what may not be there; that is kept too, for [`Keep::nothing_for`].
    pub async fn fetch_optional<T, W>(
        &self,
        key: Key,
        keep: impl Into<Keep>,
        load: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Option<Arc<T>>>
    where
        T: Kept,
        W: Future<Output = Result<Option<T>>> + Send + 'static,
    {
        let key = key.of(self.module);
        if let Some(entry) = self.hit(&key) {
            return optional_of(&entry);
        }
        let load: Load = Box::new(move || {
            let load = load();
            Box::pin(async move { Loaded::new(load.await?, []) })
        });
        optional_of(&*self.miss(key, keep.into(), load).await?)
    }

    /// The value of `key` for work inside `tx`: from the cache where it hangs on nothing that `tx` has invalidated so far, and
    /// otherwise from `load`, which reads through `tx`. What a transaction sees before it is committed is never kept.
    pub async fn fetch_in<T: Kept>(&self, tx: &Tx, key: Key, load: impl AsyncFnOnce() -> Result<T>) -> Result<Arc<T>> {
        let key = key.of(self.module);
        if let Some(entry) =
            self.inner.node.find_untouched(&key, |tags| tags.iter().any(|tag| tx.has_touched(tag.number())))
        {
            entry.family.hits.fetch_add(1, Ordering::Relaxed);
            return value_of(&entry);
        }
        self.inner.node.family(&key).passed.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(load().await?))
    }

    /// Makes all values that hang on one of `tags` go, once `tx` is committed: in this process before that returns, in others when
    /// they read the log. Limit: `cache.max_tags`.
    ///
    /// It costs the same however many values there are. [`Cache::fetch_in`] with `tx` passes by them from now on.
    pub async fn invalidate(&self, tx: &Tx, tags: impl IntoIterator<Item = Tag>) -> Result<()> {
        let (node, tags) = (&self.inner.node, tags.into_iter().collect::<Vec<_>>());
        if tags.is_empty() {
            return Ok(());
        }
        if tags.len() > node.section.max_tags {
            return Err(Error::invalid(format!("{} tags are more than cache.max_tags", tags.len()))
                .hint("hang the values on a tag that they share, and invalidate that one"));
        }
        let texts = tags.iter().map(Tag::text).collect::<Result<Vec<_>>>()?;
        let hashes: SmallVec<[TagHash; 4]> = texts.iter().map(|text| TagHash::of(text)).collect();
        tx.touch(hashes.iter().map(|hash| hash.number()));
        let data = serde_json::to_string(&texts)
            .map_err(|error| Error::internal("tags cannot be written as JSON").source(error))?;
        let (id, name) = (tx.clock().id(), tail::INVALIDATED.to_owned());
        let entry = NewEntry { id, name, version: 1, key: String::new(), data, meta: "{}".to_owned() };
        let position = self.inner.db.log().append(tx, entry).await?;
        tx.wake(tail::CHANNEL);
        let node = node.clone();
        tx.after_commit(move || node.committed(position, &hashes));
        Ok(())
    }

    /// Remembers what is fetched through it: for one request that must not see two versions of a value.
    pub fn memo(&self) -> Memo<'_> {
        Memo::new(self)
    }

    /// What there is at this process.
    pub fn state(&self) -> State {
        self.inner.node.state()
    }

    /// Hears of an invalidation from somebody else who reads the log, before he tells others of what comes with it.
    pub(crate) fn hear(&self, entry: &Logged) {
        if self.is_used() {
            match serde_json::from_str::<Vec<&str>>(&entry.data) {
                Ok(tags) => self.inner.node.read_early(entry.pos, &tags),
                Err(error) => tracing::warn!(position = entry.pos, %error, "an invalidation cannot be read"),
            }
        }
    }

    /// Whether anything was fetched through it.
    pub(crate) fn is_used(&self) -> bool {
        self.inner.follows.initialized()
    }

    /// The name of its driver.
    pub(crate) fn driver(&self) -> &'static str {
        self.inner.driver.name()
    }

    /// Boxed, so that a hit does not carry the room for it.
    async fn miss(&self, key: Key, keep: Keep, load: Load) -> Result<Arc<Entry>> {
        let way = async move {
            self.follow().await;
            load::fetch(&self.inner.node, key, keep, load).await
        };
        Box::pin(way).await
    }

    /// Begins to hear of other processes with the first value: one that keeps nothing pays nothing. While that is not possible
    /// nothing is trusted.
    async fn follow(&self) {
        let inner = &self.inner;
        let begin = inner.follows.get_or_try_init(|| tail::start(&inner.node, &inner.db, &inner.lifecycle));
        if !inner.follows.initialized()
            && let Err(error) = telemetry::wait(WaitKind::Cache, "cache begin", begin).await
        {
            tracing::warn!("the cache keeps nothing yet: {}", error.report());
        }
    }
}

fn value_of<T: Kept>(entry: &Entry) -> Result<Arc<T>> {
    optional_of(entry)?.ok_or_else(|| Node::wrong_type(entry))
}

fn optional_of<T: Kept>(entry: &Entry) -> Result<Option<Arc<T>>> {
    let Some(value) = &entry.value else { return Ok(None) };
    // Shared only when it is of the type.
    if !value.is::<T>() {
        return Err(Node::wrong_type(entry));
    }
    Ok(value.clone().downcast::<T>().ok())
}
