//! Puts channels together for people: rows, how many members, and who is in a direct conversation.

use super::Module;
use super::api::ChannelKind;
use super::store::Stored;
use crate::accounts::api::User;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// A channel as one user sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Channel {
    id: Uuid,
    /// Nothing for a direct conversation: it is called after its members.
    name: Option<String>,
    topic: String,
    kind: ChannelKind,
    /// Whether you are a member.
    joined: bool,
    member_count: i64,
    /// Messages of others that you have not read, replies left out; 100 stands for any more. 0 where you are no member.
    unread: i64,
    /// Up to when you have read it, or when you joined; nothing where you are no member.
    read_until: Option<Timestamp>,
    /// Up to a second old.
    last_message_at: Option<Timestamp>,
    created_at: Timestamp,
    /// The people of a direct conversation; empty for other channels.
    members: Vec<User>,
}

impl Module {
    /// Shows one channel.
    pub(super) async fn view(&self, stored: Stored) -> Result<Channel> {
        let shown = self.views(vec![stored]).await?.pop();
        shown.ok_or_else(|| Error::internal("a channel was not shown"))
    }

    /// Shows channels with four queries, however many there are.
    pub(super) async fn views(&self, stored: Vec<Stored>) -> Result<Vec<Channel>> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let counts = self.store.member_counts(stored.iter().map(|channel| channel.id).collect()).await?;
        let unread = self.unread(&stored).await?;
        let mut people = self.people(&stored).await?;
        let view = |stored: Stored| {
            Ok(Channel {
                kind: stored.kind()?,
                joined: stored.is_member(),
                member_count: counts.get(&stored.id).copied().unwrap_or(0),
                unread: unread.get(&stored.id).copied().unwrap_or(0),
                read_until: stored.read_until,
                members: people.remove(&stored.id).unwrap_or_default(),
                id: stored.id,
                name: stored.name,
                topic: stored.topic,
                last_message_at: stored.last_message_at,
                created_at: stored.created_at,
            })
        };
        stored.into_iter().map(view).collect()
    }

    /// What is unread in those that the one who asks is a member of.
    async fn unread(&self, stored: &[Stored]) -> Result<HashMap<Uuid, i64>> {
        let Some(member) = stored.iter().find_map(|channel| channel.member_id) else { return Ok(HashMap::new()) };
        let joined = stored.iter().filter(|channel| channel.is_member());
        self.store.unread_counts(member, joined.map(|channel| channel.id).collect()).await
    }

    /// The members of the direct conversations among `stored`.
    async fn people(&self, stored: &[Stored]) -> Result<HashMap<Uuid, Vec<User>>> {
        let direct = stored.iter().filter(|channel| matches!(channel.kind(), Ok(ChannelKind::Direct)));
        let ids: Vec<Uuid> = direct.map(|channel| channel.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let members = self.store.members_of(ids).await?;
        let users = self.users_by_id(members.iter().map(|(_, user)| *user).collect()).await?;
        let mut people: HashMap<Uuid, Vec<User>> = HashMap::new();
        for (channel, user) in members {
            people.entry(channel).or_default().extend(users.get(&user).cloned());
        }
        Ok(people)
    }

    /// The users with these ids, which may repeat.
    pub(super) async fn users_by_id(&self, mut ids: Vec<Uuid>) -> Result<HashMap<Uuid, User>> {
        ids.sort_unstable();
        ids.dedup();
        let users = self.accounts.users(ids).await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}
