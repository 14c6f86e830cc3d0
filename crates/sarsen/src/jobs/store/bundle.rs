//! Bundles: short jobs that a worker takes all at once, by one row that names them.
//!
//! The rows of the jobs stay as they were until they end, which saves a new version of each and its entries in the
//! indexes. Four rules make that safe:
//!
//! 1. Only jobs that nobody had taken before are taken so. A job is in a bundle if, and only if, its state and its lease
//!    are 0 and a bundle names it. A lease never falls, so once a job has left its bundle no bundle can claim it again.
//! 2. It leaves its bundle by being unfolded, which writes into its row what taking it alone would have written; or by its
//!    end. Whoever holds it need not know which: its lease is 1 all the same, and a row with another lease is not its own.
//! 3. A bundle goes when none of its jobs is in it any more, which the statement that deletes it sees for itself.
//! 4. Who takes in a bundle takes alone, and looks what the others named after it has the lock.
//!
//! Whatever is not plain (a failure, somebody who waits for the job, an operator, progress, a process that died) unfolds first, and
//! is then as it is for any other job.

use super::claim::Exchange;
use super::{Claimed, Store};
use crate::clock::Timestamp;
use crate::data::{Batch, Db, MAX_BATCH, On, Slot, Tx};
use crate::error::Result;
use crate::lifecycle;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Jobs of one bundle that went well, and whose end concerns nobody else.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) bundle: Uuid,
    pub(crate) claimed_at: i64,
    pub(crate) jobs: Vec<Uuid>,
    /// No other of the bundle's is at hand: it can go.
    pub(crate) is_last: bool,
}

/// What a worker holds a job by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) id: Uuid,
    pub(crate) lease: i64,
    /// When its bundle was taken, where it was taken in one.
    pub(crate) bundled_at: Option<i64>,
}

/// A bundle of a worker.
#[derive(Clone, Copy, Debug, crate::FromRow)]
pub(super) struct Bundle {
    id: Uuid,
    worker: Uuid,
    claimed_at: i64,
}

/// Which jobs go into a bundle: those of which nothing else has to be written down when they are taken.
macro_rules! folds {
    () => {
        "lease = 0 AND seq = 0 AND max_attempts > 1 AND (flags & ~40) = 0"
    };
}

macro_rules! available {
    ($place:literal) => {
        concat!(
            "FROM sarsen_jobs WHERE state = 0 AND queue = ? ",
            $place,
            "AND (lease > 0 OR id NOT IN (SELECT job FROM sarsen_job_bundled WHERE queue = ?)) \
             ORDER BY priority, run_at, id LIMIT ? FOR UPDATE SKIP LOCKED"
        )
    };
}

/// Takes the next jobs, names in a bundle those that go into one, and marks the others.
macro_rules! take_at_once {
    ($place:literal) => {
        concat!(
            "WITH picked AS MATERIALIZED (SELECT id, kind, version, priority, run_at, job_key, attempt + 1 AS attempt, \
             max_attempts, crashes, lease + 1 AS lease, enqueued_at, deadline, flags, trace, args, (",
            folds!(),
            ") AS folds ",
            available!($place),
            "), named AS (INSERT INTO sarsen_job_bundles (id, worker, queue, claimed_at, jobs) SELECT CAST(? AS UUID), \
             CAST(? AS UUID), CAST(? AS TEXT), CAST(? AS BIGINT), ARRAY_AGG(id) FROM picked WHERE folds HAVING COUNT(*) > 0), \
             marked AS (UPDATE sarsen_jobs SET state = 3, worker = CAST(? AS UUID), attempt = picked.attempt, \
             lease = picked.lease, claimed_at = CAST(? AS BIGINT) FROM picked WHERE sarsen_jobs.id = picked.id AND NOT folds) \
             SELECT id, kind, version, priority, run_at, job_key, attempt, max_attempts, crashes, lease, enqueued_at, \
             deadline, flags, trace, args, CAST(? AS BIGINT) AS claimed_at, CASE WHEN folds THEN CAST(? AS UUID) END AS bundle \
             FROM picked"
        )
    };
}

