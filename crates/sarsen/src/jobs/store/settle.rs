//! The one place that decides what becomes of a job that ran.

use super::bundle::{self, Own};
use super::{Claimed, Store, WHILE_ALIVE, flag, into_history};
use crate::clock::Timestamp;
use crate::data::{On, Tx};
use crate::error::{Error, Result};
use crate::jobs::state::State;
use crate::lifecycle;
use crate::telemetry::redact;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// What becomes of a job that did not go well.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It is tried again then.
    Retry(Timestamp, Failure),
    /// It is a dead letter.
    Discard(Failure),
    /// Somebody wanted it to stop.
    Cancel,
    /// It has not begun, or may begin again: the attempt does not count.
    GiveBack,
}

/// What went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

/// Most bytes that are kept of an error.
const MAX_MESSAGE: usize = 4_000;

impl Failure {
    pub(crate) fn new(error: &Error) -> Self {
        // It is shown to operators.
        let mut message = redact::error(&error.report()).into_owned();
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        Self { kind: error.kind().as_str(), message: message.replace('\0', " ") }
    }
}

/// A job that left the live ones, with what its end concerns.
#[derive(crate::FromRow)]
struct Gone {
    id: Uuid,
    queue: String,
    flags: i64,
    batch: Option<Uuid>,
}

const MOVE: &str = into_history!(outcome "CAST(? AS BIGINT)", args "args", "id IN (?)");
// Arguments are only kept of what may be tried again.
const MOVE_COMPLETED: &str = into_history!(outcome "0", args "?", "id IN (?) AND (flags & 32) = 0");

impl Store {
    /// Ends jobs of `worker` that went well; gives those that were still its own.
    ///
    /// Whatever their end concerns (a batch, jobs that wait, other jobs of the same arguments) happens in the same transaction.
    pub(crate) async fn complete(on: On<'_>, worker: Uuid, jobs: &[Own]) -> Result<Vec<Uuid>> {
        on.within(async |tx| {
            let ids: Vec<Uuid> = held(tx, worker, jobs).await?.into_iter().map(|(id, _)| id).collect();
            end(tx, &ids, State::Completed).await?;
            if !ids.is_empty() {
                lifecycle::fault("jobs.completing");
            }
            Ok(ids)
        })
        .await
    }

    /// Settles jobs of `worker` that did not go well; gives how many were still its own.
    pub(crate) async fn settle(&self, worker: Uuid, endings: &[(&Claimed, &Ending)]) -> Result<usize> {
        On::Db(&self.db)
            .within(async |tx| {
                let jobs: Vec<Own> = endings.iter().map(|(job, _)| job.own()).collect();
                let held = held(tx, worker, &jobs).await?;
                for (job, ending) in endings {
                    if let Some((_, flags)) = held.iter().find(|(id, _)| *id == job.id) {
                        settle_one(tx, job, ending, flags & flag::CANCELLED != 0).await?;
                    }
                }
                Ok(held.len())
            })
            .await
    }
}

/// Those of the jobs that the worker still holds, with their flags, locked until the commit.
async fn held(tx: &Tx, worker: Uuid, jobs: &[Own]) -> Result<Vec<(Uuid, i64)>> {
    bundle::unfold(tx, worker, jobs).await?;
    let sql =
        "SELECT id, lease, flags FROM sarsen_jobs WHERE id IN (?) AND worker = ? AND state = 3 ORDER BY id FOR UPDATE";
    let rows: Vec<(Uuid, i64, i64)> = tx.own(sql).bind_list(jobs.iter().map(|job| job.id)).bind(worker).all().await?;
    let leases: HashMap<Uuid, i64> = jobs.iter().map(|job| (job.id, job.lease)).collect();
    let held = rows.into_iter().filter(|(id, lease, _)| leases.get(id) == Some(lease));
    Ok(held.map(|(id, _, flags)| (id, flags)).collect())
}

async fn settle_one(tx: &Tx, job: &Claimed, ending: &Ending, cancelled: bool) -> Result<()> {
    match ending {
        // Nobody wants it to be tried again.
        Ending::Retry(_, failure) if cancelled => {
            note(tx, job.id, job.attempt, failure).await?;
            end(tx, &[job.id], State::Cancelled).await
        }
        Ending::GiveBack if cancelled => end(tx, &[job.id], State::Cancelled).await,
        Ending::Retry(at, failure) => {
            note(tx, job.id, job.attempt, failure).await?;
            let sql = "UPDATE sarsen_jobs SET state = 2, run_at = ?, worker = NULL, flags = flags & ~128 WHERE id = ?";
            tx.own(sql).bind(at.as_micros()).bind(job.id).execute().await?;
            tx.wake(crate::jobs::DUE);
            Ok(())
        }
        Ending::Discard(failure) => {
            note(tx, job.id, job.attempt, failure).await?;
            end(tx, &[job.id], State::Discarded).await
        }
        Ending::Cancel => end(tx, &[job.id], State::Cancelled).await,
        Ending::GiveBack => {
            let sql = "UPDATE sarsen_jobs SET state = 0, worker = NULL, attempt = attempt - 1, flags = flags & ~128 \
                       WHERE id = ? RETURNING queue";
            let (queue,): (String,) = tx.own(sql).bind(job.id).one().await?;
            wake(tx, &queue);
            Ok(())
        }
    }
}

