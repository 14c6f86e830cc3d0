//! What nobody keeps is removed: soon where a row says so, and once a day where no row does.

use super::store::Stored;
use super::{CHANNEL, Inner, Key, rows};
use crate::clock;
use crate::error::Result;
use crate::lifecycle;
use crate::telemetry::{Operation, OperationKind, Outcome, Trace};
use futures_util::{StreamExt, future};
use std::sync::Arc;
use std::time::Duration;

/// Blobs of one step, and how many of them are removed at once.
const BATCH: u32 = 100;
const AT_ONCE: usize = 8;
/// A blob that could not be removed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(60);
/// Objects that are looked up together.
const LOOK_UP: usize = 500;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs with a row.
    pub blobs: u64,
    /// Objects without one, and drafts of files.
    pub orphans: u64,
    /// What could not be removed, and is tried again.
    pub failed: u64,
}

/// Sweeps and scans, until the application stops.
pub(super) async fn upkeep(blobs: Arc<Inner>) {
    let mut listener = blobs.db.listen(CHANNEL);
    while !blobs.lifecycle.is_stopping() {
        let name = blobs.recorder.name(OperationKind::Job, "", "blobs sweep");
        let operation = Operation::open_in(name, Trace::new(), &blobs.recorder);
        match operation.scope(step(&blobs)).await {
            // Most looks find nothing, and are no news.
            Ok(swept) if swept == Swept::default() => {}
            Ok(_) => operation.close(Outcome::Done),
            Err(error) => {
                operation.set_error(&error);
                operation.close(Outcome::Failed);
            }
        }
        tokio::select! {
            () = clock::pause(blobs.section.sweep.0) => {}
            () = listener.woken() => {}
            () = blobs.lifecycle.stopping() => {}
        }
    }
}

async fn step(blobs: &Arc<Inner>) -> Result<Swept> {
    let mut swept = sweep(blobs).await?;
    if !blobs.store.is_made() {
        return Ok(swept);
    }
    if rows::claim_scan(&blobs.db, blobs.section.scan.0).await? {
        swept.orphans += scan(blobs).await?.orphans;
    }
    Ok(swept)
}

/// Several processes may sweep at once: removing twice is no error, and a row goes only when its bytes have gone.
pub(super) async fn sweep(blobs: &Arc<Inner>) -> Result<Swept> {
    let mut swept = Swept::default();
    if !rows::any_due(&blobs.db, blobs.db.clock().now()).await? {
        return Ok(swept);
    }
    rows::give_up(&blobs.db, blobs.db.clock().now()).await?;
    loop {
        let due = rows::due(&blobs.db, blobs.db.clock().now(), BATCH).await?;
        let some = due.len();
        for keys in due.chunks(AT_ONCE) {
            let removed = future::join_all(keys.iter().map(|key| remove(blobs, key))).await;
            let gone = removed.iter().filter(|removed| **removed).count() as u64;
            swept.blobs += gone;
            swept.failed += keys.len() as u64 - gone;
            blobs.counts.swept(gone);
        }
        if some < BATCH as usize {
            return Ok(swept);
        }
    }
}

/// Says whether it is gone.
async fn remove(blobs: &Arc<Inner>, key: &Key) -> bool {
    let removed = async {
        blobs.store.remove(key).await?;
        lifecycle::fault("blobs.removed");
        rows::deleted(&blobs.db, key).await
    };
    let Err(error) = removed.await else { return true };
    blobs.counts.failed();
    tracing::warn!(%key, "a blob cannot be removed now: {}", error.report());
    if let Err(error) = rows::postpone(&blobs.db, key, blobs.db.clock().now() + AGAIN).await {
        tracing::warn!(%key, "nor can that be written down: {}", error.report());
    }
    false
}

/// An object without a row is one whose row was lost: rows are written first. In a store that belongs to another
/// database nothing is touched.
pub(super) async fn scan(blobs: &Arc<Inner>) -> Result<Swept> {
    let own = rows::owner(&blobs.db).await?;
    let owner = blobs.store.owner(&own).await?;
    if owner != own {
        tracing::warn!(%owner, "the store of blobs belongs to another database: what no row knows stays");
        return Ok(Swept::default());
    }
    let before = blobs.db.clock().now() - blobs.section.orphan_for.0;
    let mut orphans = blobs.store.clear_before(before).await?;
    let old = move |stored: Result<Stored>| match stored {
        // What is not named as a blob is not ours.
        Ok(stored) if stored.modified <= before => Key::parse(&stored.name).ok().map(Ok),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    };
    let listed = blobs.store.list()?.filter_map(move |stored| future::ready(old(stored)));
    let mut some = listed.chunks(LOOK_UP).boxed();
    while let Some(keys) = some.next().await {
        let keys = keys.into_iter().collect::<Result<Vec<Key>>>()?;
        let known = rows::known(&blobs.db, &keys).await?;
        for key in keys.iter().filter(|key| !known.iter().any(|known| known == key.as_str())) {
            blobs.store.remove(key).await?;
            orphans += 1;
        }
    }
    blobs.counts.orphans(orphans);
    Ok(Swept { orphans, ..Swept::default() })
}
