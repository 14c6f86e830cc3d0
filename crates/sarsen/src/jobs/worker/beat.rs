//! The beat: says every few seconds that this process lives, on a thread and a connection of its own, so that no job can
//! hold it up; and notices which processes do not.

use super::{Shared, host, lock};
use crate::clock::{self, Timestamp};
use crate::config::{DatabaseSection, JobsSection};
use crate::data::Db;
use crate::error::Result;
use crate::jobs::store::{Beat, Held, Rescued, Store, WorkerRow, flag};
use crate::lifecycle;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// After this time what is left of a bundle is unfolded.
const BUNDLED_FOR: Duration = Duration::from_secs(1);
/// A claim whose answer was lost is given back after this time.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// What this process writes down of itself.
pub(super) fn row(shared: &Shared, version: &str) -> WorkerRow {
    let queues: Vec<&str> = shared.jobs.registry().queues().map(|queue| queue.name).collect();
    WorkerRow {
        id: shared.id(),
        host: host::identity(),
        pid: std::process::id(),
        version: version.to_owned(),
        queues: queues.join(" "),
    }
}

/// Beats until the worker has stopped.
pub(super) fn start(shared: &Arc<Shared>, row: WorkerRow, database: DatabaseSection) {
    let shared = shared.clone();
    let beating = async move {
        let database = DatabaseSection { connections: 1, ..database };
        let mut others = Others::default();
        let mut row = row;
        let store = loop {
            match Db::connect(&database, shared.store().db.clock()).await {
                Ok(db) => break shared.store().on(db),
                Err(error) => tracing::warn!("the beat of this worker: {}", error.report()),
            }
            if rest(&shared).await {
                return;
            }
        };
        loop {
            if let Err(error) = beat(&shared, &store, &mut row, &mut others).await {
                tracing::warn!("the beat of this worker: {}", error.report());
            }
            if rest(&shared).await {
                store.db.close().await;
                return;
            }
        }
    };
    if let Err(error) = lifecycle::spawn_thread("sarsen-beat", beating) {
        tracing::error!("this worker cannot beat, and takes no jobs: {}", error.report());
    }
}

/// Waits for the next beat; true when there is none.
async fn rest(shared: &Shared) -> bool {
    let next = clock::monotonic() + shared.jobs.0.section.beat.0;
    clock::until(next, shared.gone.stopping()).await.is_ok()
}

async fn beat(shared: &Shared, store: &Store, row: &mut WorkerRow, others: &mut Others) -> Result<()> {
    let running = lock(&shared.at_work).len();
    // What is not done in a moment is told apart from here on, job by job.
    let done = shared.done_bundles();
    let told_apart = match store.drop_bundles(&done).await {
        Ok(()) => store.unfold_of(row.id, store.now() - BUNDLED_FOR).await,
        error => error,
    };
    if let Err(error) = told_apart {
        tracing::warn!("a bundle of this worker: {}", error.report());
    }
    let beat = store.beat(row.id, shared.settled.load(Ordering::Relaxed), running).await?;
    if !beat.known {
        return begin_again(shared, store, row).await;
    }
    *lock(&shared.last_beat) = clock::monotonic();
    *lock(&shared.paused) = beat.paused.iter().cloned().collect();
    heed(shared, store, row.id, &beat).await?;
    for dead in others.dead(&beat, row, &shared.jobs.0.section) {
        match store.rescue(dead, true).await {
            Ok(Rescued { again, discarded }) => {
                tracing::warn!(worker = %dead, again, discarded, "a worker died; its jobs are given to others");
            }
            // It holds up none of the others, and is tried again.
            Err(error) => tracing::warn!(worker = %dead, "a worker died and is not rescued yet: {}", error.report()),
        }
    }
    let rescued = store.rescue_orphans(row.id).await?;
    if rescued.total() > 0 {
        tracing::warn!(again = rescued.again, discarded = rescued.discarded, "jobs of a worker that nobody knows");
    }
    Ok(())
}

