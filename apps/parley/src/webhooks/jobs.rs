//! The work of webhooks that is done later: telling of events, delivering, and forgetting.

use super::Module;
use super::outgoing::Fact;
use crate::messages::api::{MessageDeleted, MessageEdited, MessagePosted};
use sarsen::Result;
use sarsen::events::Delivery;
use sarsen::jobs::{Firing, Job, Policy, Queue, Run, Schedule};
use sarsen::telemetry::{Budget, ms};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Where deliveries wait. A receiver that is slow holds up itself only: it has two places, and receivers take turns.
pub(super) const QUEUE: Queue = Queue::new("webhooks").concurrency(16).limit_per_key(2).fair();

/// Every night.
pub(super) const PRUNE: Schedule = Schedule::cron("webhooks.prune", "30 3 * * *");

/// Sends an event to a webhook.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deliver {
    pub(super) delivery: Uuid,
    pub(super) webhook: Uuid,
}

impl Job for Deliver {
    const KIND: &'static str = "webhooks.deliver";

    /// 14 attempts in up to 20 hours. The call has a limit of its own, so the timeout is only for what went wrong here.
    fn policy() -> Policy {
        let policy = Policy::new().queue("webhooks").attempts(14).timeout(Duration::from_secs(90)).forget();
        let budget = Budget::new().wait(ms(5_000)).run(ms(10_000)).queries(8).retries(13);
        policy.backoff(Duration::from_secs(15), Duration::from_secs(6 * 3600)).budget(budget)
    }

    fn key(&self) -> Option<String> {
        Some(self.webhook.to_string())
    }
}

/// Forgets old deliveries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prune {}

impl Job for Prune {
    const KIND: &'static str = "webhooks.prune";
}

impl Prune {
    pub(super) fn due(_: Firing) -> Self {
        Self {}
    }
}

impl Module {
    pub(super) async fn deliver(self: Arc<Self>, job: Deliver, run: Run) -> Result<()> {
        self.attempt(job.delivery, run.max_attempts().saturating_sub(run.attempt())).await
    }

    pub(super) async fn prune_deliveries(self: Arc<Self>, _: Prune, _: Run) -> Result<()> {
        self.prune().await
    }

    pub(super) async fn on_posted(self: Arc<Self>, posted: MessagePosted, delivery: Delivery) -> Result<()> {
        self.tell(Fact::Posted(posted), delivery).await
    }

    pub(super) async fn on_edited(self: Arc<Self>, edited: MessageEdited, delivery: Delivery) -> Result<()> {
        self.tell(Fact::Edited(edited), delivery).await
    }

    pub(super) async fn on_deleted(self: Arc<Self>, deleted: MessageDeleted, delivery: Delivery) -> Result<()> {
        self.tell(Fact::Deleted(deleted), delivery).await
    }
}
