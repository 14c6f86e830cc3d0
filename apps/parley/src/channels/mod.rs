//! Channels: where people talk, and who may read and write there.

pub mod api;
mod direct;
mod http;
mod names;
mod recency;
mod store;
mod view;

use crate::accounts::api::{Accounts, User};
use api::{Access, ChannelKind, ChannelRef, Channels, ChannelsApi, ChannelsError, MAX_ADDED, MAX_READABLE};
use recency::Recency;
use sarsen::data::{Page, PageRequest};
use sarsen::error::Kind;
use sarsen::{Clock, Declare, Error, Init, Result, Timestamp};
use store::{NewChannel, Store, Stored};
use uuid::Uuid;
use view::Channel;

/// The module.
#[derive(Debug)]
pub struct Module {
    store: Store,
    clock: Clock,
    accounts: Accounts,
    recency: Recency,
}

/// What channels use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are.
    pub accounts: Accounts,
}

impl sarsen::Module for Module {
    const NAME: &'static str = "channels";
    type Api = Channels;
    type Deps = Deps;
    type Config = ();

    fn declare(d: &mut Declare<Self>) {
        d.tables(["channels", "memberships"])
            .migrations(sarsen::migrations!["migrations/0001_create.sql"])
            .routes(http::routes);
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let store = Store::new(i.db);
        Ok(Module { store, clock: i.clock, accounts: i.deps.accounts, recency: Recency::default() })
    }
}

impl Module {
    /// The channels that `user` has joined, oldest first.
    async fn joined(&self, user: Uuid, page: &PageRequest) -> Result<Page<Channel>> {
        let page = self.store.joined(user, page).await?;
        Ok(Page { items: self.views(page.items).await?, next: page.next })
    }

    /// The channels that `user` may read, oldest first.
    async fn readable(&self, user: Uuid, page: &PageRequest) -> Result<Page<Channel>> {
        let page = self.store.readable(user, page).await?;
        Ok(Page { items: self.views(page.items).await?, next: page.next })
    }

    /// One channel that `user` may know of.
    async fn channel(&self, user: Uuid, id: Uuid) -> Result<Channel> {
        let stored = self.known(user, id).await?;
        self.view(stored).await
    }

    /// Makes a channel with its creator as the first member.
    async fn create(&self, creator: Uuid, name: String, topic: String, kind: ChannelKind) -> Result<Channel> {
        if kind == ChannelKind::Direct {
            return Err(Error::invalid_field("kind", "is made by POST /v1/direct"));
        }
        let id = self.clock.id();
        if !self.insert_named(id, name.clone(), topic, kind, creator).await? {
            return Err(ChannelsError::NameTaken(name).into());
        }
        self.channel(creator, id).await
    }

    async fn insert_named(&self, id: Uuid, name: String, topic: String, kind: ChannelKind, by: Uuid) -> Result<bool> {
        names::check_name(&name)?;
        names::check_topic(&topic)?;
        let (name, created_at) = (Some(name), self.clock.now());
        let new = NewChannel { id, name, topic, kind, direct_key: None, created_by: by, created_at };
        self.store.insert(new, &[by]).await
    }

    /// Gives a channel another name or topic; members may.
    async fn update(&self, user: Uuid, id: Uuid, name: Option<String>, topic: Option<String>) -> Result<Channel> {
        name.as_deref().map_or(Ok(()), names::check_name)?;
        topic.as_deref().map_or(Ok(()), names::check_topic)?;
        self.open_to_change(user, id, "change").await?;
        self.store.update(id, name.as_deref(), topic.as_deref()).await.map_err(|error| match (error.kind(), name) {
            (Kind::Conflict, Some(name)) => ChannelsError::NameTaken(name).into(),
            _ => error,
        })?;
        self.channel(user, id).await
    }

    /// Makes `user` a member of a public channel.
    async fn join(&self, user: Uuid, id: Uuid) -> Result<Channel> {
        let known = self.known(user, id).await?;
        if !known.is_member() {
            self.store.add_members(id, &[user], self.clock.now()).await?;
        }
        self.channel(user, id).await
    }

    /// Ends a membership; whoever leaves a private channel needs somebody to add them again.
    async fn leave(&self, user: Uuid, id: Uuid) -> Result<()> {
        if self.known(user, id).await?.kind()? == ChannelKind::Direct {
            return Err(Error::conflict("a direct conversation cannot be left"));
        }
        self.store.remove_member(id, user).await
    }

