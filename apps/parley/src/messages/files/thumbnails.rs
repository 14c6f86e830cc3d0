//! Makes small pictures, later and elsewhere: a job of a queue of its own, which no picture can hold up.

use super::picture::{self, Small};
use super::store::{self, Stored, Thumbnail};
use super::view::File;
use super::{FOLDER, QUEUE};
use crate::messages::live::What;
use crate::messages::{Module, write};
use sarsen::Result;
use sarsen::blobs::{Key, Upload, UploadOptions};
use sarsen::data::Tx;
use sarsen::jobs::{Job, Policy, Run};
use sarsen::telemetry::{Budget, ms};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often one picture may take a worker down, or all of its time, before it is left alone.
const MOST_TRIES: i64 = 2;

/// Makes the small picture of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::messages) struct MakeThumbnail {
    pub(super) file: Uuid,
    pub(super) by: Uuid,
}

impl Job for MakeThumbnail {
    const KIND: &'static str = "messages.thumbnail";

    /// On a thread of its own, which it keeps busy; those who upload take turns.
    fn policy() -> Policy {
        let budget = Budget::new().wait(ms(10_000)).run(ms(5_000)).queries(16).retries(1);
        Policy::new().queue(QUEUE).blocking().attempts(5).crashes(4).timeout(Duration::from_secs(120)).budget(budget)
    }

    fn key(&self) -> Option<String> {
        Some(self.by.to_string())
    }
}

impl Module {
    /// Makes the small picture once, however often this runs. What is wrong with a picture is no failure of the job: it is
    /// written down, and the next picture has its turn.
    pub(in crate::messages) async fn make_thumbnail(self: Arc<Self>, job: MakeThumbnail, run: Run) -> Result<()> {
        let Some(tries) = store::begin_thumbnail(&self.store.db, job.file).await? else { return Ok(()) };
        if tries > MOST_TRIES {
            return self.settle(job.file, Err("it stopped the worker that read it"), &run).await;
        }
        match self.read_small(job.file, &run).await {
            Ok(Some(Ok(small))) => {
                let options = UploadOptions::folder(FOLDER).content_type(small.content_type);
                let upload = self.blobs.upload_bytes(small.bytes, options).await?;
                self.settle(job.file, Ok((&upload, small.of)), &run).await
            }
            Ok(Some(Err(_))) if run.is_cancelled() => Ok(()),
            Ok(Some(Err(reason))) => self.settle(job.file, Err(&reason), &run).await,
            Ok(None) => Ok(()),
            Err(error) if run.attempt() >= run.max_attempts() => {
                tracing::warn!(file = %job.file, "there will be no small picture of it: {}", error.report());
                self.settle(job.file, Err("it could not be read"), &run).await
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the picture; nothing when the file is gone.
    async fn read_small(&self, id: Uuid, run: &Run) -> Result<Option<std::result::Result<Small, String>>> {
        let Some(file) = store::file(&self.store.db, id).await? else { return Ok(None) };
        let Some(blob) = self.blobs.find(&Key::parse(&file.blob)?).await? else { return Ok(None) };
        let most = usize::try_from(self.config.max_picture.0).unwrap_or(usize::MAX);
        let bytes = self.blobs.bytes(&blob, most).await?;
        Ok(Some(picture::make_small(&bytes, self.config.bounds(), || run.is_cancelled())))
    }

    /// The transaction that ends it: the row, the picture, the job, and what is told.
    ///
    /// A channel's revision is taken before its rows are touched, as all do; whether there is one to take is known only once
    /// the file was read, so a file that is posted meanwhile is read again.
    async fn settle(&self, id: Uuid, made: Made<'_>, run: &Run) -> Result<()> {
        loop {
            let Some(seen) = store::file(&self.store.db, id).await? else { return Ok(()) };
            let tx = self.store.db.begin().await?;
            let revision = match seen.message_id {
                Some(_) => Some(write::next_revision(&tx, seen.channel_id, 1).await?),
                None => None,
            };
            let Some(file) = self.end(&tx, id, made).await? else { return tx.rollback().await };
            if file.message_id != seen.message_id {
                tx.rollback().await?;
                continue;
            }
            if let Some(revision) = revision {
                self.tell_of(&tx, file, revision).await?;
            }
            run.complete_in(&tx).await?;
            return tx.commit().await;
        }
    }

    async fn end(&self, tx: &Tx, id: Uuid, made: Made<'_>) -> Result<Option<Stored>> {
        match made {
            Ok((upload, of)) => {
                let blob = self.blobs.keep(tx, upload).await?;
                let thumbnail = Thumbnail { blob: blob.key.as_str(), of };
                store::end_thumbnail(tx, id, Ok(&thumbnail)).await
            }
            Err(reason) => store::end_thumbnail(tx, id, Err(reason)).await,
        }
    }

    /// Tells who looks at the channel that a file of a message has its small picture, or will have none.
    async fn tell_of(&self, tx: &Tx, file: Stored, revision: i64) -> Result<()> {
        let (Some(id), channel) = (file.message_id, file.channel_id) else { return Ok(()) };
        write::touch(tx, id, revision).await?;
        let file = File::from(file);
        self.tell(tx, channel, revision, 1, What::File { id, file: &file }).await
    }
}

/// What became of it: what was uploaded and the size of the picture, or why there is none.
type Made<'m> = std::result::Result<(&'m Upload, (u32, u32)), &'m str>;
