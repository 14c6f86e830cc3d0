//! Puts messages together for people: rows, authors, files, reactions and mentions, with four queries for any number of them.

use super::Module;
use super::files::{self, File};
use super::store::{EmojiCount, Stored};
use crate::accounts::api::User;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// A message as one user sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Message {
    pub(super) id: Uuid,
    channel_id: Uuid,
    author: User,
    /// Empty when it was deleted.
    text: String,
    pub(super) posted_at: Timestamp,
    edited_at: Option<Timestamp>,
    deleted: bool,
    /// The first message of the thread, for a reply.
    thread_id: Option<Uuid>,
    reply_count: i64,
    last_reply_at: Option<Timestamp>,
    reactions: Vec<Reaction>,
    mentions: Vec<User>,
    /// In the order in which they were uploaded.
    files: Vec<File>,
    /// The place of its last change in its channel.
    revision: i64,
}

/// An emoji at a message.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reaction {
    emoji: String,
    count: i64,
    /// Whether you are among them.
    mine: bool,
}

impl From<EmojiCount> for Reaction {
    fn from(row: EmojiCount) -> Self {
        Self { emoji: row.emoji, count: row.users, mine: row.mine > 0 }
    }
}

impl Module {
    /// Shows one message to `user`.
    pub(super) async fn view(&self, user: Uuid, stored: Stored) -> Result<Message> {
        let shown = self.views(user, vec![stored]).await?.pop();
        shown.ok_or_else(|| Error::internal("a message was not shown"))
    }

    /// Shows messages to `user`, in the order given.
    pub(super) async fn views(&self, user: Uuid, stored: Vec<Stored>) -> Result<Vec<Message>> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = stored.iter().map(|message| message.id).collect();
        let mut reactions = self.store.reactions(user, ids.clone()).await?;
        let mut files = files::store::of_messages(&self.store.db, ids.clone()).await?;
        let mentions = self.store.mentions(ids).await?;
        let users = self.people(&stored, &mentions).await?;
        let mut mentioned: HashMap<Uuid, Vec<User>> = HashMap::new();
        for (message, user) in mentions {
            mentioned.entry(message).or_default().extend(users.get(&user).cloned());
        }
        let view = |stored: Stored| {
            let author = users.get(&stored.author_id).cloned().unwrap_or_else(|| unknown(stored.author_id));
            let reactions = reactions.remove(&stored.id).unwrap_or_default().into_iter().map(Reaction::from).collect();
            let mentions = mentioned.remove(&stored.id).unwrap_or_default();
            let files = files.remove(&stored.id).unwrap_or_default();
            shown(stored, author, Beside { reactions, mentions, files })
        };
        Ok(stored.into_iter().map(view).collect())
    }

    async fn people(&self, stored: &[Stored], mentions: &[(Uuid, Uuid)]) -> Result<HashMap<Uuid, User>> {
        let authors = stored.iter().map(|message| message.author_id);
        let mut ids: Vec<Uuid> = authors.chain(mentions.iter().map(|(_, user)| *user)).collect();
        ids.sort_unstable();
        ids.dedup();
        let users = self.accounts.users(ids).await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

/// Shows a message that nobody had time to react to.
pub(super) fn fresh(stored: Stored, author: User, mentions: Vec<User>, files: Vec<File>) -> Message {
    shown(stored, author, Beside { reactions: Vec::new(), mentions, files })
}

/// What is kept beside a message.
struct Beside {
    reactions: Vec<Reaction>,
    mentions: Vec<User>,
    files: Vec<File>,
}

fn shown(stored: Stored, author: User, beside: Beside) -> Message {
    let Beside { reactions, mentions, files } = beside;
    Message {
        id: stored.id,
        channel_id: stored.channel_id,
        author,
        text: stored.text,
        posted_at: stored.posted_at,
        edited_at: stored.edited_at,
        deleted: stored.deleted,
        thread_id: stored.thread_id,
        reply_count: stored.reply_count,
        last_reply_at: stored.last_reply_at,
        reactions,
        mentions,
        files,
        revision: stored.revision,
    }
}

/// Stands for an author of whom accounts know nothing, so that one lost row does not hide a channel.
fn unknown(id: Uuid) -> User {
    let name = "unknown".to_owned();
    User { id, username: name.clone(), display_name: name, about: String::new(), created_at: Timestamp::from_micros(0) }
}
