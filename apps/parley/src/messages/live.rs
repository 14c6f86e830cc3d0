//! What people see of messages while it happens: each change, as a part of the transaction that makes it.

use super::Module;
use super::files::File;
use super::view::Message;
use crate::accounts::api::User;
use crate::channels::api::channel_topic;
use sarsen::data::Tx;
use sarsen::{Result, Timestamp};
use serde::Serialize;
use uuid::Uuid;

/// A change of a channel, as those who look at it hear of it.
///
/// Revisions have no gaps: who stands at `before` has everything once this is applied, and who does not asks for the changes.
#[derive(Debug, Serialize)]
struct Change<'a> {
    before: i64,
    revision: i64,
    #[serde(flatten)]
    what: What<'a>,
}

/// What changed.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum What<'a> {
    /// Somebody posted.
    Posted { message: &'a Message },
    /// Its author gave a message another text.
    Edited { id: Uuid, text: &'a str, edited_at: Timestamp, mentions: &'a [User] },
    /// Its author deleted a message.
    Deleted { id: Uuid },
    /// Somebody reacted, or took it back.
    Reacted { id: Uuid, emoji: &'a str, by: Uuid, added: bool },
    /// A file of a message has its small picture, or will have none.
    File { id: Uuid, file: &'a File },
}

impl Module {
    /// Tells who looks at the channel; the change is the last `count` revisions up to `revision`.
    pub(super) async fn tell(&self, tx: &Tx, channel: Uuid, revision: i64, count: i64, what: What<'_>) -> Result<()> {
        let change = Change { before: revision - count, revision, what };
        self.realtime.broadcast(tx, &channel_topic(channel), &change).await.map(drop)
    }
}
