//! How what is not in the log travels between the processes of an application: one driver for each technology.

use super::history::PASSING;
use super::hub::Hub;
use super::topic::Topic;
use crate::clock::Clock;
use crate::config::Url;
use crate::data::{Db, NewEntry};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What passes between processes, and is kept by none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Passing {
    /// A message of a topic that is not durable.
    Message { topic: String, key: Option<String>, by: Option<Uuid>, data: Box<serde_json::value::RawValue> },
    /// Who came to a process and who left it.
    Moved { process: Uuid, topic: String, joined: Vec<Uuid>, left: Vec<Uuid> },
    /// Who is at a process, all of them, by topic.
    Present { process: Uuid, topics: BTreeMap<String, Vec<Uuid>> },
    /// A process has started, and wants to know who is where.
    Hello { process: Uuid },
    /// Somebody may hear a topic no longer; without one, nothing.
    Revoke { actor: Uuid, topic: Option<String> },
}

impl Passing {
    /// The entry of the log that carries it.
    pub(super) fn entry(&self, clock: &Clock) -> Result<NewEntry> {
        let data =
            serde_json::to_string(self).map_err(|error| Error::internal("a note cannot be written").source(error))?;
        let (id, name) = (clock.id(), PASSING.to_owned());
        Ok(NewEntry { id, name, version: 1, key: String::new(), data, meta: "{}".into() })
    }
}

/// Carries what passes to every process, this one too: it ends at [`Hub::passed`].
///
/// A driver with connections of its own (Redis, NATS) also listens there, and gives what it hears to the hub.
pub(super) trait Driver: Send + Sync + std::fmt::Debug {
    /// Its name in pages.
    fn name(&self) -> &'static str;

    fn send<'a>(&'a self, hub: &'a Hub, passing: Passing) -> BoxFuture<'a, Result<()>>;
}

/// The driver that `url` names.
pub(super) fn connect(url: &Url, db: &Db) -> Result<Box<dyn Driver>> {
    match url.scheme() {
        "memory" => Ok(Box::new(Memory)),
        "database" => Ok(Box::new(Database(db.clone()))),
        other => Err(Error::invalid(format!("realtime.url: no driver knows `{other}:`"))
            .hint("use memory: for one process, or database: for several on one database")),
    }
}

/// `memory:`, one process alone.
#[derive(Debug)]
struct Memory;

impl Driver for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn send<'a>(&'a self, hub: &'a Hub, passing: Passing) -> BoxFuture<'a, Result<()>> {
        hub.passed(passing);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// `database:`, every process that reads the log of this database.
#[derive(Debug)]
struct Database(Db);

impl Driver for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn send<'a>(&'a self, _: &'a Hub, passing: Passing) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let entry = passing.entry(self.0.clock())?;
            let tx = self.0.begin().await?;
            self.0.log().append(&tx, entry).await?;
            tx.commit().await
        })
    }
}

/// The note that a message passes.
pub(super) fn message(topic: &Topic, key: Option<&str>, by: Option<Uuid>, data: String) -> Result<Passing> {
    let data = serde_json::value::RawValue::from_string(data)
        .map_err(|error| Error::invalid("that is no JSON").source(error))?;
    Ok(Passing::Message { topic: topic.as_str().to_owned(), key: key.map(str::to_owned), by, data })
}
