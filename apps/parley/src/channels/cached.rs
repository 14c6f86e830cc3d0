//! What is read of channels far more often than it changes: who may do what where, the lists, the members.
//!
//! Each change invalidates its tags in the transaction that makes it, so nothing here outlives a commit. What moves with every
//! message (what is unread, when something was last posted) is never kept.

use super::api::{ChannelKind, ChannelRef, ChannelsError};
use super::store::{Moving, Store, Stored};
use super::view::Channel;
use super::{Module, reference};
use crate::accounts::api::{Accounts, User, user_tag};
use sarsen::cache::{Keep, Tag, key, tag};
use sarsen::data::{Page, PageRequest};
use sarsen::{Error, Result, Tx};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// For how long a value serves that nothing has changed.
const KEEP: Duration = Duration::from_secs(600);

/// What a user may know of a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) channel: ChannelRef,
    pub(super) member: bool,
}

/// Which channels a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Joined,
    Readable,
}

/// What a channel is, and who is in it: the part of a list that stays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) stored: Stored,
    pub(super) member_count: i64,
    /// The people of a direct conversation.
    pub(super) members: Vec<User>,
}

/// A name or a topic has changed.
fn channel_tag(channel: Uuid) -> Tag {
    tag("channel", channel)
}

/// Somebody has come to a channel, or left it.
fn members_tag(channel: Uuid) -> Tag {
    tag("members", channel)
}

/// Somebody is in another set of channels.
fn joined_tag(user: Uuid) -> Tag {
    tag("joined", user)
}

/// There is another public channel.
fn public_tag() -> Tag {
    tag("channels", "public")
}

impl Module {
    /// What `user` may know of the channel.
    pub(super) async fn known(&self, user: Uuid, id: Uuid) -> Result<Known, ChannelsError> {
        let (store, keep) = (self.store.clone(), Keep::new(KEEP));
        let keep = keep.tag(channel_tag(id)).tag(joined_tag(user));
        let load = move || async move {
            let Some(found) = store.channel(user, id).await? else { return Ok(None) };
            Ok(Some(Known { channel: reference(&found)?, member: found.is_member() }))
        };
        let known = self.cache.fetch_optional(key("known").with(user).with(id), keep, load).await?;
        match known {
            Some(known) if known.member || known.channel.kind == ChannelKind::Public => Ok((*known).clone()),
            _ => Err(ChannelsError::NoSuchChannel(id)),
        }
    }

    /// A page of a list. The first one is kept: it is what every start of a client asks for.
    pub(super) async fn list(&self, user: Uuid, scope: Scope, page: &PageRequest) -> Result<Page<Channel>> {
        if page.cursor.is_some() {
            let found = self.store.list(user, scope, page).await?;
            return Ok(Page { items: self.views(user, found.items).await?, next: found.next });
        }
        let name = if scope == Scope::Joined { "joined" } else { "readable" };
        let (store, accounts, page) = (self.store.clone(), self.accounts.clone(), page.clone());
        let key = key(name).with(user).with(page.limit.unwrap_or_default());
        let load = move || async move {
            let found = store.list(user, scope, &page).await?;
            let items = listed(&store, &accounts, found.items).await?;
            let tags = tags_of_list(user, scope, &items);
            Ok((Page { items, next: found.next }, tags))
        };
        let kept: Arc<Page<Listed>> = self.cache.fetch_tagged(key, KEEP, load).await?;
        let items = self.shown(user, kept.items.clone()).await?;
        Ok(Page { items, next: kept.next.clone() })
    }

    /// A page of the members of a channel, in the order in which they joined.
    pub(super) async fn members_of(&self, channel: Uuid, page: &PageRequest) -> Result<Page<User>> {
        let (store, accounts, page) = (self.store.clone(), self.accounts.clone(), page.clone());
        let load = move |page: PageRequest| async move {
            let found = store.members(channel, &page).await?;
            let users = users_by_id(&accounts, found.items.clone()).await?;
            let items: Vec<User> = found.items.iter().filter_map(|id| users.get(id).cloned()).collect();
            Ok(Page { items, next: found.next })
        };
        if page.cursor.is_some() {
            return load(page).await;
        }
        let key = key("members").with(channel).with(page.limit.unwrap_or_default());
        let load = move || async move {
            let members = load(page).await?;
            let people = members.items.iter().map(|user| user_tag(user.id));
            let tags = people.chain([members_tag(channel)]).collect();
            Ok((members, tags))
        };
        let kept: Arc<Page<User>> = self.cache.fetch_tagged(key, KEEP, load).await?;
        Ok((*kept).clone())
    }

