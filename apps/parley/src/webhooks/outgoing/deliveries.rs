//! Deliveries: one for each event and webhook, tried until it is taken or given up.

use super::events::{Happening, HookEvent, Payload};
use super::store::{self, NewDelivery, StoredDelivery, StoredHook};
use crate::messages::api::{MessageDeleted, MessageEdited, MessagePosted};
use crate::webhooks::call::{Answer, Message, Target, Verdict, judge};
use crate::webhooks::jobs::Deliver;
use crate::webhooks::{Module, signature};
use axum::http::HeaderName;
use sarsen::data::Tx;
use sarsen::error::Kind;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::webhooks) enum Status {
    /// It is to be tried, or tried again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It is given up.
    Failed,
}

impl Status {
    const ALL: [Status; 3] = [Status::Waiting, Status::Delivered, Status::Failed];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Delivered => "delivered",
            Status::Failed => "failed",
        }
    }

    pub(super) fn of(text: &str) -> Result<Status> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| Error::internal(format!("a delivery has the unknown status `{text}`")))
    }
}

/// A delivery, as the owner of its webhook sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::webhooks) struct Delivery {
    id: Uuid,
    /// What it tells of.
    event: String,
    status: Status,
    /// How often it was tried.
    attempts: i64,
    /// What came of the last attempt, unless it was taken.
    error: Option<String>,
    created_at: Timestamp,
    tried_at: Option<Timestamp>,
}

impl TryFrom<StoredDelivery> for Delivery {
    type Error = Error;

    fn try_from(stored: StoredDelivery) -> Result<Self> {
        let status = stored.status()?;
        let StoredDelivery { id, event, attempts, error, created_at, tried_at, .. } = stored;
        Ok(Self { id, event, status, attempts, error, created_at, tried_at })
    }
}

/// What happened in a channel.
#[derive(Clone, Debug)]
pub(in crate::webhooks) enum Fact {
    Posted(MessagePosted),
    Edited(MessageEdited),
    Deleted(MessageDeleted),
}

impl Fact {
    fn event(&self) -> HookEvent {
        match self {
            Fact::Posted(_) => HookEvent::Posted,
            Fact::Edited(_) => HookEvent::Edited,
            Fact::Deleted(_) => HookEvent::Deleted,
        }
    }

    fn channel(&self) -> Uuid {
        match self {
            Fact::Posted(posted) => posted.channel,
            Fact::Edited(edited) => edited.channel,
            Fact::Deleted(deleted) => deleted.channel,
        }
    }
}

impl Module {
    /// Makes a delivery for each webhook that wants to hear of `fact`, once for this event however often it is told.
    pub(in crate::webhooks) async fn tell(&self, fact: Fact, event: sarsen::events::Delivery) -> Result<()> {
        let hooks = self.outgoing.wanting(fact.channel(), fact.event()).await?;
        if hooks.is_empty() {
            return Ok(());
        }
        let Some(body) = self.body(&fact).await? else { return Ok(()) };
        let tx = self.outgoing.db.begin().await?;
        if !event.once(&tx).await? {
            return tx.rollback().await;
        }
        let ids = hooks.iter().map(|hook| hook.id).collect();
        self.enqueue(&tx, ids, event.id(), fact.event(), &body).await?;
        tx.commit().await
    }

    /// What webhooks are told; nothing when the message was deleted meanwhile, which is told by itself.
    async fn body(&self, fact: &Fact) -> Result<Option<String>> {
        let event = fact.event();
        let (message, timestamp) = match fact {
            Fact::Posted(posted) => (posted.message, posted.at),
            Fact::Edited(edited) => (edited.message, edited.at),
            Fact::Deleted(deleted) => {
                let MessageDeleted { message: id, channel: channel_id, author: author_id, posted_at, at } = *deleted;
                let data = Happening::Gone { id, channel_id, author_id, posted_at };
                return Payload { event, timestamp: at, data }.to_json().map(Some);
            }
        };
        let Some(message) = self.messages.find(message).await? else { return Ok(None) };
        let author = self.accounts.user(message.author).await?;
        Payload { event, timestamp, data: Happening::of_message(&message, &author) }.to_json().map(Some)
    }

    async fn enqueue(&self, tx: &Tx, hooks: Vec<Uuid>, event_id: Uuid, event: HookEvent, body: &str) -> Result<()> {
        let deliveries: Vec<NewDelivery> = hooks
            .into_iter()
            .map(|hook| NewDelivery { id: self.clock.id(), hook, event_id, event, body: body.to_owned() })
            .collect();
        let jobs = deliveries.iter().map(|new| Deliver { delivery: new.id, webhook: new.hook }).collect();
        store::insert_deliveries(tx, deliveries, self.clock.now()).await?;
        self.jobs.enqueue_many(tx, jobs).await.map(drop)
    }

    /// Sends one's own webhook something to see, whatever it wants to hear of.
    pub(in crate::webhooks) async fn test_webhook(&self, user: Uuid, id: Uuid) -> Result<()> {
        let hook = self.own_webhook(user, id).await?;
        check_enabled(&hook)?;
        let (event, timestamp) = (HookEvent::Test, self.clock.now());
        let data = Happening::Trial { channel_id: hook.channel_id };
        let body = Payload { event, timestamp, data }.to_json()?;
        let tx = self.outgoing.db.begin().await?;
        self.enqueue(&tx, vec![id], self.clock.id(), event, &body).await?;
        tx.commit().await
    }