/// Others held this process to be dead (it was stopped, or the machine slept): its jobs are theirs. It begins anew.
async fn begin_again(shared: &Shared, store: &Store, row: &mut WorkerRow) -> Result<()> {
    if shared.gone.is_stopping() {
        // It signed off itself.
        return Ok(());
    }
    row.id = store.db.clock().id();
    // Known first: what is taken under a name that nobody knows is given to others.
    store.register(row).await?;
    *lock(&shared.id) = row.id;
    lock(&shared.bundles).clear();
    let lost: Vec<_> = lock(&shared.at_work).drain().map(|(_, job)| job.cancelled).collect();
    tracing::error!(jobs = lost.len(), "this worker was held to be dead, and begins anew without its jobs");
    lost.iter().for_each(|cancelled| cancelled.cancel());
    *lock(&shared.last_beat) = clock::monotonic();
    Ok(())
}

/// Tells jobs that somebody wants them to stop, and gives back those whose claim was never answered.
async fn heed(shared: &Shared, store: &Store, worker: Uuid, beat: &Beat) -> Result<()> {
    let before = store.now();
    let is_old = |held: &Held| before.since(Timestamp::from_micros(held.claimed_at)) > LOST_AFTER;
    let mut lost = Vec::new();
    {
        let at_work = lock(&shared.at_work);
        for held in &beat.held {
            match at_work.get(&held.id).filter(|job| job.lease == held.lease) {
                Some(job) if held.flags & flag::CANCELLED != 0 => job.cancelled.cancel(),
                Some(_) => {}
                None if is_old(held) => lost.push((held.id, held.lease)),
                None => {}
            }
        }
    }
    if !lost.is_empty() {
        tracing::warn!(jobs = lost.len(), "the answer to a claim was lost; its jobs are given back");
        store.give_back(worker, &lost).await?;
    }
    Ok(())
}

/// When the beats of the other processes were last seen to rise: by the clock of this process, which nobody sets.
#[derive(Default)]
struct Others {
    seen: HashMap<Uuid, (i64, Instant)>,
    looked: Option<Instant>,
}

impl Others {
    fn dead(&mut self, beat: &Beat, me: &WorkerRow, section: &JobsSection) -> Vec<Uuid> {
        let (now, after) = (clock::monotonic(), section.dead_after.0);
        let often = (after / 2).max(section.beat.0 * 2);
        if self.looked.replace(now).is_none_or(|looked| now - looked > often) {
            // While this process could not look (the database was away, or it was stopped itself) the others may have had the
            // same trouble: their silence counts from now on.
            self.seen.clear();
        }
        let mut dead = Vec::new();
        for (id, host, pid, beats) in beat.workers.iter().filter(|(id, ..)| *id != me.id) {
            let seen = self.seen.entry(*id).or_insert((*beats, now));
            if seen.0 != *beats {
                *seen = (*beats, now);
            }
            let same_machine = !host.is_empty() && *host == me.host;
            if now - seen.1 > after || (same_machine && host::is_gone(*pid)) {
                dead.push(*id);
            }
        }
        self.seen.retain(|id, _| beat.workers.iter().any(|(worker, ..)| worker == id));
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_while_it_could_be_heard() {
        let (now, section) = (clock::monotonic(), JobsSection::default());
        let ago = |time: Duration| now - time;
        let row = |id| WorkerRow {
            id: Uuid::from_u128(id),
            host: "here".into(),
            pid: 1,
            version: String::new(),
            queues: String::new(),
        };
        let other = Uuid::from_u128(2);
        let workers = vec![(other, "elsewhere".to_owned(), 1, 7)];
        let beat = Beat { known: true, held: Vec::new(), paused: Vec::new(), workers };
        let long = section.dead_after.0 + Duration::from_secs(1);
        let mut others = Others { seen: HashMap::from([(other, (7, ago(long)))]), looked: Some(ago(long)) };
        assert!(others.dead(&beat, &row(1), &section).is_empty(), "the database was away for both");
        let mut others = Others { seen: HashMap::from([(other, (7, ago(long)))]), looked: Some(ago(section.beat.0)) };
        assert_eq!(others.dead(&beat, &row(1), &section), [other], "it was silent while this one was not");
    }
}
