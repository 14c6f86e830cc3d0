//! Writes messages: every statement here is part of a transaction that first takes its channel's next revision.

use super::search::INDEX;
use super::store::{Stored, columns};
use sarsen::data::Tx;
use sarsen::{Result, Timestamp};
use uuid::Uuid;

/// A message to insert.
#[derive(Debug)]
pub(super) struct NewMessage {
    pub(super) id: Uuid,
    pub(super) channel: Uuid,
    pub(super) author: Uuid,
    pub(super) text: String,
    pub(super) posted_at: Timestamp,
    pub(super) thread: Option<Uuid>,
    pub(super) nonce: Option<String>,
    pub(super) revision: i64,
}

/// Takes the next `count` revisions of a channel and gives the last of them.
///
/// It locks the channel's head until the transaction ends: writes to one channel wait for each other, and nobody sees a
/// revision before every smaller one is committed. That is what lets clients ask for "everything since 42".
pub(super) async fn next_revision(tx: &Tx, channel: Uuid, count: i64) -> Result<i64> {
    let sql = "INSERT INTO heads (channel_id, revision) VALUES (?, ?) \
               ON CONFLICT (channel_id) DO UPDATE SET revision = heads.revision + excluded.revision RETURNING revision";
    tx.query(sql).bind(channel).bind(count).scalar().await
}

/// Inserts a message with its words; nothing when its author has used the nonce before.
pub(super) async fn insert(tx: &Tx, new: NewMessage) -> Result<Option<Stored>> {
    let sql = concat!(
        "INSERT INTO messages (id, channel_id, author_id, text, posted_at, deleted, thread_id, reply_count, nonce, revision) \
         VALUES (?, ?, ?, ?, ?, FALSE, ?, 0, ?, ?) ON CONFLICT (author_id, nonce) DO NOTHING RETURNING ",
        columns!()
    );
    let query = tx.query(sql).bind(new.id).bind(new.channel).bind(new.author).bind(new.text).bind(new.posted_at);
    let inserted = query.bind(new.thread).bind(new.nonce).bind(new.revision).optional::<Stored>().await?;
    if let Some(stored) = &inserted {
        index(tx, stored).await?;
    }
    Ok(inserted)
}

/// Inserts messages of one channel with the revisions after `revision`, without those whose id exists.
pub(super) async fn insert_many(tx: &Tx, new: Vec<NewMessage>) -> Result<Vec<Stored>> {
    let groups = vec!["(?, ?, ?, ?, ?, FALSE, 0, ?)"; new.len()].join(", ");
    let sql = format!(
        "INSERT INTO messages (id, channel_id, author_id, text, posted_at, deleted, reply_count, revision) \
         VALUES {groups} ON CONFLICT (id) DO NOTHING RETURNING {}",
        columns!()
    );
    let query = new.into_iter().fold(tx.query(sql), |query, new| {
        query.bind(new.id).bind(new.channel).bind(new.author).bind(new.text).bind(new.posted_at).bind(new.revision)
    });
    let inserted = query.all::<Stored>().await?;
    let scopes: Vec<String> = inserted.iter().map(|stored| stored.channel_id.to_string()).collect();
    let documents =
        inserted.iter().zip(&scopes).map(|(stored, scope)| (stored.seq, scope.as_str(), stored.text.as_str()));
    INDEX.put_many(tx, &documents.collect::<Vec<_>>()).await?;
    Ok(inserted)
}

/// Notes a reply at the first message of its thread; `false` when the channel has no such message.
pub(super) async fn count_reply(tx: &Tx, root: Uuid, channel: Uuid, at: Timestamp, revision: i64) -> Result<bool> {
    let sql = "UPDATE messages SET reply_count = reply_count + 1, last_reply_at = ?, revision = ? \
               WHERE id = ? AND channel_id = ? AND thread_id IS NULL";
    Ok(tx.query(sql).bind(at).bind(revision).bind(root).bind(channel).execute().await? == 1)
}

