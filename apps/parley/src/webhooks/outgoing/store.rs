//! The rows of outgoing webhooks and of their deliveries.

use super::deliveries::Status;
use super::events::{self, HookEvent};
use sarsen::data::{Order, Page, PageRequest, Tx};
use sarsen::{Db, Result, Timestamp};
use uuid::Uuid;

macro_rules! hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, channel_id, owner_id, url, events, secret, created_at, disabled_at, disabled_reason \
             FROM webhooks ",
            $rest
        )
    };
}

macro_rules! deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT id, webhook_id, event_id, event, status, attempts, error, created_at, tried_at \
             FROM webhook_deliveries ",
            $rest
        )
    };
}

/// Newest first: ids rise with time.
const NEWEST_FIRST: &[Order] = &[Order::desc("id")];

/// A webhook as it is stored.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(super) struct StoredHook {
    pub(super) id: Uuid,
    pub(super) channel_id: Uuid,
    pub(super) owner_id: Uuid,
    pub(super) url: String,
    events: String,
    pub(super) secret: String,
    pub(super) created_at: Timestamp,
    pub(super) disabled_at: Option<Timestamp>,
    pub(super) disabled_reason: Option<String>,
}

impl StoredHook {
    pub(super) fn events(&self) -> Vec<HookEvent> {
        events::read(&self.events)
    }
}

/// A webhook to insert.
#[derive(Debug)]
pub(super) struct NewHook {
    pub(super) id: Uuid,
    pub(super) channel: Uuid,
    pub(super) owner: Uuid,
    pub(super) url: String,
    pub(super) events: Vec<HookEvent>,
    pub(super) secret: String,
    pub(super) created_at: Timestamp,
}

/// A delivery as it is stored, without its body.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(super) struct StoredDelivery {
    pub(super) id: Uuid,
    pub(super) webhook_id: Uuid,
    pub(super) event_id: Uuid,
    pub(super) event: String,
    status: String,
    pub(super) attempts: i64,
    pub(super) error: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) tried_at: Option<Timestamp>,
}

impl StoredDelivery {
    pub(super) fn status(&self) -> Result<Status> {
        Status::of(&self.status)
    }
}

/// A delivery to insert.
#[derive(Debug)]
pub(super) struct NewDelivery {
    pub(super) id: Uuid,
    pub(super) hook: Uuid,
    pub(super) event_id: Uuid,
    pub(super) event: HookEvent,
    pub(super) body: String,
}

/// The rows of outgoing webhooks.
#[derive(Debug)]
pub(in crate::webhooks) struct Store {
    pub(super) db: Db,
}

impl Store {
    pub(in crate::webhooks) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn hook(&self, id: Uuid) -> Result<Option<StoredHook>> {
        self.db.query(hooks!("WHERE id = ?")).bind(id).optional().await
    }

    /// Those of a channel, oldest first.
    pub(super) async fn of_channel(&self, channel: Uuid) -> Result<Vec<StoredHook>> {
        self.db.query(hooks!("WHERE channel_id = ? ORDER BY id")).bind(channel).all().await
    }

    /// Those of a channel that want `event`, oldest first.
    pub(super) async fn wanting(&self, channel: Uuid, event: HookEvent) -> Result<Vec<StoredHook>> {
        let hooks = self.of_channel(channel).await?.into_iter();
        Ok(hooks.filter(|hook| hook.disabled_at.is_none() && hook.events().contains(&event)).collect())
    }

    pub(super) async fn insert(&self, hook: NewHook) -> Result<()> {
        let sql = "INSERT INTO webhooks (id, channel_id, owner_id, url, events, secret, created_at, failures) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, 0)";
        let query = self.db.query(sql).bind(hook.id).bind(hook.channel).bind(hook.owner).bind(hook.url);
        let query = query.bind(events::write(&hook.events)).bind(hook.secret).bind(hook.created_at);
        query.execute().await.map(drop)
    }

    /// Changes what is given.
    pub(super) async fn update(&self, id: Uuid, url: Option<String>, events: Option<&[HookEvent]>) -> Result<()> {
        let sql = "UPDATE webhooks SET url = COALESCE(?, url), events = COALESCE(?, events) WHERE id = ?";
        let query = self.db.query(sql).bind(url).bind(events.map(events::write));
        query.bind(id).execute().await.map(drop)
    }

    /// Lets it work again, with its failures forgotten.
    pub(super) async fn enable(&self, id: Uuid) -> Result<()> {
        let sql = "UPDATE webhooks SET failures = 0, disabled_at = NULL, disabled_reason = NULL WHERE id = ?";
        self.db.query(sql).bind(id).execute().await.map(drop)
    }

