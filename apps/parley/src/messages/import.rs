//! Takes messages in from elsewhere, by batches.

use super::api::{ImportedMessage, MAX_BATCH};
use super::write::{self, NewMessage};
use super::{Module, rules};
use sarsen::{Error, Result};
use uuid::Uuid;

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
        match inserted.is_empty() {
            true => tx.rollback().await?,
            false => tx.commit().await?,
        }
        Ok(inserted.len() as u64)
    }
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
        rules::check_imported(&message.text).map_err(|error| error.context(format!("messages[{place}]")))
    };
    messages.iter().enumerate().try_for_each(checked)
}
