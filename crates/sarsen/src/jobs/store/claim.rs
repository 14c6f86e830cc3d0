//! Takes jobs, and puts away those that went well, in one round trip.

use super::{Claimed, Store, claimed_columns, into_history};
use crate::clock::Timestamp;
use crate::data::{Db, Query};
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
    /// Most jobs to take.
    pub(crate) want: usize,
    /// The place in the queue before which nothing was found lately.
    pub(crate) from: Option<Head>,
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

const PUT_AWAY: &str = "DELETE FROM sarsen_jobs WHERE id IN (?) AND worker = ? AND state = 3 AND (flags & 71) = 0";

/// Takes the next jobs of a queue, of those that lie where it says.
macro_rules! take {
    ($place:literal) => {
        concat!(
            "WITH picked AS MATERIALIZED (SELECT id AS picked_id FROM sarsen_jobs WHERE state = 0 AND queue = ? ",
            $place,
            "ORDER BY priority, run_at, id LIMIT ? FOR UPDATE SKIP LOCKED) \
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
        let now = self.now();
        let mut batch = self.db.batch();
        let put_away = (!exchange.completed.is_empty()).then(|| {
            batch.execute(keep(&self.db, exchange, now));
            batch.execute(put_away(&self.db, exchange))
        });
        let taken = (exchange.want > 0).then(|| batch.all::<Claimed>(take(&self.db, exchange, now)));
        let mut answers = batch.run().await?;
        let put_away = put_away.map_or(Ok(0), |slot| answers.take(slot))?;
        let claimed = taken.map_or(Ok(Vec::new()), |slot| answers.take(slot))?;
        Ok(Exchanged { claimed: in_order(claimed), put_away, again_in: None })
    }
}

fn keep<'d>(db: &'d Db, exchange: &Exchange<'_>, now: Timestamp) -> Query<'d> {
    let query = db.query(KEEP).bind(now.as_micros()).bind(Vec::new());
    query.bind_list(exchange.completed.iter().copied()).bind(exchange.worker)
}

fn put_away<'d>(db: &'d Db, exchange: &Exchange<'_>) -> Query<'d> {
    db.query(PUT_AWAY).bind_list(exchange.completed.iter().copied()).bind(exchange.worker)
}

fn take<'d>(db: &'d Db, exchange: &Exchange<'_>, now: Timestamp) -> Query<'d> {
    let want = i64::try_from(exchange.want).unwrap_or(i64::MAX);
    let query = match exchange.from {
        None => db.query(TAKE).bind(exchange.queue),
        Some(head) => db.query(TAKE_FROM).bind(exchange.queue).bind(head.priority).bind(head.run_at),
    };
    query.bind(want).bind(exchange.worker).bind(now.as_micros())
}

/// What a database returns of an UPDATE is in no order.
pub(super) fn in_order(mut claimed: Vec<Claimed>) -> Vec<Claimed> {
    claimed.sort_unstable_by_key(|job| (job.priority, job.run_at, job.id));
    claimed
}
