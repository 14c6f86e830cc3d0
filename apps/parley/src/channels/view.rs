//! A channel as people see it.

use super::api::ChannelKind;
use super::cached::Listed;
use super::store::Moving;
use crate::accounts::api::User;
use sarsen::{Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
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

impl Channel {
    pub(super) fn new(moving: Option<Moving>, listed: Listed) -> Result<Self> {
        let Listed { stored, member_count, members } = listed;
        let (unread, read_until, last_message_at) =
            moving.map_or((0, None, None), |moving| (moving.unread, moving.read_until, moving.last_message_at));
        Ok(Self {
            kind: stored.kind()?,
            joined: stored.is_member(),
            member_count,
            unread,
            read_until,
            members,
            id: stored.id,
            name: stored.name,
            topic: stored.topic,
            last_message_at,
            created_at: stored.created_at,
        })
    }
}
