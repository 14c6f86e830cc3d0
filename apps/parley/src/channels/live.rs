//! What people see of channels while it happens: who may hear which topic, and what is told to whom.

use super::Module;
use super::api::{channel_topic, typing_topic};
use sarsen::data::Tx;
use sarsen::realtime::{Asked, Grant, Topic, Topics};
use sarsen::{Declare, Error, Result};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn declare(d: &mut Declare<Module>) {
    d.topics(Topics::durable("channel"), Module::may_hear)
        .topics(Topics::ephemeral("typing"), Module::may_hear)
        .topics(Topics::durable("me"), Module::may_hear_of_me);
}

/// What only one person hears.
fn me(user: Uuid) -> Topic {
    Topic::new("me", user)
}

impl Module {
    /// Who may read a channel hears it; its members say that they type.
    async fn may_hear(self: Arc<Self>, asked: Asked) -> Result<Grant> {
        let known = self.known(asked.actor()?, asked.topic.uuid()?).await?;
        Ok(if known.member { Grant::hear_and_publish() } else { Grant::hear() })
    }

    async fn may_hear_of_me(self: Arc<Self>, asked: Asked) -> Result<Grant> {
        if asked.actor()?.to_string() == asked.topic.id() {
            return Ok(Grant::hear());
        }
        Err(Error::forbidden("that is for somebody else"))
    }

    /// Tells people that their list of channels is another one.
    pub(super) async fn tell_list(&self, tx: &Tx, users: &[Uuid]) -> Result<()> {
        let topics: Vec<Topic> = users.iter().copied().map(me).collect();
        self.realtime.broadcast_to(tx, &topics, &json!({ "kind": "channels" })).await
    }

    /// Tells who looks at a channel that it is called otherwise.
    pub(super) async fn tell_changed(&self, tx: &Tx, channel: Uuid) -> Result<()> {
        self.realtime.broadcast(tx, &channel_topic(channel), &json!({ "kind": "channel" })).await.map(drop)
    }

    /// Ends what somebody hears who is a member no longer; who may still read asks again.
    pub(super) async fn send_away(&self, tx: &Tx, channel: Uuid, user: Uuid) -> Result<()> {
        self.realtime.revoke(tx, user, Some(&channel_topic(channel))).await?;
        self.realtime.revoke(tx, user, Some(&typing_topic(channel))).await?;
        self.tell_list(tx, &[user]).await
    }
}
