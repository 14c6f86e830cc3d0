//! Takes jobs, and puts away those that went well, in one round trip.

use super::bundle::{self, Part, Put};
use super::{Claimed, Store, claimed_columns, into_history};
use crate::clock::Timestamp;
use crate::data::{Answers, Batch, Db, Query, Slot};
use crate::error::Result;
use std::time::Duration;
use uuid::Uuid;

/// What a worker asks of a queue.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) queue: &'static str,
    pub(crate) worker: Uuid,
    /// Jobs that went well, and whose end concerns nobody else.
    pub(crate) completed: &'a [Uuid],
    /// The same, of bundles.
    pub(crate) parts: &'a [Part],
    /// Bundles that may have no jobs any more.
    pub(crate) done: &'a [Uuid],
    /// Most jobs to take.
    pub(crate) want: usize,
    pub(crate) taking: Taking,
    /// The place in the queue before which nothing was found lately.
    pub(crate) from: Option<Head>,
}

/// How jobs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Each by its own row; others may take at the same time.
    Each,
    /// By one row that names them; see [`bundle`].
    Bundle,
}

/// A place in a queue: where a search for the next jobs can begin, past what was taken before and is not yet swept away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) priority: i64,
    pub(crate) run_at: i64,
}

/// What a worker got.
#[derive(Debug, Default)]
pub(crate) struct Exchanged {
    /// In the order in which they are to run.
    pub(crate) claimed: Vec<Claimed>,
    /// How many of those that went well were put away; the others are left to [`Store::complete`].
    pub(crate) put_away: u64,
    /// When there may be more, where a limit is why there is not.
    pub(crate) again_in: Option<Duration>,
}

// The lock makes this and the DELETE see the same: somebody may begin to wait for a job, or take it over, at this moment.
const KEEP: &str = into_history!(
    outcome "0",
    args "?",
    "id IN (?) AND worker = ? AND state = 3 AND (flags & 103) = 0 FOR UPDATE"
);

/// Both in one, where a WITH may write.
const MOVE: &str = "WITH gone AS (DELETE FROM sarsen_jobs WHERE id IN (?) AND worker = ? AND state = 3 AND (flags & 71) = 0 RETURNING *), \
    kept AS (INSERT INTO sarsen_job_history (id, queue, kind, version, outcome, priority, run_at, seq, job_key, attempt, \
    max_attempts, crashes, claimed_at, enqueued_at, finished_at, flags, batch, trace, progress, args) \
    SELECT id, queue, kind, version, 0, priority, run_at, seq, job_key, attempt, max_attempts, crashes, claimed_at, \
    enqueued_at, CAST(? AS BIGINT), flags, batch, trace, progress, ? FROM gone WHERE (flags & 32) = 0) \
    SELECT COUNT(*) FROM gone";

const PUT_AWAY: &str = "DELETE FROM sarsen_jobs WHERE id IN (?) AND worker = ? AND state = 3 AND (flags & 71) = 0";

/// Takes the next jobs of a queue, of those that lie where it says.
macro_rules! take {
    ($place:literal) => {
        concat!(
            "WITH picked AS MATERIALIZED (SELECT id AS picked_id FROM sarsen_jobs WHERE state = 0 AND queue = ? ",
            $place,
            "AND (lease > 0 OR id NOT IN (SELECT job FROM sarsen_job_bundled WHERE queue = ?)) ORDER BY priority, run_at, id LIMIT ? FOR UPDATE SKIP LOCKED) \
             UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = lease + 1, claimed_at = ? \
             FROM picked WHERE id = picked_id RETURNING ",
            claimed_columns!()
        )
    };
}

const TAKE: &str = take!("");
const TAKE_FROM: &str = take!("AND (priority, run_at) >= (CAST(? AS BIGINT), CAST(? AS BIGINT)) ");

impl Store {
    /// Puts away what went well and takes the next jobs of a queue without limits: one transaction, one round trip.
    pub(crate) async fn exchange(&self, exchange: &Exchange<'_>) -> Result<Exchanged> {
        let (db, now) = (&self.db, self.now());
        let mut batch = db.batch();
        let mut put: Vec<Put> = exchange.parts.iter().map(|part| bundle::put_away(&mut batch, db, part, now)).collect();
        if !exchange.completed.is_empty() {
            put.push(put_away(&mut batch, db, exchange, now));
        }
        exchange.done.iter().for_each(|done| bundle::drop_empty(&mut batch, db, *done));
        let taken = (exchange.want > 0).then(|| match exchange.taking {
            Taking::Each => take_each(&mut batch, db, exchange, now),
            Taking::Bundle => bundle::take(&mut batch, db, exchange, now),
        });
        let mut answers = batch.run().await?;
        let mut put_away = 0;
        for put in put {
            put_away += count(&mut answers, put)?;
        }
        let claimed = taken.map_or(Ok(Vec::new()), |slot| answers.take(slot))?;
        Ok(Exchanged { claimed: in_order(claimed), put_away, again_in: None })
    }
}

fn count(answers: &mut Answers, put: Put) -> Result<u64> {
    match put {
        Put::Changed(slot) => answers.take(slot),
        Put::Counted(slot) => Ok(answers.take(slot)?.into_iter().map(|(count,)| count.unsigned_abs()).sum()),
    }
}

fn put_away(batch: &mut Batch<'_>, db: &Db, exchange: &Exchange<'_>, now: Timestamp) -> Put {
    let (jobs, worker, at) = (|| exchange.completed.iter().copied(), exchange.worker, now.as_micros());
    if db.dialect().with_may_write() {
        let query = db.query(MOVE).bind_list(jobs()).bind(worker).bind(at).bind(Vec::new());
        return Put::Counted(batch.all(query));
    }
    batch.execute(db.query(KEEP).bind(at).bind(Vec::new()).bind_list(jobs()).bind(worker));
    Put::Changed(batch.execute(db.query(PUT_AWAY).bind_list(jobs()).bind(worker)))
}

fn take_each(batch: &mut Batch<'_>, db: &Db, exchange: &Exchange<'_>, now: Timestamp) -> Slot<Vec<Claimed>> {
    if let Some(locks) = db.dialect().queue_locks() {
        batch.execute(db.query(locks.together).bind(exchange.queue));
    }
    batch.all(take(db, exchange, now))
}

fn take<'d>(db: &'d Db, exchange: &Exchange<'_>, now: Timestamp) -> Query<'d> {
    let want = i64::try_from(exchange.want).unwrap_or(i64::MAX);
    let query = match exchange.from {
        None => db.query(TAKE).bind(exchange.queue),
        Some(head) => db.query(TAKE_FROM).bind(exchange.queue).bind(head.priority).bind(head.run_at),
    };
    query.bind(exchange.queue).bind(want).bind(exchange.worker).bind(now.as_micros())
}

/// What a database returns of an UPDATE is in no order.
pub(super) fn in_order(mut claimed: Vec<Claimed>) -> Vec<Claimed> {
    claimed.sort_unstable_by_key(|job| (job.priority, job.run_at, job.id));
    claimed
}
