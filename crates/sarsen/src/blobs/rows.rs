//! What the database knows of blobs: each step of a blob's life is one statement.

use super::state::Usage;
use super::{Blob, Key, Upload};
use crate::clock::Timestamp;
use crate::data::{Db, Tx};
use crate::error::{Error, Result};
use std::time::Duration;

#[derive(crate::FromRow)]
struct Row {
    key: String,
    size: i64,
    sha256: String,
    content_type: String,
    name: String,
    made_at: i64,
}

impl Row {
    fn blob(self) -> Result<Blob> {
        let Self { key, size, sha256, content_type, name, made_at } = self;
        let (key, size) = (Key::parse(&key)?, u64::try_from(size).unwrap_or_default());
        Ok(Blob { key, size, sha256, content_type, name, made_at: Timestamp::from_micros(made_at) })
    }
}

/// Written before the first byte is, so that whatever happens then there is something that the sweep finds.
pub(super) async fn begin(db: &Db, upload: &Upload, due: Timestamp) -> Result<()> {
    let sql = "INSERT INTO sarsen_blobs (key, state, content_type, name, made_at, due_at) VALUES (?, 0, ?, ?, ?, ?)";
    let query = db.query(sql).of_framework().bind(upload.key.as_str()).bind(upload.content_type.as_str());
    let query = query.bind(upload.name.as_str()).bind(upload.made_at.as_micros()).bind(due.as_micros());
    query.execute().await.map(drop)
}

/// The upload still goes on; says whether it still may.
pub(super) async fn touch(db: &Db, key: &Key, due: Timestamp) -> Result<bool> {
    let sql = "UPDATE sarsen_blobs SET due_at = ? WHERE key = ? AND state = 0";
    Ok(db.query(sql).of_framework().bind(due.as_micros()).bind(key.as_str()).execute().await? == 1)
}

/// Forgets an upload that did not come to its end.
pub(super) async fn forget(db: &Db, key: &Key) -> Result<()> {
    let sql = "DELETE FROM sarsen_blobs WHERE key = ? AND state = 0";
    db.query(sql).of_framework().bind(key.as_str()).execute().await.map(drop)
}

/// Who sweeps at the same moment and who keeps wait for each other at the row: only one of them has it.
pub(super) async fn keep(tx: &Tx, upload: &Upload) -> Result<()> {
    let sql = "UPDATE sarsen_blobs SET state = 1, size = ?, sha256 = ? WHERE key = ? AND state = 0";
    let size = i64::try_from(upload.size).map_err(|_| Error::invalid("the upload is too large"))?;
    let query = tx.query(sql).of_framework().bind(size).bind(upload.sha256.as_str()).bind(upload.key.as_str());
    if query.execute().await? == 1 {
        return Ok(());
    }
    Err(Error::conflict("the upload is there no longer, or is kept already")
        .hint("keep an upload once, within blobs.pending_for"))
}

pub(super) async fn find(db: &Db, key: &Key) -> Result<Option<Blob>> {
    let sql = "SELECT key, size, sha256, content_type, name, made_at FROM sarsen_blobs WHERE key = ? AND state = 1";
    let row: Option<Row> = db.query(sql).of_framework().bind(key.as_str()).optional().await?;
    row.map(Row::blob).transpose()
}

pub(super) async fn list(db: &Db, folder: &str, after: Option<&Key>, limit: u32) -> Result<Vec<Blob>> {
    let sql = "SELECT key, size, sha256, content_type, name, made_at FROM sarsen_blobs
               WHERE key > ? AND key < ? AND state = 1 ORDER BY key LIMIT ?";
    let from = after.map_or_else(|| format!("{folder}/"), |key| key.as_str().to_owned());
    // `0` follows `/`.
    let query = db.query(sql).of_framework().bind(from).bind(format!("{folder}0")).bind(limit);
    query.all::<Row>().await?.into_iter().map(Row::blob).collect()
}

/// Whether there was one that is kept.
pub(super) async fn delete(tx: &Tx, key: &Key) -> Result<bool> {
    let sql = "UPDATE sarsen_blobs SET state = 2, due_at = ? WHERE key = ? AND state = 1";
    let query = tx.query(sql).of_framework().bind(tx.clock().now().as_micros()).bind(key.as_str());
    Ok(query.execute().await? == 1)
}

