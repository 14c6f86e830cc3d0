//! What is unread: a copy of what was posted lately, kept up to date by the events of messages.

use super::Module;
use crate::messages::api::{MessageDeleted, MessagePosted};
use sarsen::events::{Projection, Recorded, View};
use sarsen::{Result, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Most unread messages that are counted in one channel: more are as many.
pub(super) const MOST: i64 = 100;

/// Messages that are kept of each channel: more than are counted, for one's own are among them.
const KEPT: i64 = 2 * MOST;

const POSTS: &str = "unread_posts";

/// The newest messages of each channel that are no replies. Who has read up to where is no part of it: that is said by
/// people, not by events, and stays when this is made again.
pub(super) fn projection() -> Projection {
    Projection::new("channels.unread").of::<MessagePosted>().of::<MessageDeleted>().table(
        POSTS,
        "CREATE TABLE {table} (
            channel_id UUID NOT NULL,
            posted_at TIMESTAMP NOT NULL,
            message_id UUID NOT NULL,
            author_id UUID NOT NULL,
            PRIMARY KEY (channel_id, posted_at, message_id)
        )",
    )
}

/// Takes in a batch of events.
pub(super) async fn apply(_: Arc<Module>, view: View, events: Vec<Recorded>) -> Result<()> {
    let mut grown = BTreeSet::new();
    for event in &events {
        if let Some(posted) = event.read::<MessagePosted>()?
            && posted.thread.is_none()
        {
            add(&view, &posted).await?;
            grown.insert(posted.channel);
        } else if let Some(deleted) = event.read::<MessageDeleted>()? {
            remove(&view, deleted.channel, deleted.posted_at, deleted.message).await?;
        }
    }
    for channel in grown {
        forget(&view, channel).await?;
    }
    Ok(())
}

async fn add(view: &View, posted: &MessagePosted) -> Result<()> {
    let sql = "INSERT INTO {unread_posts} (channel_id, posted_at, message_id, author_id) VALUES (?, ?, ?, ?)";
    let query = view.query(sql).bind(posted.channel).bind(posted.at).bind(posted.message).bind(posted.author);
    query.execute().await.map(drop)
}

async fn remove(view: &View, channel: Uuid, posted_at: Timestamp, message: Uuid) -> Result<()> {
    let sql = "DELETE FROM {unread_posts} WHERE channel_id = ? AND posted_at = ? AND message_id = ?";
    view.query(sql).bind(channel).bind(posted_at).bind(message).execute().await.map(drop)
}

/// Lets go of what is too old to be counted.
async fn forget(view: &View, channel: Uuid) -> Result<()> {
    let sql = "DELETE FROM {unread_posts} WHERE channel_id = ? AND posted_at < \
               (SELECT posted_at FROM {unread_posts} WHERE channel_id = ? ORDER BY posted_at DESC LIMIT 1 OFFSET ?)";
    view.query(sql).bind(channel).bind(channel).bind(KEPT - 1).execute().await.map(drop)
}