    /// There is a channel more for these members, and for everybody when it is public.
    pub(super) async fn changed_list(&self, tx: &Tx, channel: Uuid, kind: ChannelKind, members: &[Uuid]) -> Result<()> {
        let own = members.iter().copied().map(joined_tag).chain([channel_tag(channel)]);
        let tags: Vec<Tag> = own.chain((kind == ChannelKind::Public).then(public_tag)).collect();
        self.cache.invalidate(tx, tags).await
    }

    /// A channel is called otherwise.
    pub(super) async fn changed(&self, tx: &Tx, channel: Uuid) -> Result<()> {
        self.cache.invalidate(tx, [channel_tag(channel)]).await
    }

    /// These have come to a channel, or left it.
    pub(super) async fn changed_members(&self, tx: &Tx, channel: Uuid, users: &[Uuid]) -> Result<()> {
        let people = users.iter().copied().map(joined_tag);
        self.cache.invalidate(tx, people.chain([members_tag(channel)])).await
    }

    /// Shows channels, with four queries, however many there are.
    pub(super) async fn views(&self, user: Uuid, stored: Vec<Stored>) -> Result<Vec<Channel>> {
        self.shown(user, listed(&self.store, &self.accounts, stored).await?).await
    }

    /// Shows one channel.
    pub(super) async fn view(&self, user: Uuid, stored: Stored) -> Result<Channel> {
        let shown = self.views(user, vec![stored]).await?.pop();
        shown.ok_or_else(|| Error::internal("a channel was not shown"))
    }

    /// Puts with a list what moves, in one query.
    async fn shown(&self, user: Uuid, listed: Vec<Listed>) -> Result<Vec<Channel>> {
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        let ids = listed.iter().map(|listed| listed.stored.id).collect();
        let mut moving: HashMap<Uuid, Moving> = self.store.moving(user, ids).await?;
        listed.into_iter().map(|listed| Channel::new(moving.remove(&listed.stored.id), listed)).collect()
    }
}

/// What such a list hangs on.
fn tags_of_list(user: Uuid, scope: Scope, items: &[Listed]) -> Vec<Tag> {
    let whole = [joined_tag(user)].into_iter().chain((scope == Scope::Readable).then(public_tag));
    let channels = items.iter().flat_map(|listed| [channel_tag(listed.stored.id), members_tag(listed.stored.id)]);
    let people = items.iter().flat_map(|listed| listed.members.iter().map(|user| user_tag(user.id)));
    whole.chain(channels).chain(people).collect()
}

/// Puts the members with channels, with three queries, however many there are.
async fn listed(store: &Store, accounts: &Accounts, stored: Vec<Stored>) -> Result<Vec<Listed>> {
    if stored.is_empty() {
        return Ok(Vec::new());
    }
    let counts = store.member_counts(stored.iter().map(|channel| channel.id).collect()).await?;
    let mut people = people(store, accounts, &stored).await?;
    let listed = |stored: Stored| Listed {
        member_count: counts.get(&stored.id).copied().unwrap_or(0),
        members: people.remove(&stored.id).unwrap_or_default(),
        stored,
    };
    Ok(stored.into_iter().map(listed).collect())
}

/// The members of the direct conversations among `stored`.
async fn people(store: &Store, accounts: &Accounts, stored: &[Stored]) -> Result<HashMap<Uuid, Vec<User>>> {
    let direct = stored.iter().filter(|channel| matches!(channel.kind(), Ok(ChannelKind::Direct)));
    let ids: Vec<Uuid> = direct.map(|channel| channel.id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let members = store.members_of(ids).await?;
    let users = users_by_id(accounts, members.iter().map(|(_, user)| *user).collect()).await?;
    let mut people: HashMap<Uuid, Vec<User>> = HashMap::new();
    for (channel, user) in members {
        people.entry(channel).or_default().extend(users.get(&user).cloned());
    }
    Ok(people)
}

/// The users with these ids, which may repeat.
async fn users_by_id(accounts: &Accounts, mut ids: Vec<Uuid>) -> Result<HashMap<Uuid, User>> {
    ids.sort_unstable();
    ids.dedup();
    let users = accounts.users(ids).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}
