//! The rows of incoming webhooks.

use sarsen::{Db, Result, Timestamp};
use std::time::Duration;
use uuid::Uuid;

macro_rules! hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, channel_id, owner_id, bot_id, name, secret, created_at, used_at FROM incoming_hooks ",
            $rest
        )
    };
}

/// An incoming webhook as it is stored.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(in crate::webhooks) struct StoredHook {
    pub(super) id: Uuid,
    pub(super) channel_id: Uuid,
    pub(super) owner_id: Uuid,
    pub(super) bot_id: Uuid,
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) created_at: Timestamp,
    pub(super) used_at: Option<Timestamp>,
}

/// The rows of incoming webhooks.
#[derive(Debug)]
pub(in crate::webhooks) struct Store {
    db: Db,
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

    pub(super) async fn insert(&self, hook: &StoredHook) -> Result<()> {
        let sql = "INSERT INTO incoming_hooks (id, channel_id, owner_id, bot_id, name, secret, created_at, window_at, \
                   window_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)";
        let query = self.db.query(sql).bind(hook.id).bind(hook.channel_id).bind(hook.owner_id).bind(hook.bot_id);
        let query = query.bind(hook.name.as_str()).bind(hook.secret.as_str());
        query.bind(hook.created_at).bind(hook.created_at).execute().await.map(drop)
    }

    pub(super) async fn delete(&self, id: Uuid) -> Result<()> {
        self.db.query("DELETE FROM incoming_hooks WHERE id = ?").bind(id).execute().await.map(drop)
    }

    /// Counts a request; gives when the present window began, and how many requests it has had in it, this one too.
    ///
    /// One statement, so the count holds for all processes together.
    pub(super) async fn count(&self, id: Uuid, now: Timestamp, window: Duration) -> Result<Option<(Timestamp, i64)>> {
        let sql = "UPDATE incoming_hooks SET used_at = ?, \
                   window_count = CASE WHEN window_at <= ? THEN 1 ELSE window_count + 1 END, \
                   window_at = CASE WHEN window_at <= ? THEN ? ELSE window_at END \
                   WHERE id = ? RETURNING window_at, window_count";
        let ended = now - window;
        self.db.query(sql).bind(now).bind(ended).bind(ended).bind(now).bind(id).optional().await
    }
}
