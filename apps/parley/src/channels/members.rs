//! Who is in a channel: joining, leaving, adding others, and up to where each has read.

use super::Module;
use super::api::{ChannelJoined, ChannelKind, ChannelLeft, ChannelsError, MAX_ADDED};
use super::view::Channel;
use crate::accounts::api::User;
use sarsen::data::{Page, PageRequest};
use sarsen::{Error, Result, Timestamp};
use uuid::Uuid;

impl Module {
    /// Makes `user` a member of a public channel.
    pub(super) async fn join(&self, user: Uuid, id: Uuid) -> Result<Channel> {
        let known = self.known(user, id).await?;
        if !known.member {
            self.make_members(id, vec![user], Some(user)).await?;
        }
        self.channel(user, id).await
    }

    /// Ends a membership; whoever leaves a private channel needs somebody to add them again.
    pub(super) async fn leave(&self, user: Uuid, id: Uuid) -> Result<()> {
        if self.known(user, id).await?.channel.kind == ChannelKind::Direct {
            return Err(Error::conflict("a direct conversation cannot be left"));
        }
        let tx = self.store.begin().await?;
        if !self.store.remove_member(&tx, id, user).await? {
            return tx.rollback().await;
        }
        self.changed_members(&tx, id, &[user]).await?;
        self.send_away(&tx, id, user).await?;
        self.events.publish(&tx, ChannelLeft { channel: id, user, at: self.clock.now() }).await?;
        tx.commit().await
    }

    /// The members of a channel, in the order in which they joined.
    pub(super) async fn members(&self, user: Uuid, id: Uuid, page: &PageRequest) -> Result<Page<User>> {
        self.known(user, id).await?;
        self.members_of(id, page).await
    }

    /// Makes `added` a member because `user`, a member, wants it.
    pub(super) async fn add_member(&self, user: Uuid, id: Uuid, added: Uuid) -> Result<()> {
        self.open_to_change(user, id, "add people to").await?;
        self.exist("user_id", &[added]).await?;
        self.make_members(id, vec![added], Some(user)).await
    }

    /// Makes users members, where they are not yet; without `by` each came by themselves.
    pub(super) async fn make_members(&self, channel: Uuid, users: Vec<Uuid>, by: Option<Uuid>) -> Result<()> {
        if users.len() > MAX_ADDED {
            let message = format!("has {} entries; at most {MAX_ADDED} go in one call", users.len());
            return Err(Error::invalid_field("user_ids", message));
        }
        if users.is_empty() {
            return Ok(());
        }
        let at = self.clock.now();
        let tx = self.store.begin().await?;
        let new = self.store.add_members(&tx, channel, &users, at).await?;
        if new.is_empty() {
            return tx.rollback().await;
        }
        self.changed_members(&tx, channel, &new).await?;
        self.tell_list(&tx, &new).await?;
        let joined = new.into_iter().map(|user| ChannelJoined { channel, user, by: by.unwrap_or(user), at });
        self.events.publish_many(&tx, joined.collect()).await?;
        tx.commit().await
    }

    /// Notes that `user`, a member, has read a channel up to this time; an earlier one changes nothing.
    pub(super) async fn mark_read(&self, user: Uuid, channel: Uuid, until: Timestamp) -> Result<(), ChannelsError> {
        if !self.known(user, channel).await?.member {
            return Err(Error::forbidden("only members have a place in this channel").hint("join it first").into());
        }
        Ok(self.store.mark_read(channel, user, until).await?)
    }
}
