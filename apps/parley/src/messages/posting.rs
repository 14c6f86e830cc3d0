//! Posts, edits and deletes messages.

use super::api::{MessageDeleted, MessageEdited, MessagePosted};
use super::live::What;
use super::mentions::{MAX_MENTIONS, candidates};
use super::store::Stored;
use super::view::{self, Message};
use super::write::{self, NewMessage};
use super::{Module, check_may_post, rules};
use crate::accounts::api::User;
use sarsen::data::Tx;
use sarsen::{Error, Result, Timestamp};
use uuid::Uuid;

/// What somebody wants to post.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) text: String,
    /// The first message of the thread to reply to.
    pub(super) thread: Option<Uuid>,
    /// Makes the same post safe to repeat.
    pub(super) nonce: Option<String>,
    /// What its author has uploaded to be posted with it.
    pub(super) files: Vec<Uuid>,
}

impl Module {
    /// Posts a message; a nonce that its author has used before in this channel gives the message that it was used for.
    pub(super) async fn post(&self, author: Uuid, channel: Uuid, draft: Draft) -> Result<Message> {
        check(&draft)?;
        check_may_post(&self.channels.visible(author, channel).await?)?;
        self.post_checked(author, channel, draft).await
    }

    /// Posts what was checked, for an author who may.
    pub(super) async fn post_checked(&self, author: Uuid, channel: Uuid, draft: Draft) -> Result<Message> {
        let mentions = self.mentioned(&draft.text).await?;
        let nonce = draft.nonce.clone();
        // Before the transaction, which is to be short.
        let by = self.accounts.user(author).await?;
        match self.insert(by, channel, draft, mentions).await? {
            Some(message) => {
                self.note_posted(channel, message.posted_at).await;
                Ok(message)
            }
            None => self.posted_before(author, channel, nonce).await,
        }
    }

    /// The transaction of a post; nothing when the nonce was used before.
    async fn insert(&self, by: User, channel: Uuid, draft: Draft, mentions: Vec<User>) -> Result<Option<Message>> {
        let tx = self.store.db.begin().await?;
        // Two revisions for a reply: one for itself, and one for the message it replies to.
        let count = if draft.thread.is_some() { 2 } else { 1 };
        let revision = write::next_revision(&tx, channel, count).await?;
        let Draft { text, thread, nonce, files } = draft;
        // Taken after the lock, so that the times of a channel's messages rise as their revisions do.
        let (id, posted_at) = (self.clock.id(), self.clock.now());
        let new =
            NewMessage { id, channel, author: by.id, text, posted_at, thread, nonce, revision: revision - count + 1 };
        let Some(stored) = write::insert(&tx, new).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        count_reply(&tx, &stored, revision).await?;
        let files = self.attach(&tx, &stored, files).await?;
        let mentioned = ids(&mentions);
        write::mention(&tx, &stored, &mentioned).await?;
        self.events.publish(&tx, posted(&stored, mentioned)).await?;
        let message = view::fresh(stored, by, mentions, files);
        self.tell(&tx, channel, revision, count, What::Posted { message: &message }).await?;
        tx.commit().await?;
        Ok(Some(message))
    }

    /// The message of a nonce. One of another channel is no answer: its author may not read that channel any more.
    async fn posted_before(&self, author: Uuid, channel: Uuid, nonce: Option<String>) -> Result<Message> {
        let missing = || Error::internal("a message was neither inserted nor there");
        let nonce = nonce.ok_or_else(missing)?;
        let stored = self.store.by_nonce(author, &nonce).await?.ok_or_else(missing)?;
        if stored.channel_id != channel {
            return Err(Error::conflict("the nonce belongs to a message in another channel").field("nonce", "is used"));
        }
        self.view(author, stored).await
    }

    /// Tells channels of a post. The message stands without it, so a failure is only written down.
    pub(super) async fn note_posted(&self, channel: Uuid, at: Timestamp) {
        if let Err(error) = self.channels.posted(channel, at).await {
            tracing::warn!(%error, %channel, "the time of a channel's last message was not noted");
        }
    }

