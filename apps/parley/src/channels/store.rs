//! The rows of channels: channels and memberships.

use super::api::ChannelKind;
use super::cached::Scope;
use super::unread;
use sarsen::data::{Order, Page, PageRequest};
use sarsen::{Db, Error, Result, Timestamp, Tx};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// The columns of a channel and whether the user of the first `?` is a member; a literal for the rest of the statement.
macro_rules! channels {
    ($rest:literal) => {
        concat!(
            "SELECT c.id AS id, c.name AS name, c.topic AS topic, c.kind AS kind, c.created_at AS created_at, \
             m.user_id AS member_id \
             FROM channels c LEFT JOIN memberships m ON m.channel_id = c.id AND m.user_id = ? ",
            $rest
        )
    };
}

/// Oldest first: ids rise with time.
const BY_AGE: &[Order] = &[Order::asc("id")];

/// The order in which members joined.
const BY_JOINING: &[Order] = &[Order::asc("joined_at"), Order::asc("user_id")];

/// A channel as one user sees it, without what moves with every message.
#[derive(Clone, Debug, Serialize, Deserialize, sarsen::FromRow)]
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) name: Option<String>,
    pub(super) topic: String,
    kind: String,
    pub(super) created_at: Timestamp,
    /// Who asks, when they are a member.
    pub(super) member_id: Option<Uuid>,
}

/// What moves with every message, as one user sees it.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Moving {
    pub(super) id: Uuid,
    pub(super) last_message_at: Option<Timestamp>,
    pub(super) read_until: Option<Timestamp>,
    /// Messages of others since it was read, [`unread::MOST`] at most.
    pub(super) unread: i64,
}

impl Stored {
    pub(super) fn kind(&self) -> Result<ChannelKind> {
        let kinds = [ChannelKind::Public, ChannelKind::Private, ChannelKind::Direct];
        let found = kinds.into_iter().find(|kind| kind_text(*kind) == self.kind);
        found.ok_or_else(|| Error::internal(format!("channel {} has the unknown kind `{}`", self.id, self.kind)))
    }

    pub(super) fn is_member(&self) -> bool {
        self.member_id.is_some()
    }
}

fn kind_text(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Public => "public",
        ChannelKind::Private => "private",
        ChannelKind::Direct => "direct",
    }
}

/// A channel to insert.
#[derive(Clone, Debug)]
pub(super) struct NewChannel {
    pub(super) id: Uuid,
    pub(super) name: Option<String>,
    pub(super) topic: String,
    pub(super) kind: ChannelKind,
    pub(super) direct_key: Option<String>,
    pub(super) created_by: Uuid,
    pub(super) created_at: Timestamp,
}

/// The rows of channels.
#[derive(Clone, Debug)]
pub(super) struct Store {
    db: Db,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn begin(&self) -> Result<Tx> {
        self.db.begin().await
    }

    pub(super) async fn channel(&self, user: Uuid, id: Uuid) -> Result<Option<Stored>> {
        self.db.query(channels!("WHERE c.id = ?")).bind(user).bind(id).optional().await
    }

    pub(super) async fn named(&self, user: Uuid, name: &str) -> Result<Option<Stored>> {
        self.db.query(channels!("WHERE c.name = ?")).bind(user).bind(name).optional().await
    }

    pub(super) async fn direct(&self, user: Uuid, direct_key: &str) -> Result<Option<Stored>> {
        self.db.query(channels!("WHERE c.direct_key = ?")).bind(user).bind(direct_key).optional().await
    }

    /// The channels of a list, oldest first.
    pub(super) async fn list(&self, user: Uuid, scope: Scope, page: &PageRequest) -> Result<Page<Stored>> {
        match scope {
            Scope::Joined => self.joined(user, page).await,
            Scope::Readable => self.readable(user, page).await,
        }
    }

    /// The channels that `user` has joined, oldest first.
    async fn joined(&self, user: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        let query = self.db.query(channels!("WHERE m.user_id IS NOT NULL")).bind(user);
        query.page_by(BY_AGE, page).await
    }

    /// The channels that `user` may read, oldest first.
    async fn readable(&self, user: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        let query = self.db.query(channels!("WHERE (c.kind = 'public' OR m.user_id IS NOT NULL)")).bind(user);
        query.page_by(BY_AGE, page).await
    }

    /// The ids of channels that `user` may read, those they joined first.
    pub(super) async fn readable_ids(&self, user: Uuid, limit: usize) -> Result<Vec<Uuid>> {
        let sql = "SELECT c.id AS id FROM channels c \
                   LEFT JOIN memberships m ON m.channel_id = c.id AND m.user_id = ? \
                   WHERE (c.kind = 'public' OR m.user_id IS NOT NULL) \
                   ORDER BY CASE WHEN m.user_id IS NULL THEN 1 ELSE 0 END, c.id LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        first_column(self.db.query(sql).bind(user).bind(limit).all().await?)
    }

    /// The channels that `user` may read and that are no direct conversations, those they joined first.
    pub(super) async fn readable_rooms(&self, user: Uuid, limit: usize) -> Result<Vec<Stored>> {
        let sql = channels!(
            "WHERE (c.kind = 'public' OR (c.kind = 'private' AND m.user_id IS NOT NULL)) \
             ORDER BY CASE WHEN m.user_id IS NULL THEN 1 ELSE 0 END, c.id LIMIT ?"
        );
        self.db.query(sql).bind(user).bind(i64::try_from(limit).unwrap_or(i64::MAX)).all().await
    }

