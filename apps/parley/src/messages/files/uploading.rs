//! Takes a file in while it comes: its first bytes say what it is, and only when all have come it is somebody's.

use super::store::{self, Stored, thumbnail};
use super::thumbnails::MakeThumbnail;
use super::view::File;
use super::{FOLDER, media, picture};
use crate::messages::{Module, check_may_post};
use crate::text::{check_line, check_present};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sarsen::blobs::{Blob, Upload, UploadOptions};
use sarsen::error::Kind;
use sarsen::{Error, Result};
use std::pin::Pin;
use uuid::Uuid;

/// Longest name, in characters.
pub(super) const MAX_NAME: usize = 255;

/// What a file is called whose name is nothing but a path.
const NAMELESS: &str = "file";

/// How much of a file says what it is: a photograph has its size behind what the camera wrote.
const HEAD: usize = 64 << 10;

impl Module {
    /// Keeps what `bytes` brings as a file of `user`, who may post it in this channel. What says
    /// beforehand that it is too long is not read.
    pub(super) async fn upload(
        &self,
        user: Uuid,
        channel: Uuid,
        name: &str,
        length: Option<u64>,
        bytes: impl Stream<Item = Result<Bytes>> + Send,
    ) -> Result<File> {
        check_present("name", name)?;
        check_line("name", name, MAX_NAME)?;
        check_may_post(&self.channels.visible(user, channel).await?)?;
        if store::pending(&self.store.db, user).await? >= i64::from(self.config.max_pending) {
            let message = format!("{} files of yours are not posted", self.config.max_pending);
            return Err(Error::new(Kind::Conflict, message).hint("post some of them, or delete them"));
        }
        let mut options = UploadOptions::folder(FOLDER).name(name).at_most(self.config.max_file.0);
        if let Some(length) = length {
            options = options.length(length);
        }
        let mut bytes = std::pin::pin!(bytes);
        let (parts, head) = begin(&mut bytes).await?;
        let all = stream::iter(parts.into_iter().map(Ok)).chain(bytes);
        let upload = self.blobs.upload(all, options.content_type(media::sniff(&head))).await?;
        self.keep(user, channel, &upload, &head).await
    }

    /// The transaction that makes an upload a file.
    async fn keep(&self, user: Uuid, channel: Uuid, upload: &Upload, head: &[u8]) -> Result<File> {
        let tx = self.store.db.begin().await?;
        let blob = self.blobs.keep(&tx, upload).await?;
        let file = self.new_file(user, channel, blob, head);
        store::insert(&tx, &file).await?;
        if file.thumbnail == thumbnail::WAITING {
            self.jobs.enqueue(&tx, MakeThumbnail { file: file.id, by: user }).await?;
        }
        tx.commit().await?;
        Ok(file.into())
    }

    fn new_file(&self, user: Uuid, channel: Uuid, blob: Blob, head: &[u8]) -> Stored {
        let size = media::is_seen(&blob.content_type).then(|| picture::size(head)).flatten();
        let reason = self.refuse_picture(&blob, size);
        Stored {
            id: self.clock.id(),
            channel_id: channel,
            uploader_id: user,
            message_id: None,
            place: 0,
            name: if blob.name.is_empty() { NAMELESS.to_owned() } else { blob.name },
            thumbnail: match reason {
                _ if !media::is_picture(&blob.content_type) => thumbnail::NONE.to_owned(),
                Some(_) => thumbnail::FAILED.to_owned(),
                None => thumbnail::WAITING.to_owned(),
            },
            note: reason.filter(|_| media::is_picture(&blob.content_type)).unwrap_or_default(),
            content_type: blob.content_type,
            size: i64::try_from(blob.size).unwrap_or(i64::MAX),
            uploaded_at: self.clock.now(),
            blob: blob.key.as_str().to_owned(),
            width: size.map(|(width, _)| i64::from(width)),
            height: size.map(|(_, height)| i64::from(height)),
            thumbnail_blob: None,
        }
    }

    /// Why no small picture is made of it, if that is clear already.
    fn refuse_picture(&self, blob: &Blob, size: Option<(u32, u32)>) -> Option<String> {
        if blob.size > self.config.max_picture.0 {
            return Some(format!("it is larger than {:?}", self.config.max_picture));
        }
        size.and_then(|size| self.config.bounds().refuse(size))
    }
}

/// Takes the first bytes off the stream: as they came, and in one piece.
async fn begin(bytes: &mut Pin<&mut (impl Stream<Item = Result<Bytes>> + Send)>) -> Result<(Vec<Bytes>, Vec<u8>)> {
    let (mut parts, mut head) = (Vec::new(), Vec::new());
    while head.len() < HEAD {
        let Some(part) = bytes.next().await.transpose()? else { break };
        head.extend_from_slice(&part[..part.len().min(HEAD - head.len())]);
        parts.push(part);
    }
    Ok((parts, head))
}