/// Whether anything is to be removed, or given up.
pub(super) async fn any_due(db: &Db, now: Timestamp) -> Result<bool> {
    let sql = "SELECT key FROM sarsen_blobs WHERE state <> 1 AND due_at <= ? ORDER BY due_at LIMIT 1";
    let due = db.query(sql).of_framework().bind(now.as_micros()).optional::<(String,)>();
    Ok(due.await?.is_some())
}

/// What waited too long for a transaction is to be deleted; gives how many.
pub(super) async fn give_up(db: &Db, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE sarsen_blobs SET state = 2 WHERE state <> 1 AND state = 0 AND due_at <= ?";
    db.query(sql).of_framework().bind(now.as_micros()).execute().await
}

/// The keys of some that are to be deleted, those that wait longest first.
pub(super) async fn due(db: &Db, now: Timestamp, limit: u32) -> Result<Vec<Key>> {
    let sql =
        "SELECT key FROM sarsen_blobs WHERE state <> 1 AND state = 2 AND due_at <= ? ORDER BY due_at, key LIMIT ?";
    let keys: Vec<(String,)> = db.query(sql).of_framework().bind(now.as_micros()).bind(limit).all().await?;
    keys.iter().map(|(key,)| Key::parse(key)).collect()
}

/// Its bytes are gone.
pub(super) async fn deleted(db: &Db, key: &Key) -> Result<()> {
    let sql = "DELETE FROM sarsen_blobs WHERE key = ? AND state = 2";
    db.query(sql).of_framework().bind(key.as_str()).execute().await.map(drop)
}

/// Its bytes could not be deleted; it is tried again later.
pub(super) async fn postpone(db: &Db, key: &Key, until: Timestamp) -> Result<()> {
    let sql = "UPDATE sarsen_blobs SET due_at = ? WHERE key = ? AND state = 2";
    db.query(sql).of_framework().bind(until.as_micros()).bind(key.as_str()).execute().await.map(drop)
}

/// Those of `keys` that have a row, in whatever state.
pub(super) async fn known(db: &Db, keys: &[Key]) -> Result<Vec<String>> {
    let sql = "SELECT key FROM sarsen_blobs WHERE key IN (?) LIMIT 10000";
    let keys = keys.iter().map(Key::as_str);
    let rows: Vec<(String,)> = db.query(sql).of_framework().bind_list(keys).all().await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

pub(super) async fn usage(db: &Db) -> Result<Usage> {
    let sql = "SELECT state, COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM sarsen_blobs GROUP BY state LIMIT 3";
    let rows: Vec<(i64, i64, i64)> = db.query(sql).of_framework().all().await?;
    let of = |state: i64| {
        let row = rows.iter().find(|row| row.0 == state);
        row.map_or((0, 0), |(_, count, bytes)| (count.unsigned_abs(), bytes.unsigned_abs()))
    };
    let ((kept, kept_bytes), (to_delete, to_delete_bytes)) = (of(1), of(2));
    Ok(Usage { kept, kept_bytes, pending: of(0).0, to_delete, to_delete_bytes })
}

/// Whose store this is: an id that was made once, for this database.
pub(super) async fn owner(db: &Db) -> Result<String> {
    let sql = "INSERT INTO sarsen_blob_stores (what, text) VALUES ('owner', ?) ON CONFLICT (what) DO NOTHING";
    db.query(sql).of_framework().bind(db.clock().id().simple().to_string()).execute().await?;
    let sql = "SELECT text FROM sarsen_blob_stores WHERE what = 'owner' LIMIT 1";
    db.query(sql).of_framework().scalar().await
}

/// Whether the store is to be looked through now: of several processes one is told so.
pub(super) async fn claim_scan(db: &Db, every: Duration) -> Result<bool> {
    let now = db.clock().now();
    let sql = "INSERT INTO sarsen_blob_stores (what) VALUES ('scan') ON CONFLICT (what) DO NOTHING";
    db.query(sql).of_framework().execute().await?;
    let sql = "UPDATE sarsen_blob_stores SET at = ? WHERE what = 'scan' AND at <= ?";
    let query = db.query(sql).of_framework().bind(now.as_micros()).bind((now - every).as_micros());
    Ok(query.execute().await? == 1)
}
