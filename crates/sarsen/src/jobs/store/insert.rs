//! Puts jobs in: plain ones by one statement, those that depend on something in the transaction.

use super::{Store, WHILE_ALIVE};
use crate::clock::Timestamp;
use crate::data::{IntoValue, On, Tx, Value};
use crate::error::{Error, Result};
use crate::jobs::job::Unique;
use crate::jobs::state::{AVAILABLE, ENDED, Enqueued, SCHEDULED, State, WAITING};
use crate::lifecycle;
use uuid::Uuid;

/// What a job waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    /// A job that is to go well.
    Job(Uuid),
    /// A batch whose jobs are to end.
    Batch(Uuid),
}

/// A job that is to be.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) id: Uuid,
    pub(crate) queue: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) version: u32,
    pub(crate) priority: u8,
    pub(crate) run_at: Timestamp,
    pub(crate) key: String,
    pub(crate) max_attempts: u32,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) flags: i64,
    pub(crate) batch: Option<Uuid>,
    pub(crate) after: Option<After>,
    /// What no other may be the same in, and when.
    pub(crate) unique: Option<(String, Unique)>,
    /// Whether the order within its key counts.
    pub(crate) ordered: bool,
    pub(crate) trace: String,
    pub(crate) args: Vec<u8>,
}

const INSERT: &str = "INSERT INTO sarsen_jobs (id, queue, kind, version, state, priority, run_at, seq, job_key, \
     max_attempts, enqueued_at, deadline, flags, batch, after_job, trace, args) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl NewJob {
    fn depends(&self) -> bool {
        self.after.is_some() || self.unique.is_some() || self.ordered
    }

    fn row(self, now: Timestamp, place: Place) -> Result<Vec<Value>> {
        let deadline = self.deadline.map(Timestamp::as_micros);
        Ok(vec![
            self.id.into_value()?,
            Value::Text(self.queue.into()),
            Value::Text(self.kind.into()),
            self.version.into_value()?,
            Value::Int(place.state),
            Value::Int(self.priority.into()),
            Value::Int(self.run_at.as_micros()),
            Value::Int(place.seq),
            Value::Text(self.key.into()),
            self.max_attempts.into_value()?,
            Value::Int(now.as_micros()),
            deadline.into_value()?,
            Value::Int(self.flags),
            self.batch.into_value()?,
            self.after.map(|(After::Job(id) | After::Batch(id))| id).into_value()?,
            Value::Text(self.trace.into()),
            Value::Bytes(self.args),
        ])
    }

    fn due(&self, now: Timestamp) -> i64 {
        if self.run_at > now { SCHEDULED } else { AVAILABLE }
    }
}

/// Where a job begins.
#[derive(Clone, Copy)]
struct Place {
    state: i64,
    seq: i64,
}

impl Store {
    /// Puts the jobs in, and wakes who waits for them. The answers are in the order of the jobs.
    pub(crate) async fn insert(on: On<'_>, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
        let now = on.clock().now();
        if jobs.iter().any(NewJob::depends) {
            return on.within(async |tx| insert_dependent(tx, jobs, now).await).await;
        }
        let all = jobs.iter().map(|job| Enqueued { id: job.id, duplicate: false }).collect();
        let mut channels = Channels::default();
        let mut rows = Vec::with_capacity(jobs.len());
        for job in jobs {
            let state = job.due(now);
            channels.add(job.queue, state);
            rows.push(job.row(now, Place { state, seq: 0 })?);
        }
        if rows.len() == 1 {
            let row = rows.pop().unwrap_or_default();
            row.into_iter().fold(on.own(INSERT), |query, value| query.bind(value)).execute().await?;
        } else {
            on.own(INSERT).execute_many(rows).await?;
        }
        lifecycle::fault("jobs.inserted");
        channels.wake(on);
        Ok(all)
    }

    /// Makes a batch that ends when `total` jobs have ended, and then lets `completion` run.
    pub(crate) async fn insert_batch(tx: &Tx, id: Uuid, total: usize, completion: Uuid) -> Result<()> {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let sql = "INSERT INTO sarsen_job_batches (id, total, pending, completion, created_at) VALUES (?, ?, ?, ?, ?)";
        let query = tx.own(sql).bind(id).bind(total).bind(total).bind(completion);
        query.bind(tx.clock().now().as_micros()).execute().await.map(drop)
    }
}