const TAKE_AT_ONCE: &str = take_at_once!("");
const TAKE_AT_ONCE_FROM: &str = take_at_once!("AND (priority, run_at) >= (CAST(? AS BIGINT), CAST(? AS BIGINT)) ");

/// The same in three steps: the bundle names all of them at first.
macro_rules! name {
    ($place:literal) => {
        concat!(
            "INSERT INTO sarsen_job_bundles (id, worker, queue, claimed_at, jobs) SELECT ?, ?, ?, ?, \
             JSON_GROUP_ARRAY(HEX(id)) FROM (SELECT id ",
            available!($place),
            ") AS picked HAVING COUNT(*) > 0"
        )
    };
}

const NAME: &str = name!("");
const NAME_FROM: &str = name!("AND (priority, run_at) >= (CAST(? AS BIGINT), CAST(? AS BIGINT)) ");

const MARK: &str = concat!(
    "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = lease + 1, claimed_at = ? \
     WHERE id IN (SELECT job FROM sarsen_job_bundled WHERE bundle = ?) AND NOT (",
    folds!(),
    ")"
);

// What folds has the state 0 still.
const READ: &str = "SELECT id, kind, version, priority, run_at, job_key, CASE state WHEN 0 THEN 1 ELSE attempt END AS attempt, \
     max_attempts, crashes, CASE state WHEN 0 THEN 1 ELSE lease END AS lease, enqueued_at, deadline, flags, trace, args, \
     bundled.claimed_at AS claimed_at, CASE state WHEN 0 THEN bundle END AS bundle \
     FROM sarsen_job_bundled bundled JOIN sarsen_jobs ON id = job WHERE bundle = ? LIMIT 100000";

/// The columns of the history, and what they are for a job of a bundle.
macro_rules! part_into_history {
    ($from:literal) => {
        concat!(
            "INSERT INTO sarsen_job_history (id, queue, kind, version, outcome, priority, run_at, seq, job_key, attempt, \
             max_attempts, crashes, claimed_at, enqueued_at, finished_at, flags, batch, trace, progress, args) \
             SELECT id, queue, kind, version, 0, priority, run_at, seq, job_key, attempt + 1, max_attempts, crashes, \
             CAST(? AS BIGINT), enqueued_at, CAST(? AS BIGINT), flags, batch, trace, progress, ? FROM ",
            $from
        )
    };
}

const MOVE_PART: &str = concat!(
    "WITH gone AS (DELETE FROM sarsen_jobs WHERE id IN (?) AND state = 0 AND lease = 0 AND (flags & 71) = 0 RETURNING *), \
     kept AS (",
    part_into_history!("gone WHERE (flags & 32) = 0"),
    ") SELECT COUNT(*) FROM gone"
);
const KEEP_PART: &str =
    part_into_history!("sarsen_jobs WHERE id IN (?) AND state = 0 AND lease = 0 AND (flags & 103) = 0");
const DELETE_PART: &str = "DELETE FROM sarsen_jobs WHERE id IN (?) AND state = 0 AND lease = 0 AND (flags & 71) = 0";

const DROP: &str = "DELETE FROM sarsen_job_bundles WHERE id = ? AND NOT EXISTS (SELECT 1 FROM sarsen_job_bundled AS bundled \
     JOIN sarsen_jobs AS jobs ON jobs.id = bundled.job WHERE bundled.bundle = ? AND jobs.state = 0 AND jobs.lease = 0)";

/// An answer that says how many jobs were put away.
pub(super) enum Put {
    Changed(Slot<u64>),
    Counted(Slot<Vec<(i64,)>>),
}

/// Puts away jobs of a bundle, and the bundle when it has no others.
pub(super) fn put_away(batch: &mut Batch<'_>, db: &Db, part: &Part, now: Timestamp) -> Put {
    let (jobs, at) = (|| part.jobs.iter().copied(), now.as_micros());
    let put = if db.dialect().with_may_write() {
        let query = db.query(MOVE_PART).bind_list(jobs()).bind(part.claimed_at).bind(at).bind(Vec::new());
        Put::Counted(batch.all(query))
    } else {
        batch.execute(db.query(KEEP_PART).bind(part.claimed_at).bind(at).bind(Vec::new()).bind_list(jobs()));
        Put::Changed(batch.execute(db.query(DELETE_PART).bind_list(jobs())))
    };
    if part.is_last {
        drop_empty(batch, db, part.bundle);
    }
    put
}

