//! What other modules may know of channels: who may read and post where.

use crate::Failure;
use sarsen::events::Event;
use sarsen::realtime::Topic;
use sarsen::{Error, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most channels that [`ChannelsApi::readable_ids`] gives.
pub const MAX_READABLE: usize = 200;

/// Most users that one call of [`ChannelsApi::add_members`] takes.
pub const MAX_ADDED: usize = 500;

/// Who can find a channel and read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Everybody finds it, reads it and may join.
    Public,
    /// Only members know of it.
    Private,
    /// A conversation of up to nine people; its members never change.
    Direct,
}

/// A channel, as far as other modules need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRef {
    /// Which one.
    pub id: Uuid,
    /// Its name; a direct conversation has none.
    pub name: Option<String>,
    /// Who can read it.
    pub kind: ChannelKind,
}

/// What a user may do in a channel that they know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The channel.
    pub channel: ChannelRef,
    /// Whether the user has joined.
    pub member: bool,
    /// Whether the user may read it.
    pub may_read: bool,
    /// Whether the user may write and react.
    pub may_post: bool,
}

/// A channel was made, with its first members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCreated {
    /// Which one.
    pub channel: Uuid,
    /// Its name; a direct conversation has none.
    pub name: Option<String>,
    /// Who can read it.
    pub kind: ChannelKind,
    /// Who made it.
    pub by: Uuid,
    /// Who is in it from the start.
    pub members: Vec<Uuid>,
    /// When.
    pub at: Timestamp,
}

impl Event for ChannelCreated {
    const NAME: &'static str = "channels.created";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// A channel got another name or topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelChanged {
    /// Which one.
    pub channel: Uuid,
    /// Who did it.
    pub by: Uuid,
    /// Its new name, if it got one.
    pub name: Option<String>,
    /// Its new topic, if it got one.
    pub topic: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Event for ChannelChanged {
    const NAME: &'static str = "channels.changed";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Somebody became a member of a channel that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelJoined {
    /// Which one.
    pub channel: Uuid,
    /// Who is a member now.
    pub user: Uuid,
    /// Who did it: the member themselves, or another who added them.
    pub by: Uuid,
    /// When.
    pub at: Timestamp,
}

impl Event for ChannelJoined {
    const NAME: &'static str = "channels.joined";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Somebody is a member no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLeft {
    /// Which one.
    pub channel: Uuid,
    /// Who left.
    pub user: Uuid,
    /// When.
    pub at: Timestamp,
}

impl Event for ChannelLeft {
    const NAME: &'static str = "channels.left";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// The topic of what is said in a channel.
pub fn channel_topic(channel: Uuid) -> Topic {
    Topic::new("channel", channel)
}

/// The topic of who types in a channel.
pub fn typing_topic(channel: Uuid) -> Topic {
    Topic::new("typing", channel)
}

/// Why channels did not do it.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum ChannelsError {
    /// There is none, or the user may not know of it.
    #[error("there is no channel {0}")]
    NoSuchChannel(Uuid),
    /// Another channel has this name.
    #[error("the channel name `{0}` is taken")]
    NameTaken(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Error> for ChannelsError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ChannelsError> for Error {
    fn from(error: ChannelsError) -> Self {
        match error {
            ChannelsError::NoSuchChannel(_) => Error::not_found(error.to_string()),
            ChannelsError::NameTaken(_) => Error::conflict(error.to_string()).field("name", "is taken"),
            ChannelsError::Failed(failure) => failure.into(),
        }
    }
}

/// Who may read and post where.
#[sarsen::api(name = "channels", handle = Channels)]
pub trait ChannelsApi {
    /// What `user` may do in `channel`; a channel that the user may not know of does not exist.
    #[idempotent]
    async fn visible(&self, user: Uuid, channel: Uuid) -> Result<Access, ChannelsError>;

    /// The channels that `user` may read, those they joined first; at most [`MAX_READABLE`].
    #[idempotent]
    async fn readable_ids(&self, user: Uuid) -> Result<Vec<Uuid>, ChannelsError>;

    /// The public and private channels that `user` may read, those they joined first; at most [`MAX_READABLE`]. Direct
    /// conversations are left out.
    #[idempotent]
    async fn readable_rooms(&self, user: Uuid) -> Result<Vec<ChannelRef>, ChannelsError>;

    /// Those of `channels` that `user` may read.
    #[idempotent]
    async fn readable_of(&self, user: Uuid, channels: Vec<Uuid>) -> Result<Vec<Uuid>, ChannelsError>;

    /// The channel with this name.
    #[idempotent]
    async fn named(&self, name: String) -> Result<Option<ChannelRef>, ChannelsError>;

    /// Finds the channel with this name, or makes a public one with `creator` as its first member.
    #[idempotent]
    async fn ensure(&self, name: String, topic: String, creator: Uuid) -> Result<ChannelRef, ChannelsError>;

    /// Makes users members, where they are not yet; at most [`MAX_ADDED`]. It does not ask who wants it.
    #[idempotent]
    async fn add_members(&self, channel: Uuid, user_ids: Vec<Uuid>) -> Result<(), ChannelsError>;

    /// How many members a channel has.
    #[idempotent]
    async fn member_count(&self, channel: Uuid) -> Result<u64, ChannelsError>;

    /// Notes that `user`, a member, has read a channel up to this time; an earlier one than before changes nothing.
    #[idempotent]
    async fn read(&self, user: Uuid, channel: Uuid, until: Timestamp) -> Result<(), ChannelsError>;

    /// Notes that a message was posted. It is written at most once for each second of messages, so it may be a second old.
    #[idempotent]
    async fn posted(&self, channel: Uuid, at: Timestamp) -> Result<(), ChannelsError>;
}
