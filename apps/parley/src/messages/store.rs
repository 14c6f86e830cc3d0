//! Reads messages, and what belongs to them, by batches.

use super::api::{Activity, ActivityRange};
use super::search::INDEX;
use sarsen::data::{Order, Page, PageRequest};
use sarsen::{Db, Result, Timestamp};
use std::collections::HashMap;
use uuid::Uuid;

macro_rules! columns {
    () => {
        "seq, id, channel_id, author_id, text, posted_at, edited_at, deleted, thread_id, reply_count, last_reply_at, revision"
    };
}
pub(super) use columns;

macro_rules! messages {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM messages ", $rest)
    };
}

const NEWEST_FIRST: &[Order] = &[Order::desc("posted_at"), Order::desc("id")];
const OLDEST_FIRST: &[Order] = &[Order::asc("posted_at"), Order::asc("id")];
const NEWEST_MENTION_FIRST: &[Order] = &[Order::desc("posted_at"), Order::desc("message_id")];

/// A message as it is stored.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) id: Uuid,
    pub(super) channel_id: Uuid,
    pub(super) author_id: Uuid,
    pub(super) text: String,
    pub(super) posted_at: Timestamp,
    pub(super) edited_at: Option<Timestamp>,
    pub(super) deleted: bool,
    pub(super) thread_id: Option<Uuid>,
    pub(super) reply_count: i64,
    pub(super) last_reply_at: Option<Timestamp>,
    pub(super) revision: i64,
}

/// How often an emoji stands at a message.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct EmojiCount {
    pub(super) message_id: Uuid,
    pub(super) emoji: String,
    pub(super) users: i64,
    /// How many of them are the one who asks: 0 or 1.
    pub(super) mine: i64,
}

/// The rows of messages.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) db: Db,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn message(&self, id: Uuid) -> Result<Option<Stored>> {
        self.db.query(messages!("WHERE id = ?")).bind(id).optional().await
    }

    pub(super) async fn by_nonce(&self, author: Uuid, nonce: &str) -> Result<Option<Stored>> {
        self.db.query(messages!("WHERE author_id = ? AND nonce = ?")).bind(author).bind(nonce).optional().await
    }

    /// The newest revision of a channel; 0 before its first message.
    pub(super) async fn head(&self, channel: Uuid) -> Result<i64> {
        let head = self.db.query("SELECT revision FROM heads WHERE channel_id = ?").bind(channel).optional::<(i64,)>();
        Ok(head.await?.map_or(0, |(revision,)| revision))
    }

    /// The messages of a channel that are no replies, newest first.
    pub(super) async fn history(&self, channel: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        let query = self.db.query(messages!("WHERE channel_id = ? AND thread_id IS NULL")).bind(channel);
        query.page_by(NEWEST_FIRST, page).await
    }

    /// The replies of a thread, oldest first.
    pub(super) async fn replies(&self, root: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        let query = self.db.query(messages!("WHERE thread_id = ?")).bind(root);
        query.page_by(OLDEST_FIRST, page).await
    }

    /// The messages of a channel that changed after `since`, in the order of their last changes.
    pub(super) async fn changes(&self, channel: Uuid, since: i64, limit: u32) -> Result<Vec<Stored>> {
        let sql = messages!("WHERE channel_id = ? AND revision > ? ORDER BY revision LIMIT ?");
        self.db.query(sql).bind(channel).bind(since).bind(i64::from(limit)).all().await
    }

    /// The messages that mention `user`, newest first.
    pub(super) async fn mentioning(&self, user: Uuid, page: &PageRequest) -> Result<Page<Uuid>> {
        let query = self.db.query("SELECT message_id, posted_at FROM mentions WHERE user_id = ?").bind(user);
        let page = query.page_by::<(Uuid, Timestamp)>(NEWEST_MENTION_FIRST, page).await?;
        Ok(page.map(|(message, _)| message))
    }

    /// The messages with these ids, newest first.
    pub(super) async fn by_ids(&self, ids: Vec<Uuid>) -> Result<Vec<Stored>> {
        let sql = messages!("WHERE id IN (?) AND deleted = FALSE ORDER BY posted_at DESC, id DESC");
        self.db.query(sql).bind_list(ids).all().await
    }

    /// The messages with these numbers, the last one first.
    pub(super) async fn by_seqs(&self, seqs: Vec<i64>) -> Result<Vec<Stored>> {
        let sql = messages!("WHERE seq IN (?) AND deleted = FALSE ORDER BY seq DESC");
        self.db.query(sql).bind_list(seqs).all().await
    }

    /// The numbers of the messages in `channels` that have all `words`, the last one first.
    pub(super) async fn search(
        &self,
        words: &str,
        channels: &[String],
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<i64>> {
        INDEX.find(&self.db, words, channels, before, limit).await
    }

    /// What was posted in a time, oldest first, replies too.
    pub(super) async fn activity(&self, range: &ActivityRange, limit: usize) -> Result<Vec<Activity>> {
        let sql = "SELECT m.id AS id, m.author_id AS author_id, m.posted_at AS posted_at, m.thread_id AS thread_id, \
                   m.reply_count AS reply_count, \
                   (SELECT CAST(COUNT(*) AS BIGINT) FROM reactions r WHERE r.message_id = m.id) AS reactions \
                   FROM messages m WHERE m.channel_id = ? AND m.deleted = FALSE \
                   AND (m.posted_at, m.id) > (?, ?) AND m.posted_at < ? ORDER BY m.posted_at, m.id LIMIT ?";
        // No id is nil, so the first page has all of its first moment.
        let (at, id) = range.after.unwrap_or((range.from, Uuid::nil()));
        let query = self.db.query(sql).bind(range.channel).bind(at).bind(id).bind(range.until);
        query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).all().await
    }

    /// The emoji at each message, those that came first first.
    pub(super) async fn reactions(&self, user: Uuid, messages: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<EmojiCount>>> {
        let sql = "SELECT message_id, emoji, CAST(COUNT(*) AS BIGINT) AS users, \
                   CAST(SUM(CASE WHEN user_id = ? THEN 1 ELSE 0 END) AS BIGINT) AS mine \
                   FROM reactions WHERE message_id IN (?) GROUP BY message_id, emoji ORDER BY MIN(at), emoji";
        self.db.query(sql).bind(user).bind_list(messages).group_by(|row: &EmojiCount| row.message_id).await
    }

    /// Every `(message, mentioned user)` of these messages.
    pub(super) async fn mentions(&self, messages: Vec<Uuid>) -> Result<Vec<(Uuid, Uuid)>> {
        let sql = "SELECT message_id, user_id FROM mentions WHERE message_id IN (?) ORDER BY message_id, user_id";
        self.db.query(sql).bind_list(messages).all().await
    }
}
