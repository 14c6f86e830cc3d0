//! How many messages each person wrote in a channel on each day.

use super::{DAY, DAYS, Module};
use crate::messages::api::{MessagePosted, MessagesImported};
use sarsen::events::{Projection, Recorded, View};
use sarsen::{Db, Result, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// What one person wrote in a channel on one day.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Written {
    pub(super) day: String,
    pub(super) author_id: Uuid,
    pub(super) messages: i64,
    pub(super) last_at: Timestamp,
}

/// What the projection has.
#[derive(Debug)]
pub(super) struct Activity {
    db: Db,
}

impl Activity {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    /// What was written in a channel from this day on.
    pub(super) async fn since(&self, channel: Uuid, day: &str) -> Result<Vec<Written>> {
        let sql = "SELECT day, author_id, messages, last_at FROM channel_activity WHERE channel_id = ? AND day >= ?";
        self.db.query(sql).bind(channel).bind(day).all().await
    }
}

/// The day of a moment by UTC: `2026-01-31`.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

pub(super) fn projection() -> Projection {
    Projection::new("statistics.activity").of::<MessagePosted>().of::<MessagesImported>().table(
        "channel_activity",
        "CREATE TABLE {table} (
            channel_id UUID NOT NULL,
            day TEXT NOT NULL,
            author_id UUID NOT NULL,
            messages BIGINT NOT NULL,
            last_at TIMESTAMP NOT NULL,
            PRIMARY KEY (channel_id, day, author_id)
        )",
    )
}

type Counts = BTreeMap<(Uuid, String, Uuid), (i64, Timestamp)>;

/// Takes in a batch of events: one statement for each channel, day and author, however many messages there are.
pub(super) async fn apply(_: Arc<Module>, view: View, events: Vec<Recorded>) -> Result<()> {
    let mut counts = Counts::new();
    for event in &events {
        if let Some(MessagePosted { channel, author, at, .. }) = event.read()? {
            add(&mut counts, channel, author, 1, at);
        } else if let Some(MessagesImported { channel, counts: imported }) = event.read()? {
            for one in imported {
                add(&mut counts, channel, one.author, i64::try_from(one.messages).unwrap_or(0), one.last_at);
            }
        }
    }
    let mut newest: BTreeMap<Uuid, Timestamp> = BTreeMap::new();
    for ((channel, day, author), (messages, last_at)) in counts {
        write(&view, channel, day, author, messages, last_at).await?;
        let newest = newest.entry(channel).or_insert(last_at);
        *newest = last_at.max(*newest);
    }
    for (channel, last_at) in newest {
        forget(&view, channel, last_at).await?;
    }
    Ok(())
}

fn add(counts: &mut Counts, channel: Uuid, author: Uuid, messages: i64, at: Timestamp) {
    let (sum, last_at) = counts.entry((channel, day(at), author)).or_insert((0, at));
    *sum += messages;
    *last_at = at.max(*last_at);
}

async fn write(view: &View, channel: Uuid, day: String, author: Uuid, messages: i64, last_at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO {channel_activity} AS known (channel_id, day, author_id, messages, last_at) \
               VALUES (?, ?, ?, ?, ?) ON CONFLICT (channel_id, day, author_id) DO UPDATE SET \
               messages = known.messages + excluded.messages, \
               last_at = CASE WHEN excluded.last_at > known.last_at THEN excluded.last_at ELSE known.last_at END";
    let query = view.query(sql).bind(channel).bind(day).bind(author).bind(messages).bind(last_at);
    query.execute().await.map(drop)
}

/// Lets go of days that nobody asks for.
async fn forget(view: &View, channel: Uuid, newest: Timestamp) -> Result<()> {
    let first = day(newest - DAYS * DAY);
    let sql = "DELETE FROM {channel_activity} WHERE channel_id = ? AND day < ?";
    view.query(sql).bind(channel).bind(first).execute().await.map(drop)
}