    /// The people that a text mentions; looked up before the transaction, which is to be short.
    async fn mentioned(&self, text: &str) -> Result<Vec<User>> {
        let candidates = candidates(text);
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut users = self.accounts.by_usernames(candidates).await?;
        users.sort_unstable_by_key(|user| user.id);
        users.truncate(MAX_MENTIONS);
        Ok(users)
    }

    /// Gives one's own message another text.
    pub(super) async fn edit(&self, user: Uuid, id: Uuid, text: String) -> Result<Message> {
        rules::check_text(&text)?;
        let message = self.own(user, id, "edit").await?;
        let mentions = self.mentioned(&text).await?;
        let tx = self.store.db.begin().await?;
        let revision = write::next_revision(&tx, message.channel_id, 1).await?;
        let at = self.clock.now();
        let edited = write::set_text(&tx, id, text, at, revision).await?.ok_or_else(deleted)?;
        let channel = edited.channel_id;
        let what = What::Edited { id, text: &edited.text, edited_at: at, mentions: &mentions };
        self.tell(&tx, channel, revision, 1, what).await?;
        let mentions = ids(&mentions);
        write::mention_again(&tx, &edited, &mentions).await?;
        self.events.publish(&tx, MessageEdited { message: id, channel, author: user, mentions, at }).await?;
        tx.commit().await?;
        self.view(user, edited).await
    }

    /// Deletes one's own message: what stays says that there was one, so that a thread keeps its head.
    pub(super) async fn delete(&self, user: Uuid, id: Uuid) -> Result<()> {
        let message = self.own(user, id, "delete").await?;
        let tx = self.store.db.begin().await?;
        let revision = write::next_revision(&tx, message.channel_id, 1).await?;
        if !write::bury(&tx, &message, revision).await? {
            return tx.rollback().await;
        }
        self.delete_files(&tx, id).await?;
        let Stored { channel_id: channel, posted_at, .. } = message;
        self.tell(&tx, channel, revision, 1, What::Deleted { id }).await?;
        let event = MessageDeleted { message: id, channel, author: user, posted_at, at: self.clock.now() };
        self.events.publish(&tx, event).await?;
        tx.commit().await
    }

    async fn own(&self, user: Uuid, id: Uuid, what: &str) -> Result<Stored> {
        let (message, _) = self.readable(user, id).await?;
        if message.author_id != user {
            return Err(Error::forbidden(format!("only its author can {what} a message")));
        }
        Ok(message)
    }
}

/// Fails unless the text and the nonce are such as are kept.
pub(super) fn check(draft: &Draft) -> Result<()> {
    rules::check_files(&draft.files)?;
    if draft.files.is_empty() {
        rules::check_text(&draft.text)?;
    }
    rules::check_optional(&draft.text)?;
    draft.nonce.as_deref().map_or(Ok(()), rules::check_nonce)
}

async fn count_reply(tx: &Tx, reply: &Stored, revision: i64) -> Result<()> {
    let Some(root) = reply.thread_id else { return Ok(()) };
    if write::count_reply(tx, root, reply.channel_id, reply.posted_at, revision).await? {
        return Ok(());
    }
    Err(Error::invalid_field("thread_id", "names no message of this channel that can have replies"))
}

fn posted(stored: &Stored, mentions: Vec<Uuid>) -> MessagePosted {
    let (message, channel, author) = (stored.id, stored.channel_id, stored.author_id);
    MessagePosted { message, channel, author, thread: stored.thread_id, mentions, at: stored.posted_at }
}

fn ids(users: &[User]) -> Vec<Uuid> {
    users.iter().map(|user| user.id).collect()
}

/// What is answered about a message that was deleted.
pub(super) fn deleted() -> Error {
    Error::conflict("the message was deleted")
}
