//! The mail to somebody who is mentioned.

use super::Module;
use super::jobs::SendMention;
use super::letters::{self, Mention};
use super::outbox::Stamp;
use crate::accounts::api::Mailbox;
use crate::messages::api::{MessagePosted, MessageRef};
use sarsen::error::Kind;
use sarsen::events::Delivery;
use sarsen::{Error, Result};
use std::sync::Arc;
use uuid::Uuid;

impl Module {
    /// Somebody posted: everybody mentioned who wants mails gets one, but not the author.
    pub(super) async fn on_posted(self: Arc<Self>, event: MessagePosted, delivery: Delivery) -> Result<()> {
        let MessagePosted { message, author, mentions, .. } = event;
        let others: Vec<Uuid> = mentions.into_iter().filter(|user| *user != author).collect();
        let mailboxes = if others.is_empty() { Vec::new() } else { self.accounts.mailboxes(others).await? };
        let wanted = mailboxes.iter().filter(|to| to.mention_mails);
        let jobs: Vec<SendMention> = wanted.map(|to| SendMention::new(to, message)).collect();
        if jobs.is_empty() {
            return Ok(());
        }
        let tx = self.db.begin().await?;
        if !delivery.once(&tx).await? {
            return tx.rollback().await;
        }
        self.jobs.enqueue_many(&tx, jobs).await?;
        tx.commit().await
    }

    /// Sends the mail, if it is still wanted, and if there still is something that the reader may read.
    pub(super) async fn tell_of_mention(&self, to: Uuid, message: Uuid, stamp: Stamp) -> Result<()> {
        let Some(mailbox) = self.mailbox(to).await?.filter(|to| to.mention_mails) else { return Ok(()) };
        let Some(message) = self.messages.find(message).await? else { return Ok(()) };
        let Some(mention) = self.mention(&mailbox, message).await? else { return Ok(()) };
        self.outbox.send(&mailbox, letters::mention(&mention), stamp).await
    }

    /// What the mail says; nothing about a channel that the reader may not know of.
    async fn mention(&self, to: &Mailbox, message: MessageRef) -> Result<Option<Mention>> {
        let access = match self.channels.visible(to.id, message.channel).await.map_err(Error::from) {
            Ok(access) => access,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let author = self.accounts.user(message.author).await?;
        Ok(Some(Mention {
            reader: to.display_name.clone(),
            author: author.display_name,
            channel: access.channel.name,
            link: self.link(&message),
            text: message.text,
            settings: self.public_url.clone(),
        }))
    }

    /// The address of a message in the web client: the thread of a reply, the channel of any other.
    fn link(&self, message: &MessageRef) -> String {
        let MessageRef { id, channel, thread, .. } = message;
        match thread {
            Some(thread) => format!("{}/c/{channel}/t/{thread}?reply={id}", self.public_url),
            None => format!("{}/c/{channel}/m/{id}", self.public_url),
        }
    }
}