/// Who has to hear of new jobs.
#[derive(Default)]
struct Channels(Vec<&'static str>);

impl Channels {
    fn add(&mut self, queue: &'static str, state: i64) {
        let channel = match state {
            AVAILABLE => queue,
            SCHEDULED => crate::jobs::DUE,
            _ => return,
        };
        if !self.0.contains(&channel) {
            self.0.push(channel);
        }
    }

    fn wake(self, on: On<'_>) {
        self.0.into_iter().for_each(|channel| on.wake(channel));
    }
}

async fn insert_dependent(tx: &Tx, jobs: Vec<NewJob>, now: Timestamp) -> Result<Vec<Enqueued>> {
    let all = who_is_first(tx, &jobs, now).await?;
    let taken: Vec<NewJob> = jobs.into_iter().zip(&all).filter(|(_, one)| !one.duplicate).map(|(job, _)| job).collect();
    let places = places(tx, &taken, now).await?;
    let mut channels = Channels::default();
    let mut rows = Vec::with_capacity(taken.len());
    for (job, seq) in taken.into_iter().zip(places) {
        let waits = match job.after {
            Some(After::Batch(_)) => true,
            Some(After::Job(before)) => await_job(tx, before).await?,
            None => false,
        };
        let state = if waits { WAITING } else { job.due(now) };
        channels.add(job.queue, state);
        rows.push(job.row(now, Place { state, seq })?);
    }
    tx.own(INSERT).execute_many(rows).await?;
    lifecycle::fault("jobs.inserted");
    channels.wake(On::Tx(tx));
    Ok(all)
}

/// The order in which what many jobs need is locked: that of `key`, so that two who enqueue many do not wait for each
/// other. Jobs of one key stay in their order.
fn in_order_of<'a, K: Ord>(jobs: &'a [NewJob], key: impl Fn(&'a NewJob) -> Option<K>) -> Vec<usize> {
    let mut order: Vec<(K, usize)> = jobs.iter().zip(0..).filter_map(|(job, index)| Some((key(job)?, index))).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

/// Which of the jobs are taken, and for the others, what was there before.
async fn who_is_first(tx: &Tx, jobs: &[NewJob], now: Timestamp) -> Result<Vec<Enqueued>> {
    let mut all: Vec<Enqueued> = jobs.iter().map(|job| Enqueued { id: job.id, duplicate: false }).collect();
    for index in in_order_of(jobs, |job| job.unique.as_ref().map(|(key, _)| key.as_str())) {
        if let Some(first) = first_of(tx, &jobs[index], now).await? {
            all[index] = Enqueued { id: first, duplicate: true };
        }
    }
    Ok(all)
}

/// The place of each job within its key, 0 where the order does not count.
async fn places(tx: &Tx, jobs: &[NewJob], now: Timestamp) -> Result<Vec<i64>> {
    let mut places = vec![0; jobs.len()];
    for index in in_order_of(jobs, |job| job.ordered.then_some((job.queue, job.key.as_str()))) {
        places[index] = next_place(tx, &jobs[index], now).await?;
    }
    Ok(places)
}

/// The job that holds what `job` would be the same in; nothing once it is `job` itself.
async fn first_of(tx: &Tx, job: &NewJob, now: Timestamp) -> Result<Option<Uuid>> {
    let Some((key, unique)) = &job.unique else { return Ok(None) };
    let until = match unique {
        Unique::Within(time) => (now + *time).as_micros(),
        Unique::WhileWaiting | Unique::WhileAlive => WHILE_ALIVE,
    };
    let sql = "INSERT INTO sarsen_job_unique (unique_key, job, until) VALUES (?, ?, ?) ON CONFLICT (unique_key) DO UPDATE \
               SET job = excluded.job, until = excluded.until WHERE sarsen_job_unique.until <= ? RETURNING job";
    let query = tx.own(sql).bind(key.as_str()).bind(job.id).bind(until).bind(now.as_micros());
    if query.optional::<(Uuid,)>().await?.is_some() {
        return Ok(None);
    }
    tx.own("SELECT job FROM sarsen_job_unique WHERE unique_key = ?").bind(key.as_str()).scalar().await.map(Some)
}

/// Whether there is something to wait for: the job lives, and will tell when it went well.
async fn await_job(tx: &Tx, before: Uuid) -> Result<bool> {
    let sql = "UPDATE sarsen_jobs SET flags = flags | 4 WHERE id = ?";
    if tx.own(sql).bind(before).execute().await? == 1 {
        return Ok(true);
    }
    let sql = "SELECT outcome FROM sarsen_job_history WHERE id = ?";
    match tx.own(sql).bind(before).optional::<(i64,)>().await? {
        // A job of which nothing is kept went well.
        None => Ok(false),
        Some((outcome,)) if State::of(outcome + ENDED)? == State::Completed => Ok(false),
        Some((outcome,)) => {
            let state = State::of(outcome + ENDED)?;
            Err(Error::conflict(format!("job {before} is {state}, so nothing can wait for it to go well")))
        }
    }
}

/// The next place within the key. The row stays locked until the commit, so places rise as commits do.
async fn next_place(tx: &Tx, job: &NewJob, now: Timestamp) -> Result<i64> {
    let sql = "INSERT INTO sarsen_job_orders (queue, job_key, last, used_at) VALUES (?, ?, 1, ?) \
               ON CONFLICT (queue, job_key) DO UPDATE SET last = sarsen_job_orders.last + 1, used_at = excluded.used_at \
               RETURNING last";
    tx.own(sql).bind(job.queue).bind(job.key.as_str()).bind(now.as_micros()).scalar().await
}