/// Deletes a bundle, if none of its jobs is in it any more.
pub(super) fn drop_empty(batch: &mut Batch<'_>, db: &Db, bundle: Uuid) {
    batch.execute(db.query(DROP).bind(bundle).bind(bundle));
}

/// Takes the next jobs in a bundle. Nobody else takes from the queue until the commit.
pub(super) fn take(batch: &mut Batch<'_>, db: &Db, exchange: &Exchange<'_>, now: Timestamp) -> Slot<Vec<Claimed>> {
    let bundle = Bundle { id: db.clock().id(), worker: exchange.worker, claimed_at: now.as_micros() };
    if let Some(locks) = db.dialect().queue_locks() {
        batch.execute(db.query(locks.alone).bind(exchange.queue));
    }
    if db.dialect().with_may_write() {
        take_at_once(batch, db, exchange, bundle)
    } else {
        take_in_steps(batch, db, exchange, bundle)
    }
}

fn take_at_once(batch: &mut Batch<'_>, db: &Db, exchange: &Exchange<'_>, bundle: Bundle) -> Slot<Vec<Claimed>> {
    let Bundle { id, worker, claimed_at } = bundle;
    let (queue, want) = (exchange.queue, i64::try_from(exchange.want).unwrap_or(i64::MAX));
    let query = match exchange.from {
        None => db.query(TAKE_AT_ONCE).bind(queue),
        Some(head) => db.query(TAKE_AT_ONCE_FROM).bind(queue).bind(head.priority).bind(head.run_at),
    };
    let query = query.bind(queue).bind(want).bind(id).bind(worker).bind(queue).bind(claimed_at);
    batch.all(query.bind(worker).bind(claimed_at).bind(claimed_at).bind(id))
}

fn take_in_steps(batch: &mut Batch<'_>, db: &Db, exchange: &Exchange<'_>, bundle: Bundle) -> Slot<Vec<Claimed>> {
    let Bundle { id, worker, claimed_at } = bundle;
    let (queue, want) = (exchange.queue, i64::try_from(exchange.want).unwrap_or(i64::MAX));
    let named = |sql| db.query(sql).bind(id).bind(worker).bind(queue).bind(claimed_at).bind(queue);
    let query = match exchange.from {
        None => named(NAME),
        Some(head) => named(NAME_FROM).bind(head.priority).bind(head.run_at),
    };
    batch.execute(query.bind(queue).bind(want));
    batch.execute(db.query(MARK).bind(worker).bind(claimed_at).bind(id));
    batch.all(db.query(READ).bind(id))
}

/// Unfolds those of a worker's own jobs that are in bundles still, in the order of their ids, so that two who lock several
/// do not wait for each other.
pub(super) async fn unfold(tx: &Tx, worker: Uuid, jobs: &[Own]) -> Result<()> {
    let sql = "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = 1, claimed_at = ? WHERE id IN \
               (SELECT id FROM sarsen_jobs WHERE id IN (?) AND state = 0 AND lease = 0 ORDER BY id FOR UPDATE)";
    let mut bundles: BTreeMap<i64, Vec<Uuid>> = BTreeMap::new();
    for job in jobs {
        if let Some(at) = job.bundled_at {
            bundles.entry(at).or_default().push(job.id);
        }
    }
    for (claimed_at, ids) in bundles {
        tx.own(sql).bind(worker).bind(claimed_at).bind_list(ids).execute().await?;
    }
    Ok(())
}

/// Unfolds one job, whoever holds it; true when it was in a bundle. Its row is locked.
pub(super) async fn unfold_one(tx: &Tx, job: Uuid) -> Result<bool> {
    let sql = "SELECT bundle, worker, claimed_at FROM sarsen_job_bundled WHERE job = ? LIMIT 1";
    let Some(bundle) = tx.own(sql).bind(job).optional::<(Uuid, Uuid, i64)>().await? else { return Ok(false) };
    let sql = "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = 1, claimed_at = ? \
               WHERE id = ? AND state = 0 AND lease = 0";
    Ok(tx.own(sql).bind(bundle.1).bind(bundle.2).bind(job).execute().await? == 1)
}