/// Gives a message another text; nothing when it was deleted meanwhile.
pub(super) async fn set_text(tx: &Tx, id: Uuid, text: String, at: Timestamp, revision: i64) -> Result<Option<Stored>> {
    let sql = concat!(
        "UPDATE messages SET text = ?, edited_at = ?, revision = ? WHERE id = ? AND deleted = FALSE RETURNING ",
        columns!()
    );
    let edited = tx.query(sql).bind(text).bind(at).bind(revision).bind(id).optional::<Stored>().await?;
    if let Some(stored) = &edited {
        index(tx, stored).await?;
    }
    Ok(edited)
}

/// Leaves of a message only that there was one; `false` when it was deleted before.
pub(super) async fn bury(tx: &Tx, message: &Stored, revision: i64) -> Result<bool> {
    let sql = "UPDATE messages SET text = '', deleted = TRUE, revision = ? WHERE id = ? AND deleted = FALSE";
    if tx.query(sql).bind(revision).bind(message.id).execute().await? == 0 {
        return Ok(false);
    }
    for sql in ["DELETE FROM reactions WHERE message_id = ?", "DELETE FROM mentions WHERE message_id = ?"] {
        tx.query(sql).bind(message.id).execute().await?;
    }
    INDEX.remove(tx, message.seq).await?;
    Ok(true)
}

/// Notes that something about a message changed.
pub(super) async fn touch(tx: &Tx, id: Uuid, revision: i64) -> Result<Option<Stored>> {
    let sql = concat!("UPDATE messages SET revision = ? WHERE id = ? AND deleted = FALSE RETURNING ", columns!());
    tx.query(sql).bind(revision).bind(id).optional().await
}

/// Says whom a new message mentions.
pub(super) async fn mention(tx: &Tx, message: &Stored, users: &[Uuid]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let groups = vec!["(?, ?, ?)"; users.len()].join(", ");
    let sql = format!("INSERT INTO mentions (user_id, message_id, posted_at) VALUES {groups}");
    let query =
        users.iter().fold(tx.query(sql), |query, user| query.bind(*user).bind(message.id).bind(message.posted_at));
    query.execute().await.map(drop)
}

/// Says whom an edited message mentions now.
pub(super) async fn mention_again(tx: &Tx, message: &Stored, users: &[Uuid]) -> Result<()> {
    tx.query("DELETE FROM mentions WHERE message_id = ?").bind(message.id).execute().await?;
    mention(tx, message, users).await
}

/// Adds a reaction; `false` when it was there.
pub(super) async fn react(tx: &Tx, message: Uuid, emoji: &str, user: Uuid, at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO reactions (message_id, emoji, user_id, at) VALUES (?, ?, ?, ?) \
               ON CONFLICT (message_id, emoji, user_id) DO NOTHING";
    Ok(tx.query(sql).bind(message).bind(emoji).bind(user).bind(at).execute().await? == 1)
}

/// Takes a reaction back; `false` when there was none.
pub(super) async fn unreact(tx: &Tx, message: Uuid, emoji: &str, user: Uuid) -> Result<bool> {
    let sql = "DELETE FROM reactions WHERE message_id = ? AND emoji = ? AND user_id = ?";
    Ok(tx.query(sql).bind(message).bind(emoji).bind(user).execute().await? == 1)
}

/// How many different emoji a message has.
pub(super) async fn emoji_count(tx: &Tx, message: Uuid) -> Result<i64> {
    let sql = "SELECT CAST(COUNT(DISTINCT emoji) AS BIGINT) FROM reactions WHERE message_id = ?";
    tx.query(sql).bind(message).scalar().await
}

async fn index(tx: &Tx, message: &Stored) -> Result<()> {
    INDEX.put(tx, message.seq, &message.channel_id.to_string(), &message.text).await
}
