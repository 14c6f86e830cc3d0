//! Channels: where people talk, and who may read and write there.

pub mod api;
mod cached;
mod direct;
mod http;
mod live;
mod members;
mod names;
mod recency;
mod store;
mod unread;
mod view;

use crate::accounts::api::Accounts;
use api::MAX_READABLE;
use api::{Access, ChannelChanged, ChannelCreated, ChannelKind, ChannelRef, Channels, ChannelsApi, ChannelsError};
use cached::{Known, Scope};
use recency::Recency;
use sarsen::cache::Cache;
use sarsen::data::{Page, PageRequest};
use sarsen::error::Kind;
use sarsen::events::Events;
use sarsen::realtime::Realtime;
use sarsen::{Clock, Declare, Error, Init, Result, Timestamp};
use store::{NewChannel, Store, Stored};
use uuid::Uuid;
use view::Channel;

/// The module.
#[derive(Debug)]
pub struct Module {
    store: Store,
    clock: Clock,
    events: Events,
    realtime: Realtime,
    cache: Cache,
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
            .migrations(sarsen::migrations!["migrations/0001_create.sql", "migrations/0002_read_until.sql"])
            .projection(unread::projection(), unread::apply)
            .routes(http::routes);
        live::declare(d);
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let (store, accounts) = (Store::new(i.db), i.deps.accounts);
        Ok(Module {
            store,
            clock: i.clock,
            events: i.events,
            realtime: i.realtime,
            cache: i.cache,
            accounts,
            recency: Recency::default(),
        })
    }
}

impl Module {
    /// The channels that `user` has joined, oldest first.
    async fn joined(&self, user: Uuid, page: &PageRequest) -> Result<Page<Channel>> {
        self.list(user, Scope::Joined, page).await
    }

    /// The channels that `user` may read, oldest first.
    async fn readable(&self, user: Uuid, page: &PageRequest) -> Result<Page<Channel>> {
        self.list(user, Scope::Readable, page).await
    }

    /// One channel that `user` may know of.
    async fn channel(&self, user: Uuid, id: Uuid) -> Result<Channel> {
        let found = self.store.channel(user, id).await?.ok_or(ChannelsError::NoSuchChannel(id))?;
        if !found.is_member() && found.kind()? != ChannelKind::Public {
            return Err(ChannelsError::NoSuchChannel(id).into());
        }
        self.view(user, found).await
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
        self.insert(new, &[by]).await
    }

    /// The transaction that makes a channel; `false` when its name or its people have one already.
    async fn insert(&self, new: NewChannel, members: &[Uuid]) -> Result<bool> {
        let NewChannel { id: channel, name, kind, created_by: by, created_at: at, .. } = new.clone();
        let tx = self.store.begin().await?;
        if !self.store.insert(&tx, new, members).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        self.changed_list(&tx, channel, kind, members).await?;
        self.tell_list(&tx, members).await?;
        self.events.publish(&tx, ChannelCreated { channel, name, kind, by, members: members.to_vec(), at }).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a channel another name or topic; members may.
    async fn update(&self, user: Uuid, id: Uuid, name: Option<String>, topic: Option<String>) -> Result<Channel> {
        name.as_deref().map_or(Ok(()), names::check_name)?;
        topic.as_deref().map_or(Ok(()), names::check_topic)?;
        self.open_to_change(user, id, "change").await?;
        if name.is_none() && topic.is_none() {
            return self.channel(user, id).await;
        }
        let tx = self.store.begin().await?;
        let updated = self.store.update(&tx, id, name.as_deref(), topic.as_deref()).await;
        updated.map_err(|error| match (error.kind(), &name) {
            (Kind::Conflict, Some(name)) => ChannelsError::NameTaken(name.clone()).into(),
            _ => error,
        })?;
        let event = ChannelChanged { channel: id, by: user, name, topic, at: self.clock.now() };
        self.events.publish(&tx, event).await?;
        self.changed(&tx, id).await?;
        self.tell_changed(&tx, id).await?;
        tx.commit().await?;
        self.channel(user, id).await
    }

    /// Fails unless `user` is a member and the channel is not a direct conversation.
    async fn open_to_change(&self, user: Uuid, id: Uuid, what: &str) -> Result<()> {
        let known = self.known(user, id).await?;
        if known.channel.kind == ChannelKind::Direct {
            return Err(Error::conflict(format!("nobody can {what} a direct conversation")));
        }
        if !known.member {
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
        let Known { channel, member } = self.known(user, channel).await?;
        Ok(Access { channel, member, may_read: true, may_post: member })
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
        Ok(self.make_members(channel, user_ids, None).await?)
    }

    async fn member_count(&self, channel: Uuid) -> Result<u64, ChannelsError> {
        let counts = self.store.member_counts(vec![channel]).await?;
        Ok(counts.get(&channel).map_or(0, |count| count.unsigned_abs()))
    }

    async fn read(&self, user: Uuid, channel: Uuid, until: Timestamp) -> Result<(), ChannelsError> {
        self.mark_read(user, channel, until).await
    }

    async fn posted(&self, channel: Uuid, at: Timestamp) -> Result<(), ChannelsError> {
        if self.recency.is_news(channel, at) {
            self.store.note_message(channel, at).await?;
        }
        Ok(())
    }
}
