//! Takes messages in from elsewhere, by batches.

use super::api::{ImportedCount, ImportedMessage, MAX_BATCH, MessagesImported};
use super::store::Stored;
use super::write::{self, NewMessage};
use super::{Module, rules};
use sarsen::{Error, Result};
use std::collections::BTreeMap;
use uuid::Uuid;

const DAY_MICROS: i64 = 86_400_000_000;

impl Module {
    /// Adds messages to a channel and says how many are new.
    pub(super) async fn import_batch(&self, channel: Uuid, messages: Vec<ImportedMessage>) -> Result<u64> {
        check(&messages)?;
        let Some(last) = messages.iter().map(|message| message.posted_at).max() else { return Ok(0) };
        let added = self.import(channel, messages).await?;
        // Also when nothing is new: an import that was killed may not have come to this.
        self.note_posted(channel, last).await;
        Ok(added)
    }

    /// The transaction of a batch; it takes no revision when nothing is new.
    async fn import(&self, channel: Uuid, messages: Vec<ImportedMessage>) -> Result<u64> {
        let tx = self.store.db.begin().await?;
        let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        let before = write::next_revision(&tx, channel, count).await? - count;
        let new =
            messages.into_iter().zip(before + 1..).map(|(message, revision)| imported(channel, message, revision));
        let inserted = write::insert_many(&tx, new.collect()).await?;
        if inserted.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        self.events.publish(&tx, MessagesImported { channel, counts: counts(&inserted) }).await?;
        tx.commit().await?;
        Ok(inserted.len() as u64)
    }
}

/// How many messages there are of each author and day.
fn counts(inserted: &[Stored]) -> Vec<ImportedCount> {
    let mut counts = BTreeMap::new();
    for stored in inserted {
        let day = stored.posted_at.as_micros().div_euclid(DAY_MICROS);
        let (messages, last_at) = counts.entry((stored.author_id, day)).or_insert((0, stored.posted_at));
        *messages += 1;
        *last_at = stored.posted_at.max(*last_at);
    }
    let count = |((author, _), (messages, last_at))| ImportedCount { author, messages, last_at };
    counts.into_iter().map(count).collect()
}

fn imported(channel: Uuid, message: ImportedMessage, revision: i64) -> NewMessage {
    let ImportedMessage { id, author, text, posted_at } = message;
    NewMessage { id, channel, author, text, posted_at, thread: None, nonce: None, revision }
}

fn check(messages: &[ImportedMessage]) -> Result<()> {
    if messages.len() > MAX_BATCH {
        let message = format!("has {} entries; at most {MAX_BATCH} go in one call", messages.len());
        return Err(Error::invalid_field("messages", message));
    }
    let checked = |(place, message): (usize, &ImportedMessage)| {
        rules::check_optional(&message.text).map_err(|error| error.context(format!("messages[{place}]")))
    };
    messages.iter().enumerate().try_for_each(checked)
}