/// Keeps what went wrong.
pub(super) async fn note(tx: &Tx, job: Uuid, attempt: u32, failure: &Failure) -> Result<()> {
    let sql = "INSERT INTO sarsen_job_errors (job, attempt, at, kind, message) VALUES (?, ?, ?, ?, ?) \
               ON CONFLICT (job, attempt) DO UPDATE SET at = excluded.at, kind = excluded.kind, message = excluded.message";
    let query = tx.own(sql).bind(job).bind(attempt).bind(tx.clock().now().as_micros());
    query.bind(failure.kind).bind(failure.message.as_str()).execute().await.map(drop)
}

/// Moves live jobs to the history, and tells everything that their end concerns. The rows are locked, or nobody's.
pub(crate) async fn end(tx: &Tx, ids: &[Uuid], state: State) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    keep(tx, ids, state).await?;
    let sql = "DELETE FROM sarsen_jobs WHERE id IN (?) RETURNING id, queue, flags, batch";
    let gone: Vec<Gone> = tx.own(sql).bind_list(ids.iter().copied()).all().await?;
    free_unique(tx, &gone).await?;
    if state == State::Completed {
        release(tx, &marked(&gone, flag::AWAITED)).await?;
    } else if state == State::Cancelled {
        cancel_waiting(tx, &marked(&gone, flag::AWAITED)).await?;
    }
    count_down(tx, &gone, state).await
}

async fn keep(tx: &Tx, ids: &[Uuid], state: State) -> Result<()> {
    let now = tx.clock().now().as_micros();
    let query = if state == State::Completed {
        tx.own(MOVE_COMPLETED).bind(now).bind(Vec::new())
    } else {
        tx.own(MOVE).bind(state.number() - crate::jobs::state::ENDED).bind(now)
    };
    query.bind_list(ids.iter().copied()).execute().await.map(drop)
}

fn marked(gone: &[Gone], flag: i64) -> Vec<Uuid> {
    gone.iter().filter(|job| job.flags & flag != 0).map(|job| job.id).collect()
}

impl Store {
    /// Lets others of the same arguments wait, now that these run.
    pub(crate) async fn free_unique(&self, jobs: &[Uuid]) -> Result<()> {
        On::Db(&self.db).within(async |tx| free(tx, jobs).await).await
    }
}

/// Lets others of the same arguments in again.
async fn free(tx: &Tx, jobs: &[Uuid]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM sarsen_job_unique WHERE job IN (?) AND until = ?";
    tx.own(sql).bind_list(jobs.iter().copied()).bind(WHILE_ALIVE).execute().await.map(drop)
}

async fn free_unique(tx: &Tx, gone: &[Gone]) -> Result<()> {
    free(tx, &marked(gone, flag::UNIQUE | flag::UNIQUE_WAITING)).await
}

/// Lets run what waited for these jobs or batches.
async fn release(tx: &Tx, before: &[Uuid]) -> Result<()> {
    if before.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE sarsen_jobs SET state = CASE WHEN run_at > ? THEN 1 ELSE 0 END, after_job = NULL \
               WHERE state = 4 AND after_job IN (?) RETURNING queue";
    let now = tx.clock().now().as_micros();
    let released: Vec<(String,)> = tx.own(sql).bind(now).bind_list(before.iter().copied()).all().await?;
    if !released.is_empty() {
        lifecycle::fault("jobs.released");
    }
    released.iter().for_each(|(queue,)| wake(tx, queue));
    Ok(())
}

/// What waits for a cancelled job is cancelled too, and what waits for that.
pub(super) async fn cancel_waiting(tx: &Tx, before: &[Uuid]) -> Result<()> {
    if before.is_empty() {
        return Ok(());
    }
    let sql = "SELECT id FROM sarsen_jobs WHERE state = 4 AND after_job IN (?) FOR UPDATE";
    let waiting: Vec<(Uuid,)> = tx.own(sql).bind_list(before.iter().copied()).all().await?;
    let waiting: Vec<Uuid> = waiting.into_iter().map(|(id,)| id).collect();
    Box::pin(end(tx, &waiting, State::Cancelled)).await
}

/// Counts the jobs of batches; the last one lets the completion run. Always in the order of the batches, so that two
/// transactions do not wait for each other.
async fn count_down(tx: &Tx, gone: &[Gone], state: State) -> Result<()> {
    let mut batches: BTreeMap<Uuid, i64> = BTreeMap::new();
    for batch in gone.iter().filter(|job| job.flags & flag::IN_BATCH != 0).filter_map(|job| job.batch) {
        *batches.entry(batch).or_default() += 1;
    }
    for (batch, ended) in batches {
        let failed = if state == State::Completed { 0 } else { ended };
        let sql =
            "UPDATE sarsen_job_batches SET pending = pending - ?, failed = failed + ? WHERE id = ? RETURNING pending";
        let pending: Option<(i64,)> = tx.own(sql).bind(ended).bind(failed).bind(batch).optional().await?;
        if pending.is_some_and(|(pending,)| pending <= 0) {
            release(tx, &[batch]).await?;
        }
    }
    // A place under a limit is free, and the next of a key may run.
    gone.iter().for_each(|job| wake(tx, &job.queue));
    Ok(())
}

/// Wakes the workers of a queue whose name came from the database.
pub(super) fn wake(tx: &Tx, queue: &str) {
    if let Some(channel) = crate::jobs::registry::channel(queue) {
        tx.wake(channel);
    }
}
