//! Reads channels, threads, mentions, and what changed: each list with a number of queries that its length does not change.

use super::Module;
use super::view::Message;
use sarsen::data::{Page, PageRequest};
use sarsen::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashSet;
use uuid::Uuid;

/// A page of a channel, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct History {
    items: Vec<Message>,
    /// Where older messages begin.
    next: Option<String>,
    /// The channel's revision when it was read: ask for the changes since it.
    revision: i64,
}

/// What changed in a channel, in the order of the changes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changes {
    /// Each message as it is now; apply them by id.
    items: Vec<Message>,
    /// Ask for the changes since this next.
    revision: i64,
    /// Whether there are more already.
    more: bool,
}

impl Module {
    /// The messages of a channel that are no replies, newest first.
    pub(super) async fn history(&self, user: Uuid, channel: Uuid, page: &PageRequest) -> Result<History> {
        self.channels.visible(user, channel).await?;
        // Read first: what is written between the two reads is then in the changes, perhaps once more, but never lost.
        let revision = self.store.head(channel).await?;
        let page = self.store.history(channel, page).await?;
        Ok(History { items: self.views(user, page.items).await?, next: page.next, revision })
    }

    /// What changed in a channel after `since`: posts, replies, edits, deletions and reactions.
    pub(super) async fn changes(&self, user: Uuid, channel: Uuid, since: i64, limit: u32) -> Result<Changes> {
        self.channels.visible(user, channel).await?;
        let head = self.store.head(channel).await?;
        let mut changed = self.store.changes(channel, since, limit + 1).await?;
        let more = changed.len() > limit as usize;
        changed.truncate(limit as usize);
        let last = changed.last().map_or(since, |message| message.revision);
        // Revisions commit in order, so nothing at or below either of them can still appear.
        let revision = if more { last } else { last.max(head) };
        Ok(Changes { items: self.views(user, changed).await?, revision, more })
    }

    /// Notes that `user`, a member, has read a channel up to one of its messages.
    pub(super) async fn mark_read(&self, user: Uuid, channel: Uuid, message: Uuid) -> Result<()> {
        self.channels.visible(user, channel).await?;
        let last = self.store.message(message).await?.filter(|last| last.channel_id == channel);
        let last = last.ok_or_else(|| Error::invalid_field("message_id", "names no message of this channel"))?;
        Ok(self.channels.read(user, channel, last.posted_at).await?)
    }

    /// One message.
    pub(super) async fn message(&self, user: Uuid, id: Uuid) -> Result<Message> {
        let (stored, _) = self.readable(user, id).await?;
        self.view(user, stored).await
    }

    /// The replies to a message, oldest first.
    pub(super) async fn replies(&self, user: Uuid, root: Uuid, page: &PageRequest) -> Result<Page<Message>> {
        self.readable(user, root).await?;
        let page = self.store.replies(root, page).await?;
        Ok(Page { items: self.views(user, page.items).await?, next: page.next })
    }

    /// The messages that mention `user`, newest first, without those of channels that they cannot read any more.
    ///
    /// So a page may have fewer messages than asked for, and still a next one.
    pub(super) async fn mentions(&self, user: Uuid, page: &PageRequest) -> Result<Page<Message>> {
        let page = self.store.mentioning(user, page).await?;
        if page.items.is_empty() {
            return Ok(Page { items: Vec::new(), next: page.next });
        }
        let mut messages = self.store.by_ids(page.items).await?;
        let mut channels: Vec<Uuid> = messages.iter().map(|message| message.channel_id).collect();
        channels.sort_unstable();
        channels.dedup();
        let readable: HashSet<Uuid> = self.channels.readable_of(user, channels).await?.into_iter().collect();
        messages.retain(|message| readable.contains(&message.channel_id));
        Ok(Page { items: self.views(user, messages).await?, next: page.next })
    }
}
