//! Forgets files: those of a message that is deleted, and those that nobody has posted.

use super::store::{self, Bytes};
use crate::messages::Module;
use sarsen::blobs::Key;
use sarsen::data::Tx;
use sarsen::jobs::{Firing, Job, Policy, Run, Schedule};
use sarsen::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Files that are forgotten in one transaction.
const AT_ONCE: i64 = 100;

/// Every hour.
pub(in crate::messages) const SWEEP: Schedule = Schedule::cron("messages.sweep_files", "17 * * * *");

/// Forgets the files that nobody has posted.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::messages) struct SweepFiles {
    at: Timestamp,
}

impl Job for SweepFiles {
    const KIND: &'static str = "messages.sweep_files";

    fn policy() -> Policy {
        Policy::new().forget()
    }
}

impl SweepFiles {
    pub(in crate::messages) fn due(firing: Firing) -> Self {
        Self { at: firing.at }
    }
}

impl Module {
    pub(in crate::messages) async fn sweep_files(self: Arc<Self>, job: SweepFiles, _: Run) -> Result<()> {
        let before = job.at - self.config.keep_pending.0;
        loop {
            let tx = self.store.db.begin().await?;
            let forgotten = store::delete_forgotten(&tx, before, AT_ONCE).await?;
            let count = forgotten.len();
            self.remove(&tx, forgotten).await?;
            tx.commit().await?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// Deletes the files of a message with it.
    pub(in crate::messages) async fn delete_files(&self, tx: &Tx, message: Uuid) -> Result<()> {
        let gone = store::delete_of(tx, message).await?;
        self.remove(tx, gone).await
    }

    /// Deletes a file that its uploader has not posted.
    pub(super) async fn delete_file(&self, user: Uuid, id: Uuid) -> Result<()> {
        let file = self.readable_file(user, id).await?;
        if file.uploader_id != user {
            return Err(Error::forbidden("only who uploaded a file can delete it"));
        }
        let tx = self.store.db.begin().await?;
        let gone = store::delete_pending(&tx, id).await?;
        if gone.is_empty() {
            return Err(Error::conflict("the file is part of a message").hint("delete the message"));
        }
        self.remove(&tx, gone).await?;
        tx.commit().await
    }

    /// What was in them goes with the transaction.
    async fn remove(&self, tx: &Tx, gone: Vec<Bytes>) -> Result<()> {
        for key in gone.into_iter().flat_map(|it| [Some(it.blob), it.thumbnail_blob]).flatten() {
            self.blobs.delete(tx, &Key::parse(&key)?).await?;
        }
        Ok(())
    }
}
