//! The rows of audit.

use super::entry::Told;
use sarsen::data::{Order, Page, PageRequest};
use sarsen::{Db, Result, Timestamp, Tx};
use uuid::Uuid;

macro_rules! entries {
    ($rest:literal) => {
        concat!("SELECT id, at, actor_id, action, channel_id, subject_id FROM audit_entries ", $rest)
    };
}

const NEWEST_FIRST: &[Order] = &[Order::desc("at"), Order::desc("id")];

/// Most entries that one statement deletes.
const PART: i64 = 1_000;

/// An entry as it is stored.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) at: Timestamp,
    pub(super) actor_id: Uuid,
    pub(super) action: String,
    pub(super) channel_id: Option<Uuid>,
    pub(super) subject_id: Option<Uuid>,
}

/// The rows of audit.
#[derive(Debug)]
pub(super) struct Store {
    db: Db,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn of_actor(&self, actor: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        self.db.query(entries!("WHERE actor_id = ?")).bind(actor).page_by(NEWEST_FIRST, page).await
    }

    pub(super) async fn of_channel(&self, channel: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        self.db.query(entries!("WHERE channel_id = ?")).bind(channel).page_by(NEWEST_FIRST, page).await
    }

    /// Deletes some entries from before `at`; `false` when that was all.
    pub(super) async fn delete_before(&self, at: Timestamp) -> Result<bool> {
        let sql =
            "DELETE FROM audit_entries WHERE id IN (SELECT id FROM audit_entries WHERE at < ? ORDER BY at LIMIT ?)";
        Ok(self.db.query(sql).bind(at).bind(PART).execute().await? == PART.unsigned_abs())
    }
}

pub(super) async fn insert(tx: &Tx, id: Uuid, action: &'static str, told: Told) -> Result<()> {
    let sql = "INSERT INTO audit_entries (id, at, actor_id, action, channel_id, subject_id) VALUES (?, ?, ?, ?, ?, ?)";
    let query = tx.query(sql).bind(id).bind(told.at).bind(told.actor).bind(action);
    query.bind(told.channel).bind(told.subject).execute().await.map(drop)
}
