//! Files of messages: uploaded first, then posted; shown only to those who may read the channel.
//!
//! They are part of this module, for they begin and end with their message: what is one transaction is one module.

pub(super) mod http;
mod media;
mod picture;
pub(super) mod store;
pub(super) mod sweeping;
pub(super) mod thumbnails;
mod uploading;
mod view;

pub(super) use view::File;

use super::Module;
use super::config::Config;
use picture::Bounds;
use sarsen::blobs::{Blob, Key};
use sarsen::data::Tx;
use sarsen::error::Kind;
use sarsen::jobs::Queue;
use sarsen::{Error, Result};
use store::{Stored, thumbnail};
use uuid::Uuid;

/// Most files of one message.
pub(super) const MAX_FILES: usize = 10;

/// Where they are in the store.
const FOLDER: &str = "files";

/// Where small pictures wait to be made.
const QUEUE: &str = "thumbnails";

impl Config {
    /// Few at once in a process: each may take as much memory as its pixels. Those who upload take turns.
    pub(super) fn queue(&self) -> Queue {
        Queue::new(QUEUE).concurrency(self.thumbnails_at_once).fair()
    }

    fn bounds(&self) -> Bounds {
        Bounds { pixels: self.max_pixels, time: self.thumbnail_time.0 }
    }
}

impl Module {
    /// Makes these files, which `author` has uploaded to the channel, files of their message.
    pub(super) async fn attach(
        &self,
        tx: &Tx,
        message: &super::store::Stored,
        mut files: Vec<Uuid>,
    ) -> Result<Vec<File>> {
        files.sort_unstable();
        files.dedup();
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let count = files.len();
        let attached = store::attach(tx, message.id, (message.author_id, message.channel_id), files).await?;
        if attached.len() < count {
            let text = "names a file that you have not uploaded to this channel, or that is posted already";
            return Err(Error::invalid_field("files", text));
        }
        Ok(attached.into_iter().map(File::from).collect())
    }

    /// A file that `user` may see: their own, and those of messages that they may read. No other exists.
    async fn readable_file(&self, user: Uuid, id: Uuid) -> Result<Stored> {
        let missing = || Error::not_found(format!("there is no file {id}"));
        let file = store::file(&self.store.db, id).await?.ok_or_else(missing)?;
        if file.message_id.is_none() {
            return if file.uploader_id == user { Ok(file) } else { Err(missing()) };
        }
        let access = self.channels.visible(user, file.channel_id).await.map_err(Error::from);
        match access {
            Ok(access) if access.may_read => Ok(file),
            Ok(_) => Err(missing()),
            Err(error) if error.kind() == Kind::NotFound => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// What is in a file.
    async fn open_file(&self, user: Uuid, id: Uuid) -> Result<Blob> {
        let file = self.readable_file(user, id).await?;
        self.blobs.get(&Key::parse(&file.blob)?).await
    }

    /// The small picture of a file.
    async fn open_thumbnail(&self, user: Uuid, id: Uuid) -> Result<Blob> {
        let file = self.readable_file(user, id).await?;
        match file.thumbnail_blob.filter(|_| file.thumbnail == thumbnail::READY) {
            Some(key) => self.blobs.get(&Key::parse(&key)?).await,
            None => Err(Error::not_found("the file has no small picture")),
        }
    }
}