    /// The members of a channel, in the order in which they joined.
    async fn members(&self, user: Uuid, id: Uuid, page: &PageRequest) -> Result<Page<User>> {
        self.known(user, id).await?;
        let page = self.store.members(id, page).await?;
        let users = self.users_by_id(page.items.clone()).await?;
        let items = page.items.iter().filter_map(|id| users.get(id).cloned()).collect();
        Ok(Page { items, next: page.next })
    }

    /// Makes `added` a member because `user`, a member, wants it.
    async fn add_member(&self, user: Uuid, id: Uuid, added: Uuid) -> Result<()> {
        self.open_to_change(user, id, "add people to").await?;
        self.exist("user_id", &[added]).await?;
        self.store.add_members(id, &[added], self.clock.now()).await
    }

    /// The channel, if `user` may know of it.
    async fn known(&self, user: Uuid, id: Uuid) -> Result<Stored, ChannelsError> {
        let found = self.store.channel(user, id).await?.ok_or(ChannelsError::NoSuchChannel(id))?;
        if !found.is_member() && found.kind()? != ChannelKind::Public {
            return Err(ChannelsError::NoSuchChannel(id));
        }
        Ok(found)
    }

    /// Fails unless `user` is a member and the channel is not a direct conversation.
    async fn open_to_change(&self, user: Uuid, id: Uuid, what: &str) -> Result<()> {
        let known = self.known(user, id).await?;
        if known.kind()? == ChannelKind::Direct {
            return Err(Error::conflict(format!("nobody can {what} a direct conversation")));
        }
        if !known.is_member() {
            return Err(Error::forbidden(format!("only members can {what} this channel: join it first")));
        }
        Ok(())
    }

    async fn exist(&self, field: &str, users: &[Uuid]) -> Result<()> {
        let found = self.accounts.users(users.to_vec()).await?;
        match users.iter().find(|id| !found.iter().any(|user| user.id == **id)) {
            Some(id) => Err(Error::invalid_field(field, format!("names {id}, which is no user"))),
            None => Ok(()),
        }
    }
}

fn reference(stored: &Stored) -> Result<ChannelRef> {
    Ok(ChannelRef { id: stored.id, name: stored.name.clone(), kind: stored.kind()? })
}

impl ChannelsApi for Module {
    async fn visible(&self, user: Uuid, channel: Uuid) -> Result<Access, ChannelsError> {
        let known = self.known(user, channel).await?;
        let member = known.is_member();
        Ok(Access { channel: reference(&known)?, member, may_read: true, may_post: member })
    }

    async fn readable_ids(&self, user: Uuid) -> Result<Vec<Uuid>, ChannelsError> {
        Ok(self.store.readable_ids(user, MAX_READABLE).await?)
    }

    async fn readable_rooms(&self, user: Uuid) -> Result<Vec<ChannelRef>, ChannelsError> {
        let rooms = self.store.readable_rooms(user, MAX_READABLE).await?;
        Ok(rooms.iter().map(reference).collect::<Result<_>>()?)
    }

    async fn readable_of(&self, user: Uuid, channels: Vec<Uuid>) -> Result<Vec<Uuid>, ChannelsError> {
        Ok(if channels.is_empty() { Vec::new() } else { self.store.readable_of(user, channels).await? })
    }

    async fn named(&self, name: String) -> Result<Option<ChannelRef>, ChannelsError> {
        if names::check_name(&name).is_err() {
            return Ok(None);
        }
        let found = self.store.named(Uuid::nil(), &name).await?;
        Ok(found.as_ref().map(reference).transpose()?)
    }

    async fn ensure(&self, name: String, topic: String, creator: Uuid) -> Result<ChannelRef, ChannelsError> {
        let id = self.clock.id();
        let made = self.insert_named(id, name.clone(), topic, ChannelKind::Public, creator).await?;
        if made {
            return Ok(ChannelRef { id, name: Some(name), kind: ChannelKind::Public });
        }
        self.named(name.clone()).await?.ok_or(ChannelsError::NameTaken(name))
    }

    async fn add_members(&self, channel: Uuid, user_ids: Vec<Uuid>) -> Result<(), ChannelsError> {
        if user_ids.len() > MAX_ADDED {
            let message = format!("has {} entries; at most {MAX_ADDED} go in one call", user_ids.len());
            return Err(Error::invalid_field("user_ids", message).into());
        }
        if !user_ids.is_empty() {
            self.store.add_members(channel, &user_ids, self.clock.now()).await?;
        }
        Ok(())
    }

    async fn posted(&self, channel: Uuid, at: Timestamp) -> Result<(), ChannelsError> {
        if self.recency.is_news(channel, at) {
            self.store.note_message(channel, at).await?;
        }
        Ok(())
    }
}
