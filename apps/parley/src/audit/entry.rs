//! What is written down of each event, and how it is shown.

use super::store::Stored;
use crate::accounts::api::{AccountRegistered, User};
use crate::channels::api::{ChannelChanged, ChannelCreated, ChannelJoined, ChannelLeft};
use crate::messages::api::{MessageDeleted, MessageEdited, MessagePosted};
use sarsen::Timestamp;
use sarsen::events::Event;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// Something that somebody did.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    id: Uuid,
    at: Timestamp,
    /// Nothing when nobody has this account any more.
    actor: Option<User>,
    /// What was done: the name of the event, such as `messages.posted`.
    action: String,
    /// Where.
    channel_id: Option<Uuid>,
    /// To what or to whom: a message, or a person.
    subject_id: Option<Uuid>,
}

impl Entry {
    pub(super) fn new(stored: Stored, users: &HashMap<Uuid, User>) -> Self {
        let Stored { id, at, actor_id, action, channel_id, subject_id } = stored;
        Self { id, at, actor: users.get(&actor_id).cloned(), action, channel_id, subject_id }
    }
}

/// What an event tells.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) actor: Uuid,
    pub(super) channel: Option<Uuid>,
    pub(super) subject: Option<Uuid>,
}

/// An event that is written down.
pub(super) trait Audited: Event {
    fn told(&self) -> Told;
}

impl Audited for AccountRegistered {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.user, channel: None, subject: Some(self.user) }
    }
}

impl Audited for ChannelCreated {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.by, channel: Some(self.channel), subject: None }
    }
}

impl Audited for ChannelChanged {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.by, channel: Some(self.channel), subject: None }
    }
}

impl Audited for ChannelJoined {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.by, channel: Some(self.channel), subject: Some(self.user) }
    }
}

impl Audited for ChannelLeft {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.user, channel: Some(self.channel), subject: Some(self.user) }
    }
}

impl Audited for MessagePosted {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.author, channel: Some(self.channel), subject: Some(self.message) }
    }
}

impl Audited for MessageEdited {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.author, channel: Some(self.channel), subject: Some(self.message) }
    }
}

impl Audited for MessageDeleted {
    fn told(&self) -> Told {
        Told { at: self.at, actor: self.author, channel: Some(self.channel), subject: Some(self.message) }
    }
}