    /// Deletes it and its deliveries.
    pub(super) async fn delete(&self, id: Uuid) -> Result<()> {
        let tx = self.db.begin().await?;
        for sql in ["DELETE FROM webhook_deliveries WHERE webhook_id = ?", "DELETE FROM webhooks WHERE id = ?"] {
            tx.query(sql).bind(id).execute().await?;
        }
        tx.commit().await
    }

    pub(super) async fn deliveries(&self, hook: Uuid, page: &PageRequest) -> Result<Page<StoredDelivery>> {
        self.db.query(deliveries!("WHERE webhook_id = ?")).bind(hook).page_by(NEWEST_FIRST, page).await
    }

    pub(super) async fn delivery(&self, id: Uuid) -> Result<Option<StoredDelivery>> {
        self.db.query(deliveries!("WHERE id = ?")).bind(id).optional().await
    }

    /// What a delivery sends.
    pub(super) async fn body(&self, delivery: Uuid) -> Result<String> {
        self.db.query("SELECT body FROM webhook_deliveries WHERE id = ?").bind(delivery).scalar().await
    }

    /// Forgets at most `limit` deliveries from before `before`, and says how many.
    pub(super) async fn prune(&self, before: Timestamp, limit: i64) -> Result<u64> {
        let sql = "DELETE FROM webhook_deliveries WHERE id IN \
                   (SELECT id FROM webhook_deliveries WHERE created_at < ? ORDER BY created_at LIMIT ?)";
        self.db.query(sql).bind(before).bind(limit).execute().await
    }
}

/// Stops a webhook, once.
pub(super) async fn disable(tx: &Tx, id: Uuid, reason: &str, at: Timestamp) -> Result<()> {
    let sql = "UPDATE webhooks SET disabled_at = ?, disabled_reason = ? WHERE id = ? AND disabled_at IS NULL";
    tx.query(sql).bind(at).bind(reason).bind(id).execute().await.map(drop)
}

pub(super) async fn insert_deliveries(tx: &Tx, deliveries: Vec<NewDelivery>, at: Timestamp) -> Result<()> {
    let groups = vec!["(?, ?, ?, ?, ?, 'waiting', 0, ?)"; deliveries.len()].join(", ");
    let sql = format!(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, body, status, attempts, created_at) \
         VALUES {groups}"
    );
    let query = deliveries.into_iter().fold(tx.query(sql), |query, new| {
        query.bind(new.id).bind(new.hook).bind(new.event_id).bind(new.event.as_str()).bind(new.body).bind(at)
    });
    query.execute().await.map(drop)
}

/// Notes an attempt and what came of it.
pub(super) async fn note_attempt(tx: &Tx, id: Uuid, status: Status, error: Option<&str>, at: Timestamp) -> Result<()> {
    let sql = "UPDATE webhook_deliveries SET status = ?, attempts = attempts + 1, error = ?, tried_at = ? WHERE id = ?";
    tx.query(sql).bind(status.as_str()).bind(error).bind(at).bind(id).execute().await.map(drop)
}

/// Notes that a delivery is given up without an attempt.
pub(super) async fn give_up(tx: &Tx, id: Uuid, error: &str) -> Result<()> {
    let sql = "UPDATE webhook_deliveries SET status = ?, error = ? WHERE id = ?";
    tx.query(sql).bind(Status::Failed.as_str()).bind(error).bind(id).execute().await.map(drop)
}

/// Makes a delivery that has ended wait again; `false` when it waits already.
pub(super) async fn wait_again(tx: &Tx, id: Uuid) -> Result<bool> {
    let sql = "UPDATE webhook_deliveries SET status = 'waiting', attempts = 0 WHERE id = ? AND status <> 'waiting'";
    Ok(tx.query(sql).bind(id).execute().await? == 1)
}

/// Counts a delivery that failed for good; gives how many have in a row.
pub(super) async fn count_failure(tx: &Tx, hook: Uuid) -> Result<i64> {
    let sql = "UPDATE webhooks SET failures = failures + 1 WHERE id = ? RETURNING failures";
    Ok(tx.query(sql).bind(hook).optional::<(i64,)>().await?.map_or(0, |(failures,)| failures))
}

/// Forgets the failures of a webhook that took something.
pub(super) async fn forget_failures(tx: &Tx, hook: Uuid) -> Result<()> {
    tx.query("UPDATE webhooks SET failures = 0 WHERE id = ? AND failures > 0").bind(hook).execute().await.map(drop)
}
