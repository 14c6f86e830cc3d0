//! The rows of files.

use super::view::File;
use sarsen::data::Tx;
use sarsen::{Db, Result, Timestamp};
use std::collections::HashMap;
use uuid::Uuid;

macro_rules! columns {
    () => {
        "id, channel_id, uploader_id, message_id, name, content_type, size, uploaded_at, blob, width, height, thumbnail, \
         thumbnail_blob, note"
    };
}

macro_rules! files {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM files ", $rest)
    };
}

/// Where the small picture of a file stands, as it is stored.
pub(super) mod thumbnail {
    pub(in super::super) const NONE: &str = "none";
    pub(in super::super) const WAITING: &str = "waiting";
    pub(in super::super) const READY: &str = "ready";
    pub(in super::super) const FAILED: &str = "failed";
}

/// A file as it is stored.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(in crate::messages) struct Stored {
    pub(super) id: Uuid,
    pub(super) channel_id: Uuid,
    pub(super) uploader_id: Uuid,
    /// Nothing while it is only uploaded.
    pub(super) message_id: Option<Uuid>,
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) size: i64,
    pub(super) uploaded_at: Timestamp,
    pub(super) blob: String,
    pub(super) width: Option<i64>,
    pub(super) height: Option<i64>,
    pub(super) thumbnail: String,
    pub(super) thumbnail_blob: Option<String>,
    /// Why there is no small picture.
    pub(super) note: String,
}

/// What a file that is gone leaves to be removed.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Bytes {
    pub(super) blob: String,
    pub(super) thumbnail_blob: Option<String>,
}

/// A small picture that is there.
#[derive(Debug)]
pub(super) struct Thumbnail<'k> {
    pub(super) blob: &'k str,
    /// The size of the picture itself.
    pub(super) of: (u32, u32),
}

pub(super) async fn file(db: &Db, id: Uuid) -> Result<Option<Stored>> {
    db.query(files!("WHERE id = ?")).bind(id).optional().await
}

/// The files of each message, in the order in which they were uploaded.
pub(in crate::messages) async fn of_messages(db: &Db, messages: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<File>>> {
    let found = db.query(files!("WHERE message_id IN (?) ORDER BY message_id, id")).bind_list(messages);
    let mut files: HashMap<Uuid, Vec<File>> = HashMap::new();
    for stored in found.all::<Stored>().await? {
        if let Some(message) = stored.message_id {
            files.entry(message).or_default().push(stored.into());
        }
    }
    Ok(files)
}

/// How many files somebody has uploaded and not posted.
pub(super) async fn pending(db: &Db, uploader: Uuid) -> Result<i64> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM files WHERE uploader_id = ? AND message_id IS NULL";
    db.query(sql).bind(uploader).scalar().await
}

pub(super) async fn insert(tx: &Tx, new: &Stored) -> Result<()> {
    let sql = "INSERT INTO files (id, channel_id, uploader_id, name, content_type, size, uploaded_at, blob, width, height, \
               thumbnail, tries, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)";
    let query = tx.query(sql).bind(new.id).bind(new.channel_id).bind(new.uploader_id).bind(new.name.as_str());
    let query = query.bind(new.content_type.as_str()).bind(new.size).bind(new.uploaded_at).bind(new.blob.as_str());
    let query = query.bind(new.width).bind(new.height).bind(new.thumbnail.as_str()).bind(new.note.as_str());
    query.execute().await.map(drop)
}

/// Gives a message these files of its author, those that are pending in its channel.
pub(in crate::messages) async fn attach(
    tx: &Tx,
    message: Uuid,
    (author, channel): (Uuid, Uuid),
    files: Vec<Uuid>,
) -> Result<Vec<Stored>> {
    let sql = concat!(
        "UPDATE files SET message_id = ? WHERE uploader_id = ? AND channel_id = ? AND message_id IS NULL AND id IN (?) \
         RETURNING ",
        columns!()
    );
    let query = tx.query(sql).bind(message).bind(author).bind(channel).bind_list(files);
    let mut attached: Vec<Stored> = query.all().await?;
    attached.sort_unstable_by_key(|file| file.id);
    Ok(attached)
}

/// Forgets the files of a message.
pub(super) async fn delete_of(tx: &Tx, message: Uuid) -> Result<Vec<Bytes>> {
    let sql = "DELETE FROM files WHERE message_id = ? RETURNING blob, thumbnail_blob";
    tx.query(sql).bind(message).all().await
}

/// Forgets a file that is not posted; nothing when it is posted, or gone.
pub(super) async fn delete_pending(tx: &Tx, id: Uuid) -> Result<Vec<Bytes>> {
    let sql = "DELETE FROM files WHERE id = ? AND message_id IS NULL RETURNING blob, thumbnail_blob";
    tx.query(sql).bind(id).all().await
}

/// Forgets some of the files that nobody has posted since `before`.
pub(super) async fn delete_forgotten(tx: &Tx, before: Timestamp, limit: i64) -> Result<Vec<Bytes>> {
    let sql = "DELETE FROM files WHERE message_id IS NULL AND id IN (SELECT id FROM files WHERE message_id IS NULL \
               AND uploaded_at < ? LIMIT ?) RETURNING blob, thumbnail_blob";
    tx.query(sql).bind(before).bind(limit).all().await
}

/// Notes that its small picture is about to be made, and says how often that was begun; nothing when it is not wanted.
pub(super) async fn begin_thumbnail(db: &Db, id: Uuid) -> Result<Option<i64>> {
    let sql = "UPDATE files SET tries = tries + 1 WHERE id = ? AND thumbnail = 'waiting' RETURNING tries";
    Ok(db.query(sql).bind(id).optional::<(i64,)>().await?.map(|(tries,)| tries))
}

/// Keeps the small picture, or why there is none; nothing when it is not wanted any more.
pub(super) async fn end_thumbnail(
    tx: &Tx,
    id: Uuid,
    made: std::result::Result<&Thumbnail<'_>, &str>,
) -> Result<Option<Stored>> {
    let sql = concat!(
        "UPDATE files SET thumbnail = ?, thumbnail_blob = ?, width = COALESCE(?, width), height = COALESCE(?, height), \
         note = ? WHERE id = ? AND thumbnail = 'waiting' RETURNING ",
        columns!()
    );
    let query = match made {
        Ok(Thumbnail { blob, of: (width, height) }) => {
            let query = tx.query(sql).bind(thumbnail::READY).bind(Some(*blob));
            query.bind(Some(i64::from(*width))).bind(Some(i64::from(*height))).bind("")
        }
        Err(reason) => {
            let query = tx.query(sql).bind(thumbnail::FAILED).bind(None::<&str>);
            query.bind(None::<i64>).bind(None::<i64>).bind(reason)
        }
    };
    query.bind(id).optional().await
}