    /// Tries a delivery that has ended once more, from the beginning.
    pub(in crate::webhooks) async fn replay(&self, user: Uuid, webhook: Uuid, delivery: Uuid) -> Result<Delivery> {
        let hook = self.own_webhook(user, webhook).await?;
        let missing = || Error::not_found(format!("the webhook has no delivery {delivery}"));
        let found = self.outgoing.delivery(delivery).await?.filter(|found| found.webhook_id == webhook);
        found.ok_or_else(missing)?;
        check_enabled(&hook)?;
        let tx = self.outgoing.db.begin().await?;
        if !store::wait_again(&tx, delivery).await? {
            return Err(Error::conflict("the delivery is still being tried"));
        }
        self.jobs.enqueue(&tx, Deliver { delivery, webhook }).await?;
        tx.commit().await?;
        self.outgoing.delivery(delivery).await?.ok_or_else(missing)?.try_into()
    }

    /// Makes one attempt and notes what came of it. An error means that the delivery failed: for now, or for good.
    pub(in crate::webhooks) async fn attempt(&self, id: Uuid, attempts_left: u32) -> Result<()> {
        let Some(delivery) = self.outgoing.delivery(id).await? else { return Ok(()) };
        let Some(hook) = self.outgoing.hook(delivery.webhook_id).await? else { return Ok(()) };
        // A process that died after it noted the end runs the job once more.
        if delivery.status()? != Status::Waiting {
            return Ok(());
        }
        if let Some(reason) = self.stopped(&hook).await? {
            return self.give_up(id, &reason).await;
        }
        let verdict = judge(self.send(&hook, &delivery).await);
        self.note(&hook, id, verdict, attempts_left).await
    }

    /// Why a webhook is not called any more. It acts for its owner, so it ends with their membership.
    async fn stopped(&self, hook: &StoredHook) -> Result<Option<String>> {
        if let Some(reason) = &hook.disabled_reason {
            return Ok(Some(format!("the webhook is disabled: {reason}")));
        }
        match self.member(hook.owner_id, hook.channel_id).await {
            Ok(_) => Ok(None),
            Err(error) if [Kind::Forbidden, Kind::NotFound].contains(&error.kind()) => {
                let reason = "its owner is no member of the channel";
                self.disable(hook.id, reason).await?;
                Ok(Some(format!("the webhook is disabled: {reason}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn give_up(&self, delivery: Uuid, reason: &str) -> Result<()> {
        let tx = self.outgoing.db.begin().await?;
        store::give_up(&tx, delivery, reason).await?;
        tx.commit().await
    }

    async fn send(&self, hook: &StoredHook, delivery: &StoredDelivery) -> Result<Answer> {
        let target = Target::parse(&hook.url, self.caller.reach())?;
        let body = self.outgoing.body(delivery.id).await?;
        // The same for each attempt and each replay, so that a receiver can tell what it has had.
        let id = format!("{}_{}", delivery.event_id.simple(), hook.id.simple());
        let timestamp = signature::seconds(self.clock.now());
        let signature = signature::sign(&hook.secret, &id, timestamp, body.as_bytes())?;
        let headers = vec![
            (HeaderName::from_static("webhook-id"), id),
            (HeaderName::from_static("webhook-timestamp"), timestamp.to_string()),
            (HeaderName::from_static("webhook-signature"), signature),
        ];
        self.caller.post(&target, Message { headers, body }).await
    }

    async fn note(&self, hook: &StoredHook, id: Uuid, verdict: Verdict, attempts_left: u32) -> Result<()> {
        let (tx, now) = (self.outgoing.db.begin().await?, self.clock.now());
        let result = match verdict {
            Verdict::Delivered => {
                store::note_attempt(&tx, id, Status::Delivered, None, now).await?;
                store::forget_failures(&tx, hook.id).await?;
                Ok(())
            }
            Verdict::Later(error) if attempts_left > 0 => {
                store::note_attempt(&tx, id, Status::Waiting, Some(error.message()), now).await?;
                Err(error)
            }
            Verdict::Later(error) | Verdict::Never(error) => {
                store::note_attempt(&tx, id, Status::Failed, Some(error.message()), now).await?;
                self.count_failure(&tx, hook.id, &error, now).await?;
                Err(error)
            }
            Verdict::Gone(error) => {
                store::note_attempt(&tx, id, Status::Failed, Some(error.message()), now).await?;
                store::disable(&tx, hook.id, "the receiver answered 410: it is gone", now).await?;
                Ok(())
            }
        };
        tx.commit().await?;
        result
    }

    async fn count_failure(&self, tx: &Tx, hook: Uuid, error: &Error, now: Timestamp) -> Result<()> {
        let failures = store::count_failure(tx, hook).await?;
        if failures < i64::from(self.config.disable_after) {
            return Ok(());
        }
        let reason = format!("{failures} deliveries in a row failed, the last: {}", error.message());
        store::disable(tx, hook, &reason, now).await
    }

    /// Forgets deliveries that are older than the configuration says.
    pub(in crate::webhooks) async fn prune(&self) -> Result<()> {
        let before = self.clock.now() - self.config.keep_deliveries.0;
        while self.outgoing.prune(before, PRUNED_AT_ONCE).await? == PRUNED_AT_ONCE.unsigned_abs() {}
        Ok(())
    }
}

/// Most deliveries that are forgotten in one transaction.
const PRUNED_AT_ONCE: i64 = 1_000;

fn check_enabled(hook: &StoredHook) -> Result<()> {
    match &hook.disabled_reason {
        Some(reason) => Err(Error::conflict(format!("the webhook is disabled: {reason}")).hint("enable it first")),
        None => Ok(()),
    }
}
