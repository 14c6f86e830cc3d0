//! Adds and takes back reactions.

use super::live::What;
use super::store::Stored;
use super::view::Message;
use super::{Module, check_may_post, posting, rules, write};
use sarsen::{Error, Result};
use uuid::Uuid;

/// Most different emoji at one message.
const MAX_EMOJI: i64 = 50;

impl Module {
    /// Adds a reaction; it changes nothing when it is there.
    pub(super) async fn react(&self, user: Uuid, id: Uuid, emoji: &str) -> Result<Message> {
        let message = self.open_to_reactions(user, id, emoji).await?;
        let tx = self.store.db.begin().await?;
        let revision = write::next_revision(&tx, message.channel_id, 1).await?;
        if !write::react(&tx, id, emoji, user, self.clock.now()).await? {
            tx.rollback().await?;
            return self.view(user, message).await;
        }
        if write::emoji_count(&tx, id).await? > MAX_EMOJI {
            return Err(Error::conflict(format!("the message has {MAX_EMOJI} different emoji already")));
        }
        let message = write::touch(&tx, id, revision).await?.ok_or_else(posting::deleted)?;
        self.tell(&tx, message.channel_id, revision, 1, What::Reacted { id, emoji, by: user, added: true }).await?;
        tx.commit().await?;
        self.view(user, message).await
    }

    /// Takes a reaction back; it changes nothing when there is none.
    pub(super) async fn unreact(&self, user: Uuid, id: Uuid, emoji: &str) -> Result<Message> {
        let message = self.open_to_reactions(user, id, emoji).await?;
        let tx = self.store.db.begin().await?;
        let revision = write::next_revision(&tx, message.channel_id, 1).await?;
        if !write::unreact(&tx, id, emoji, user).await? {
            tx.rollback().await?;
            return self.view(user, message).await;
        }
        let message = write::touch(&tx, id, revision).await?.ok_or_else(posting::deleted)?;
        self.tell(&tx, message.channel_id, revision, 1, What::Reacted { id, emoji, by: user, added: false }).await?;
        tx.commit().await?;
        self.view(user, message).await
    }

    async fn open_to_reactions(&self, user: Uuid, id: Uuid, emoji: &str) -> Result<Stored> {
        rules::check_emoji(emoji)?;
        let (message, access) = self.readable(user, id).await?;
        check_may_post(&access)?;
        if message.deleted { Err(posting::deleted()) } else { Ok(message) }
    }
}