    /// Those of `ids` that `user` may read.
    pub(super) async fn readable_of(&self, user: Uuid, ids: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let sql = "SELECT c.id AS id FROM channels c \
                   LEFT JOIN memberships m ON m.channel_id = c.id AND m.user_id = ? \
                   WHERE c.id IN (?) AND (c.kind = 'public' OR m.user_id IS NOT NULL)";
        first_column(self.db.query(sql).bind(user).bind_list(ids).all().await?)
    }

    pub(super) async fn member_counts(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, i64>> {
        let sql = "SELECT channel_id, CAST(COUNT(*) AS BIGINT) AS members FROM memberships \
                   WHERE channel_id IN (?) GROUP BY channel_id";
        Ok(self.db.query(sql).bind_list(ids).all::<(Uuid, i64)>().await?.into_iter().collect())
    }

    /// Every `(channel, member)` of these channels, which are small.
    pub(super) async fn members_of(&self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, Uuid)>> {
        let sql = "SELECT channel_id, user_id FROM memberships WHERE channel_id IN (?) ORDER BY channel_id, user_id";
        self.db.query(sql).bind_list(ids).all().await
    }

    /// The members of a channel, in the order in which they joined.
    pub(super) async fn members(&self, channel: Uuid, page: &PageRequest) -> Result<Page<Uuid>> {
        let query = self.db.query("SELECT user_id, joined_at FROM memberships WHERE channel_id = ?").bind(channel);
        let page = query.page_by::<(Uuid, Timestamp)>(BY_JOINING, page).await?;
        Ok(page.map(|(user, _)| user))
    }

    /// What moves in these channels.
    pub(super) async fn moving(&self, user: Uuid, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Moving>> {
        let sql = "SELECT c.id AS id, c.last_message_at AS last_message_at, \
                     COALESCE(m.read_until, m.joined_at) AS read_until, (SELECT CAST(COUNT(*) AS BIGINT) FROM (\
                     SELECT 1 AS one FROM unread_posts p WHERE p.channel_id = m.channel_id AND p.author_id <> m.user_id \
                     AND p.posted_at > COALESCE(m.read_until, m.joined_at) LIMIT ?) AS few) AS unread \
                   FROM channels c LEFT JOIN memberships m ON m.channel_id = c.id AND m.user_id = ? WHERE c.id IN (?)";
        let moving = self.db.query(sql).bind(unread::MOST).bind(user).bind_list(ids).all::<Moving>().await?;
        Ok(moving.into_iter().map(|moving| (moving.id, moving)).collect())
    }

    /// Inserts a channel with its first members; nothing, and `false`, when its name or its people have one already.
    pub(super) async fn insert(&self, tx: &Tx, new: NewChannel, members: &[Uuid]) -> Result<bool> {
        let sql = "INSERT INTO channels (id, name, topic, kind, direct_key, created_by, created_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let query = tx.query(sql).bind(new.id).bind(new.name).bind(new.topic).bind(kind_text(new.kind));
        let inserted = query.bind(new.direct_key).bind(new.created_by).bind(new.created_at).execute().await?;
        if inserted == 0 {
            return Ok(false);
        }
        self.add_members(tx, new.id, members, new.created_at).await?;
        Ok(true)
    }

    pub(super) async fn update(&self, tx: &Tx, id: Uuid, name: Option<&str>, topic: Option<&str>) -> Result<()> {
        let sql = "UPDATE channels SET name = COALESCE(?, name), topic = COALESCE(?, topic) WHERE id = ?";
        tx.query(sql).bind(name).bind(topic).bind(id).execute().await.map(drop)
    }

    /// Adds members and gives those that are new.
    pub(super) async fn add_members(&self, tx: &Tx, channel: Uuid, users: &[Uuid], at: Timestamp) -> Result<Vec<Uuid>> {
        let groups = vec!["(?, ?, ?)"; users.len()].join(", ");
        let sql = format!(
            "INSERT INTO memberships (channel_id, user_id, joined_at) VALUES {groups} \
             ON CONFLICT (channel_id, user_id) DO NOTHING RETURNING user_id"
        );
        let query = users.iter().fold(tx.query(sql), |query, user| query.bind(channel).bind(*user).bind(at));
        first_column(query.all().await?)
    }

    /// Ends a membership; `false` when there was none.
    pub(super) async fn remove_member(&self, tx: &Tx, channel: Uuid, user: Uuid) -> Result<bool> {
        let sql = "DELETE FROM memberships WHERE channel_id = ? AND user_id = ?";
        Ok(tx.query(sql).bind(channel).bind(user).execute().await? == 1)
    }

    /// Moves up to where a member has read; never back.
    pub(super) async fn mark_read(&self, channel: Uuid, user: Uuid, until: Timestamp) -> Result<()> {
        let sql = "UPDATE memberships SET read_until = ? \
                   WHERE channel_id = ? AND user_id = ? AND COALESCE(read_until, joined_at) < ?";
        self.db.query(sql).bind(until).bind(channel).bind(user).bind(until).execute().await.map(drop)
    }

    pub(super) async fn note_message(&self, channel: Uuid, at: Timestamp) -> Result<()> {
        let sql = "UPDATE channels SET last_message_at = ? \
                   WHERE id = ? AND (last_message_at IS NULL OR last_message_at < ?)";
        self.db.query(sql).bind(at).bind(channel).bind(at).execute().await.map(drop)
    }
}

fn first_column(rows: Vec<(Uuid,)>) -> Result<Vec<Uuid>> {
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
