//! Who wants to hear of what, and one delivery of it.

use super::event::{Event, Recorded};
use crate::clock::Timestamp;
use crate::data::Tx;
use crate::error::{Error, Result};
use crate::jobs::registry::Handler;
use crate::jobs::{KindInfo, Policy, Queue, Run};
use crate::lifecycle;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A subscriber: its name, for ever, and how deliveries to it run. A delivery is a job.
///
/// ```
/// use sarsen::events::Subscription;
///
/// let audit = Subscription::new("audit.entries").ordered().attempts(20);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    pub(crate) name: &'static str,
    ordered: bool,
    policy: Policy,
}

impl Subscription {
    /// A subscriber whose deliveries wait in the queue `events`, and are tried 10 times.
    pub const fn new(name: &'static str) -> Self {
        Self { name, ordered: false, policy: Policy::new().queue("events").forget() }
    }

    /// Events of one key are delivered one after another, in the order in which they were committed; one that fails holds
    /// up its key. The deliveries wait in a queue of their own, named after the subscriber.
    #[must_use]
    pub const fn ordered(self) -> Self {
        Self { ordered: true, policy: self.policy.queue(self.name), ..self }
    }

    /// Another queue than `events`; an ordered subscriber always has its own.
    #[must_use]
    pub const fn queue(self, queue: &'static str) -> Self {
        if self.ordered { self } else { Self { policy: self.policy.queue(queue), ..self } }
    }

    /// How often a delivery is tried before it becomes a dead letter.
    #[must_use]
    pub const fn attempts(self, attempts: u32) -> Self {
        Self { policy: self.policy.attempts(attempts), ..self }
    }

    /// How many processes may die while a delivery runs before it becomes a dead letter.
    #[must_use]
    pub const fn crashes(self, crashes: u32) -> Self {
        Self { policy: self.policy.crashes(crashes), ..self }
    }

    /// How long one delivery may take.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { policy: self.policy.timeout(timeout), ..self }
    }

    /// How long to wait between attempts; see [`Policy::backoff`].
    #[must_use]
    pub const fn backoff(self, base: Duration, most: Duration) -> Self {
        Self { policy: self.policy.backoff(base, most), ..self }
    }

    /// The kind of job that a delivery is.
    pub(crate) fn kind<E: Event>(&self, module: &'static str) -> KindInfo {
        let check = |arguments: &[u8]| read::<E>(arguments).map(drop);
        KindInfo { kind: self.name, module, version: 1, policy: self.policy, check }
    }

    /// The queue of its own that it needs.
    pub(crate) fn own_queue(&self) -> Option<Queue> {
        self.ordered.then_some(Queue::new(self.name).ordered())
    }
}

/// What a module subscribes to.
#[derive(Clone, Copy, Debug)]
pub struct Subscribed {
    /// The name of the event.
    pub event: &'static str,
    /// The name of the subscriber.
    pub subscriber: &'static str,
    /// The job that a delivery is.
    pub(crate) kind: KindInfo,
}

/// One delivery of an event to a subscriber.
#[derive(Clone, Debug)]
pub struct Delivery {
    recorded: Arc<Recorded>,
    subscriber: &'static str,
    run: Run,
}

impl Delivery {
    /// The event's id: the same at each attempt and for each subscriber.
    pub fn id(&self) -> Uuid {
        self.recorded.id
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        self.recorded.time
    }

    /// Its place in the log.
    pub fn position(&self) -> i64 {
        self.recorded.position
    }

    /// The event with its outer form.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// The run of the job that this delivery is.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Takes the event into this subscriber's inbox, and settles the delivery, both inside `tx`: what the transaction does
    /// happens exactly once. False when the event is in the inbox already: then there is nothing to do.
    pub async fn once(&self, tx: &Tx) -> Result<bool> {
        let sql = "INSERT INTO sarsen_inbox (subscriber, event, at) VALUES (?, ?, ?) ON CONFLICT (subscriber, event) DO NOTHING";
        let query = tx.own(sql).bind(self.subscriber).bind(self.id()).bind(tx.clock().now().as_micros());
        if query.execute().await? == 0 {
            return Ok(false);
        }
        self.run.complete_in(tx).await?;
        Ok(true)
    }
}

/// The handler of a delivery: decodes the event and calls `work`.
pub(crate) fn handler<E, F, Done>(subscriber: &'static str, work: F) -> Handler
where
    E: Event,
    F: Fn(E, Delivery) -> Done + Send + Sync + 'static,
    Done: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |_, arguments, run| match read::<E>(&arguments) {
        Ok((event, recorded)) => {
            let done = work(event, Delivery { recorded: Arc::new(recorded), subscriber, run });
            Box::pin(async move {
                let done = done.await;
                lifecycle::fault("events.delivered");
                done
            })
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    })
}

fn read<E: Event>(arguments: &[u8]) -> Result<(E, Recorded)> {
    let recorded: Recorded = serde_json::from_slice(arguments)
        .map_err(|error| Error::invalid(format!("a delivery of `{}` cannot be decoded: {error}", E::NAME)))?;
    Ok((recorded.decode()?, recorded))
}