/// Unfolds what is left of a bundle, but for jobs that somebody has locked: then it stays, for the next time.
async fn unfold_bundle(tx: &Tx, bundle: Bundle) -> Result<()> {
    let sql = "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = 1, claimed_at = ? WHERE id IN \
               (SELECT id FROM sarsen_jobs WHERE state = 0 AND lease = 0 AND id IN \
               (SELECT job FROM sarsen_job_bundled WHERE bundle = ?) FOR UPDATE SKIP LOCKED)";
    if tx.own(sql).bind(bundle.worker).bind(bundle.claimed_at).bind(bundle.id).execute().await? > 0 {
        lifecycle::fault("jobs.unfolding");
    }
    tx.own(DROP).bind(bundle.id).bind(bundle.id).execute().await.map(drop)
}

/// Unfolds the bundles of a queue whose jobs are counted, because other processes know of no limit.
pub(super) async fn unfold_queue(tx: &Tx, queue: &str) -> Result<()> {
    let sql = "SELECT id, worker, claimed_at FROM sarsen_job_bundles WHERE queue = ? LIMIT 1000";
    for bundle in tx.own(sql).bind(queue).all::<Bundle>().await? {
        unfold_bundle(tx, bundle).await?;
    }
    Ok(())
}

impl Store {
    /// Unfolds the bundles of a worker that were taken before then, each in a transaction of its own: one that cannot be
    /// unfolded holds up no other, and its error is given in the end.
    pub(crate) async fn unfold_of(&self, worker: Uuid, before: Timestamp) -> Result<()> {
        let sql =
            "SELECT id, worker, claimed_at FROM sarsen_job_bundles WHERE worker = ? AND claimed_at <= ? LIMIT 10000";
        let bundles: Vec<Bundle> = self.db.query(sql).bind(worker).bind(before.as_micros()).all().await?;
        let mut done = Ok(());
        for bundle in bundles {
            let unfolded = On::Db(&self.db).within(async |tx| unfold_bundle(tx, bundle).await).await;
            done = done.and(unfolded);
        }
        done
    }

    /// Deletes those of the bundles that have no jobs any more.
    pub(crate) async fn drop_bundles(&self, bundles: &[Uuid]) -> Result<()> {
        for some in bundles.chunks(MAX_BATCH) {
            let mut batch = self.db.batch();
            some.iter().for_each(|bundle| drop_empty(&mut batch, &self.db, *bundle));
            batch.run().await?;
        }
        Ok(())
    }

    /// Unfolds a job of this process, of which something is about to be written down.
    pub(super) async fn unfold_own(&self, job: &Claimed, worker: Uuid) -> Result<()> {
        if job.bundle.is_none() {
            return Ok(());
        }
        On::Db(&self.db).within(async |tx| unfold(tx, worker, &[job.own()]).await).await
    }

    /// Every job that is in a bundle, with the worker that took it and when. Few: bundles live for moments.
    pub(super) async fn bundled(&self) -> Result<HashMap<Uuid, (Uuid, i64)>> {
        let sql = "SELECT bundled.job, bundled.worker, bundled.claimed_at FROM sarsen_job_bundled AS bundled \
                   JOIN sarsen_jobs AS jobs ON jobs.id = bundled.job WHERE jobs.state = 0 AND jobs.lease = 0 LIMIT 100000";
        let rows: Vec<(Uuid, Uuid, i64)> = self.db.query(sql).all().await?;
        Ok(rows.into_iter().map(|(job, worker, claimed_at)| (job, (worker, claimed_at))).collect())
    }

    /// The worker that took this job in a bundle, and when.
    pub(super) async fn bundle_of(&self, job: Uuid) -> Result<Option<(Uuid, i64)>> {
        let sql = "SELECT bundled.worker, bundled.claimed_at FROM sarsen_job_bundled AS bundled \
                   JOIN sarsen_jobs AS jobs ON jobs.id = bundled.job \
                   WHERE bundled.job = ? AND jobs.state = 0 AND jobs.lease = 0 LIMIT 1";
        self.db.query(sql).bind(job).optional().await
    }
}
