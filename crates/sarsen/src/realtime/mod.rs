//! Real time: what happened, shown to those who look at it while it happens.
//!
//! A message of a [`Class::Durable`] topic is written into the commit log by the transaction that it belongs to: rolled back,
//! nobody hears it; committed, everybody does, in the order of the log, also those who come back after a while. Its place in
//! the log is its offset. What need not be kept passes through the memory of the processes.
//!
//! ```
//! use sarsen::realtime::{Realtime, Topic};
//! use sarsen::{Db, Result};
//!
//! #[derive(serde::Serialize)]
//! struct Message { id: uuid::Uuid, text: String }
//!
//! async fn post(db: &Db, realtime: &Realtime, channel: uuid::Uuid, message: Message) -> Result<()> {
//!     let tx = db.begin().await?;
//!     tx.query("INSERT INTO messages (id, text) VALUES (?, ?)").bind(message.id).bind(message.text.as_str()).execute().await?;
//!     realtime.broadcast(&tx, &Topic::new("channel", channel), &message).await?;
//!     tx.commit().await
//! }
//! ```

mod driver;
mod history;
mod hub;
mod link;
mod presence;
mod protocol;
mod queue;
mod rate;
mod registry;
mod state;
mod tail;
mod topic;
mod wheel;

pub use link::Connection;
pub use protocol::Position;
pub use queue::{End, Frame, Next};
pub(crate) use registry::Registry;
pub use registry::TopicsInfo;
pub use state::{KindState, State};
pub(crate) use topic::Authorize;
pub use topic::{Asked, Class, Grant, MAX_TOPIC, Topic, Topics};

use crate::cache::Cache;
use crate::config::RealtimeSection;
use crate::data::{Db, NewEntry, Tx};
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use crate::telemetry::Recorder;
use hub::Hub;
use link::Link;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// The client for browsers: an ES module without dependencies, to be served beside what uses it. `docs/realtime.md`
pub const CLIENT: &[u8] = include_bytes!("../../js/realtime.js");

/// The handle on real time. Clones are the same.
#[derive(Clone, Debug)]
pub struct Realtime(Arc<Hub>);

impl Realtime {
    pub(crate) fn new(
        db: &Db,
        section: &RealtimeSection,
        registry: Registry,
        cache: &Cache,
        recorder: &Recorder,
        lifecycle: &Lifecycle,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Hub::new(db, section, registry, cache, recorder, lifecycle)?)))
    }

    pub(crate) fn bind(&self, authorize: HashMap<&'static str, Authorize>) {
        self.0.registry.bind(authorize);
    }

    /// Whether any module declares topics.
    pub(crate) fn is_used(&self) -> bool {
        !self.0.registry.is_empty()
    }

    pub(crate) fn section(&self) -> &RealtimeSection {
        &self.0.section
    }

    /// Tells all who hear `topic`, once `tx` is committed, and gives the offset of the message. Limit: `realtime.max_broadcast`.
    ///
    /// Offsets rise in the order in which subscribers hear the messages; they are places in the log, so there are gaps. A
    /// message of a topic that is not durable goes the same way, and gets its own number when it is given out.
    pub async fn broadcast<M: Serialize + ?Sized>(&self, tx: &Tx, topic: &Topic, message: &M) -> Result<i64> {
        let entry = self.entry(tx, topic, history::to_json(message, self.0.section.max_broadcast.0)?)?;
        self.0.db.log().append(tx, entry).await
    }

    /// Like [`Realtime::broadcast`] of one message to several topics, written at once.
    pub async fn broadcast_to<M: Serialize + ?Sized>(&self, tx: &Tx, topics: &[Topic], message: &M) -> Result<()> {
        let data = history::to_json(message, self.0.section.max_broadcast.0)?;
        let entries = topics.iter().map(|topic| self.entry(tx, topic, data.clone())).collect::<Result<_>>()?;
        self.0.db.log().append_many(tx, entries).await.map(drop)
    }

    fn entry(&self, tx: &Tx, topic: &Topic, data: String) -> Result<NewEntry> {
        match self.0.registry.of(topic)?.topics.class {
            Class::Durable => {
                let (id, name, key) = (tx.clock().id(), history::MESSAGE.to_owned(), topic.as_str().to_owned());
                Ok(NewEntry { id, name, version: 1, key, data, meta: "{}".to_owned() })
            }
            _ => driver::message(topic, None, None, data)?.entry(tx.clock()),
        }
    }

    /// Tells all who hear `topic` now, beside any transaction: for what nobody keeps.
    pub async fn publish<M: Serialize + ?Sized>(&self, topic: &Topic, message: &M) -> Result<()> {
        self.publish_with(topic, None, message).await
    }

    /// Like [`Realtime::publish`] for topics that hold the latest message of each key.
    pub async fn publish_latest<M: Serialize + ?Sized>(&self, topic: &Topic, key: &str, message: &M) -> Result<()> {
        self.publish_with(topic, Some(key), message).await
    }

    async fn publish_with<M: Serialize + ?Sized>(&self, topic: &Topic, key: Option<&str>, message: &M) -> Result<()> {
        if self.0.registry.of(topic)?.topics.class == Class::Durable {
            return Err(Error::invalid(format!("{topic} is durable: its messages belong to a transaction"))
                .hint("use `broadcast`, or declare the topics with another class"));
        }
        let data = history::to_json(message, self.0.section.max_broadcast.0)?;
        self.0.driver().send(&self.0, driver::message(topic, key, None, data)?).await
    }

    /// Sends `actor` away from `topic` once `tx` is committed, at every process and at once; without a topic, from everywhere.
    ///
    /// Whoever was asked before and said yes is asked again.
    pub async fn revoke(&self, tx: &Tx, actor: Uuid, topic: Option<&Topic>) -> Result<()> {
        let topic = topic.map(|topic| topic.as_str().to_owned());
        let note = driver::Passing::Revoke { actor, topic };
        self.0.db.log().append(tx, note.entry(tx.clock())?).await.map(drop)
    }

    /// Lets a client in; `actor` is who is signed in. Fails when there are `realtime.max_connections` already.
    pub async fn connect(&self, actor: Option<Uuid>) -> Result<Connection> {
        if actor.is_none() && !self.0.section.anonymous {
            return Err(Error::unauthenticated("nobody is signed in"));
        }
        if self.0.lifecycle.is_stopping() {
            return Err(Error::unavailable("this process stops"));
        }
        self.0.start().await?;
        if !self.0.wheel.enter(self.0.section.max_connections) {
            self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::unavailable("there are realtime.max_connections already"));
        }
        let link = Arc::new(Link::new(self.0.wheel.number(), actor));
        self.0.wheel.add(link.clone());
        let connection = Connection::new(self.0.clone(), link);
        connection.greet();
        if self.0.lifecycle.is_stopping() {
            connection.end(End::Restart);
        }
        Ok(connection)
    }

    /// What there is at this process.
    pub fn state(&self) -> State {
        let queued = self.0.wheel.links().iter().map(|link| link.queue.bytes()).sum();
        self.0.counts.state(self.0.wheel.len(), queued, &self.0.topics())
    }

    /// The kinds of topics, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &TopicsInfo> {
        self.0.registry.kinds()
    }
}
