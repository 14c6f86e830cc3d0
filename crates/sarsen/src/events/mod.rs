//! Events: what happened, written down in the transaction in which it happened, and told to every subscriber.
//!
//! A delivery is a job of the same commit, so it has the same retries, limits and dead letters. The log keeps what
//! happened: [projections](Projection) are built from it, and it can be told again.
//!
//! ```
//! use sarsen::events::{Event, Events};
//! use sarsen::{Db, Result};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct UserJoined { user: uuid::Uuid }
//!
//! impl Event for UserJoined {
//!     const NAME: &'static str = "accounts.joined";
//! }
//!
//! async fn join(db: &Db, events: &Events, user: uuid::Uuid) -> Result<()> {
//!     let tx = db.begin().await?;
//!     tx.query("INSERT INTO users (id) VALUES (?)").bind(user).execute().await?;
//!     events.publish(&tx, UserJoined { user }).await?;
//!     tx.commit().await
//! }
//! ```

mod event;
mod projection;
mod registry;
mod replay;
mod runner;
mod subscription;

pub use event::{Event, Recorded};
pub use projection::{Projection, View};
pub(crate) use projection::{ProjectionHandler, projection_handler};
pub(crate) use registry::Registry;
pub use replay::{Position, Replay};
pub use runner::ProjectionState;
pub(crate) use runner::{catch_up, run_projections};
pub(crate) use subscription::handler;
pub use subscription::{Delivery, Subscribed, Subscription};

use crate::config::EventsSection;
use crate::data::{On, Tx};
use crate::error::{Error, Result};
use crate::jobs::store::Store;
use crate::jobs::{Jobs, Made, Options};
use crate::telemetry::Operation;
use std::sync::Arc;
use uuid::Uuid;

/// Most events of one call.
const MAX_MANY: usize = 1_000;

/// The handle that publishes events. Clones are the same.
#[derive(Clone, Debug)]
pub struct Events(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) jobs: Jobs,
    pub(crate) registry: Registry,
    pub(crate) section: EventsSection,
    source: String,
}

impl Events {
    pub(crate) fn new(jobs: &Jobs, section: &EventsSection, registry: Registry, application: &str) -> Self {
        let (jobs, section, source) = (jobs.clone(), section.clone(), format!("/{application}"));
        Self(Arc::new(Shared { jobs, registry, section, source }))
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    pub(crate) fn db(&self) -> &crate::Db {
        &self.0.jobs.store().db
    }

    /// Writes an event down, with a delivery for each subscriber, in the transaction. Gives its id.
    pub async fn publish<E: Event>(&self, tx: &Tx, event: E) -> Result<Uuid> {
        let ids = self.publish_many(tx, vec![event]).await?;
        ids.first().copied().ok_or_else(|| Error::internal("an event was not written"))
    }

    /// Like [`Events::publish`] for many events of a kind, with few statements; at most 1,000.
    pub async fn publish_many<E: Event>(&self, tx: &Tx, events: Vec<E>) -> Result<Vec<Uuid>> {
        if events.len() > MAX_MANY {
            return Err(Error::invalid(format!("{} events at once are more than {MAX_MANY}", events.len()))
                .hint("publish them in parts"));
        }
        let trace = Operation::with_current(|operation| operation.trace().to_string()).unwrap_or_default();
        let record = |event: &E| {
            let (id, now) = (tx.clock().id(), tx.clock().now());
            Recorded::new(event, id, now, &self.0.source, trace.clone())
        };
        let mut recorded = events.iter().map(record).collect::<Result<Vec<_>>>()?;
        let entries = recorded.iter().map(Recorded::to_entry).collect::<Result<Vec<_>>>()?;
        let positions = self.db().log().append_many(tx, entries).await?;
        recorded.iter_mut().zip(positions).for_each(|(event, position)| event.position = position);
        self.deliver(tx, &recorded, |_, _| true).await?;
        Ok(recorded.into_iter().map(|event| event.id).collect())
    }

    /// Enqueues the deliveries that are `wanted`, in the order of the events; gives how many.
    pub(crate) async fn deliver(
        &self,
        tx: &Tx,
        events: &[Recorded],
        wanted: impl Fn(&Subscribed, &Recorded) -> bool,
    ) -> Result<usize> {
        let on = On::Tx(tx);
        let mut deliveries = Vec::new();
        for event in events {
            let subscribers = self.0.registry.subscribers(&event.name).filter(|subscriber| wanted(subscriber, event));
            for subscriber in subscribers {
                let arguments = serde_json::to_vec(event)
                    .map_err(|error| Error::internal("a delivery cannot be written").source(error))?;
                let key = (!event.subject.is_empty()).then(|| event.subject.clone());
                let made = Made { version: 1, arguments, key };
                deliveries.push(self.jobs().build(on, subscriber.kind, made, &Options::new())?);
            }
        }
        let count = deliveries.len();
        if count > 0 {
            Store::insert(on, deliveries).await?;
        }
        Ok(count)
    }
}
