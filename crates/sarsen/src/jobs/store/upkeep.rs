//! What keeps the tables right: beats, the rescue of what dead processes held, promotion of what is due, and sweeping.

use super::bundle;
use super::settle::{self, Failure};
use super::{NO_KEY, Store, WHILE_ALIVE, flag};
use crate::clock::Timestamp;
use crate::data::{On, Tx};
use crate::error::Result;
use crate::jobs::queue::Queue;
use crate::jobs::state::State;
use crate::lifecycle;
use std::time::Duration;
use uuid::Uuid;

/// Most rows that one statement of the upkeep touches.
const BATCH: i64 = 1_000;
/// Most such statements of one sweep for one outcome.
const MAX_BATCHES: usize = 1_000;

/// A process that works, as it writes itself down.
#[derive(Clone, Debug)]
pub(crate) struct WorkerRow {
    pub(crate) id: Uuid,
    /// Which machine, boot and process namespace, so that others there know whether the process lives.
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) queues: String,
}

/// What a beat found.
#[derive(Debug)]
pub(crate) struct Beat {
    /// Whether others still hold this process to be alive.
    pub(crate) known: bool,
    /// Jobs that this process holds, as the table has it.
    pub(crate) held: Vec<Held>,
    /// Queues that stand still.
    pub(crate) paused: Vec<String>,
    /// Every process, for telling which are dead: id, host, pid, beats.
    pub(crate) workers: Vec<(Uuid, String, i64, i64)>,
}

/// A job as the table says that a process holds it.
#[derive(Clone, Debug, crate::FromRow)]
pub(crate) struct Held {
    pub(crate) id: Uuid,
    pub(crate) lease: i64,
    pub(crate) flags: i64,
    pub(crate) claimed_at: i64,
}

/// A job that a process left behind.
#[derive(crate::FromRow)]
struct Left {
    id: Uuid,
    kind: String,
    queue: String,
    attempt: u32,
    max_attempts: u32,
    crashes: u32,
    flags: i64,
}

/// Whether a job would be a suspect, or a dead letter, if the process died of this run. Then it says when it begins: a
/// process holds jobs that it has not begun, and they must not pay for the one that it died of.
pub(crate) fn is_last_chance(crashes: u32, attempt: u32, max_attempts: u32, limit: u32) -> bool {
    crashes > 0 || crashes + 1 >= limit || attempt >= max_attempts
}

/// What a rescue did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rescued {
    /// Given to others.
    pub(crate) again: usize,
    /// Ended: too many processes died while they ran, or somebody wanted them to stop.
    pub(crate) discarded: usize,
}

impl Rescued {
    /// Jobs in all.
    pub(crate) fn total(self) -> usize {
        self.again + self.discarded
    }
}

impl std::ops::AddAssign for Rescued {
    fn add_assign(&mut self, other: Self) {
        self.again += other.again;
        self.discarded += other.discarded;
    }
}

impl Store {
    /// Writes this process down.
    pub(crate) async fn register(&self, worker: &WorkerRow) -> Result<()> {
        let now = self.now().as_micros();
        let sql = "INSERT INTO sarsen_workers (id, host, pid, version, queues, started_at, beat_at) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let query = self.db.query(sql).bind(worker.id).bind(worker.host.as_str()).bind(worker.pid);
        let query = query.bind(worker.version.as_str()).bind(worker.queues.as_str()).bind(now).bind(now);
        query.execute().await.map(drop)
    }

    /// Says that this process lives, and hears what concerns it.
    pub(crate) async fn beat(&self, worker: Uuid, settled: u64, running: usize) -> Result<Beat> {
        let (settled, running) = (i64::try_from(settled).unwrap_or(0), i64::try_from(running).unwrap_or(0));
        let mut batch = self.db.batch();
        let sql = "UPDATE sarsen_workers SET beats = beats + 1, settled = ?, running = ?, beat_at = ? WHERE id = ?";
        let query = self.db.query(sql).bind(settled).bind(running).bind(self.now().as_micros()).bind(worker);
        let known = batch.execute(query);
        let sql = "SELECT id, lease, flags, claimed_at FROM sarsen_jobs WHERE state = 3 AND worker = ? LIMIT 10000";
        let held = batch.all::<Held>(self.db.query(sql).bind(worker));
        let paused =
            batch.all::<(String,)>(self.db.query("SELECT name FROM sarsen_job_queues WHERE paused = 1 LIMIT 10000"));
        let sql = "SELECT id, host, pid, beats FROM sarsen_workers LIMIT 10000";
        let workers = batch.all::<(Uuid, String, i64, i64)>(self.db.query(sql));
        let mut answers = batch.run().await?;
        Ok(Beat {
            known: answers.take(known)? == 1,
            held: answers.take(held)?,
            paused: answers.take(paused)?.into_iter().map(|(name,)| name).collect(),
            workers: answers.take(workers)?,
        })
    }

    /// Strikes a process off; its jobs are given back to be tried again, unless too many died of them.
    ///
    /// `died` is false where the process says itself that it leaves, and has settled everything.
    pub(crate) async fn rescue(&self, worker: Uuid, died: bool) -> Result<Rescued> {
        let mut rescued = Rescued::default();
        // A bundle that cannot be unfolded now has no worker that anybody knows from here on, and is found by that again.
        if let Err(error) = self.unfold_of(worker, Timestamp::MAX).await {
            tracing::warn!(%worker, "a bundle of jobs is left for the next beat: {}", error.report());
        }
        loop {
            let done = On::Db(&self.db).within(async |tx| self.rescue_some(tx, worker, died).await).await?;
            rescued += done;
            if done.total() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                break;
            }
        }
        if died {
            lifecycle::fault("jobs.rescued");
        }
        self.db.query("DELETE FROM sarsen_workers WHERE id = ?").bind(worker).execute().await?;
        Ok(rescued)
    }

    /// Gives back jobs that the table says this process holds, and it does not: the answer to its claim was lost.
    pub(crate) async fn give_back(&self, worker: Uuid, jobs: &[(Uuid, i64)]) -> Result<()> {
        let sql = "UPDATE sarsen_jobs SET state = 0, worker = NULL, attempt = attempt - 1 \
                   WHERE id = ? AND lease = ? AND worker = ? AND state = 3 RETURNING queue";
        for (id, lease) in jobs {
            let given = self.db.query(sql).bind(*id).bind(*lease).bind(worker).optional::<(String,)>().await?;
            if let Some(channel) = given.and_then(|(queue,)| crate::jobs::registry::channel(&queue)) {
                self.db.wake(channel);
            }
        }
        Ok(())
    }

    /// Rescues jobs whose process is not even written down any more. `me` learns of that with its next beat, and leaves its
    /// own to its next name.
    pub(crate) async fn rescue_orphans(&self, me: Uuid) -> Result<Rescued> {
        let sql = "SELECT DISTINCT worker FROM (SELECT worker FROM sarsen_jobs WHERE state = 3 UNION ALL \
                   SELECT worker FROM sarsen_job_bundles) AS held WHERE worker <> ? \
                   AND worker NOT IN (SELECT id FROM sarsen_workers) LIMIT 100";
        let mut rescued = Rescued::default();
        let mut done = Ok(());
        for (worker,) in self.db.query(sql).bind(me).all::<(Uuid,)>().await? {
            match self.rescue(worker, true).await {
                Ok(some) => rescued += some,
                // It holds up none of the others.
                Err(error) => done = Err(error),
            }
        }
        done.map(|()| rescued)
    }

    /// Gives a key and a place to jobs that came into the queue before it went by keys, or by their order.
    pub(crate) async fn adopt(&self, queue: &Queue) -> Result<()> {
        On::Db(&self.db).within(async |tx| bundle::unfold_queue(tx, queue.name).await).await?;
        if queue.by_key() {
            let sql = "UPDATE sarsen_jobs SET job_key = ? WHERE queue = ? AND job_key = '' AND state <> 3";
            self.db.query(sql).bind(NO_KEY).bind(queue.name).execute().await?;
        }
        if queue.ordered {
            let sql = "UPDATE sarsen_jobs SET seq = 1 WHERE queue = ? AND seq = 0 AND state <> 3";
            self.db.query(sql).bind(queue.name).execute().await?;
        }
        Ok(())
    }

    /// Whether a queue stands still.
    pub(crate) async fn is_paused(&self, queue: &str) -> Result<bool> {
        let sql = "SELECT paused FROM sarsen_job_queues WHERE name = ?";
        Ok(self.db.query(sql).bind(queue).optional::<(i64,)>().await?.is_some_and(|(paused,)| paused == 1))
    }

    /// Makes available what is due; gives the queues that got something, and when the next is due.
    pub(crate) async fn promote(&self) -> Result<(Vec<String>, Option<Duration>)> {
        let now = self.now();
        let mut queues: Vec<String> = Vec::new();
        loop {
            let sql = "WITH due AS MATERIALIZED (SELECT id AS due_id FROM sarsen_jobs WHERE state IN (1, 2) AND run_at <= ? \
                       ORDER BY run_at LIMIT ? FOR UPDATE SKIP LOCKED) \
                       UPDATE sarsen_jobs SET state = 0 FROM due WHERE id = due_id RETURNING queue";
            let promoted: Vec<(String,)> = self.db.query(sql).bind(now.as_micros()).bind(BATCH).all().await?;
            let some = promoted.len();
            if some > 0 {
                lifecycle::fault("jobs.promoted");
            }
            for (queue,) in promoted {
                if !queues.contains(&queue) {
                    queues.push(queue);
                }
            }
            if i64::try_from(some).is_ok_and(|some| some < BATCH) {
                break;
            }
        }
        let sql = "SELECT MIN(run_at) FROM sarsen_jobs WHERE state IN (1, 2)";
        let next: Option<i64> = self.db.query(sql).scalar().await?;
        Ok((queues, next.map(|at| Timestamp::from_micros(at).since(now))))
    }

    /// Deletes what is kept no longer; gives how many rows went.
    pub(crate) async fn sweep(&self, completed_before: Timestamp, discarded_before: Timestamp) -> Result<u64> {
        let discarded = discarded_before.as_micros();
        let mut swept = 0;
        for (state, before) in [
            (State::Completed, completed_before),
            (State::Cancelled, discarded_before),
            (State::Discarded, discarded_before),
        ] {
            for _ in 0..MAX_BATCHES {
                let done = self.sweep_ended(state, before).await?;
                swept += done;
                if i64::try_from(done).is_ok_and(|done| done < BATCH) {
                    break;
                }
            }
        }
        let errors = "DELETE FROM sarsen_job_errors WHERE at < ? \
                      AND NOT EXISTS (SELECT 1 FROM sarsen_jobs WHERE id = job) \
                      AND NOT EXISTS (SELECT 1 FROM sarsen_job_history WHERE id = job)";
        swept += self.db.query(errors).bind(discarded.min(completed_before.as_micros())).execute().await?;
        let unique = "DELETE FROM sarsen_job_unique WHERE until < ? AND until < ?";
        swept += self.db.query(unique).bind(self.now().as_micros()).bind(WHILE_ALIVE).execute().await?;
        let rates = "DELETE FROM sarsen_job_rates WHERE filled_at < ?";
        swept += self.db.query(rates).bind(discarded).execute().await?;
        let batches = "DELETE FROM sarsen_job_batches WHERE pending <= 0 AND created_at < ?";
        swept += self.db.query(batches).bind(discarded).execute().await?;
        let orders = "DELETE FROM sarsen_job_orders WHERE used_at < ? AND NOT EXISTS (SELECT 1 FROM sarsen_jobs \
                      WHERE sarsen_jobs.queue = sarsen_job_orders.queue AND sarsen_jobs.job_key = sarsen_job_orders.job_key)";
        Ok(swept + self.db.query(orders).bind(discarded).execute().await?)
    }
}

impl Store {
    /// Deletes some jobs that ended so before then. What still waits for one of them waits for nothing, and is cancelled.
    async fn sweep_ended(&self, state: State, before: Timestamp) -> Result<u64> {
        let sql = "SELECT id, flags FROM sarsen_job_history WHERE outcome = ? AND finished_at < ? \
                   ORDER BY finished_at LIMIT ? FOR UPDATE SKIP LOCKED";
        let outcome = state.number() - crate::jobs::state::ENDED;
        On::Db(&self.db)
            .within(async |tx| {
                let query = tx.own(sql).bind(outcome).bind(before.as_micros()).bind(BATCH);
                let old: Vec<(Uuid, i64)> = query.all().await?;
                let awaited = old.iter().filter(|(_, flags)| flags & flag::AWAITED != 0).map(|(id, _)| *id);
                if state != State::Completed {
                    settle::cancel_waiting(tx, &awaited.collect::<Vec<_>>()).await?;
                }
                let sql = "DELETE FROM sarsen_job_history WHERE id IN (?)";
                tx.own(sql).bind_list(old.into_iter().map(|(id, _)| id)).execute().await
            })
            .await
    }

    async fn rescue_some(&self, tx: &Tx, worker: Uuid, died: bool) -> Result<Rescued> {
        let sql = "SELECT id, kind, queue, attempt, max_attempts, crashes, flags FROM sarsen_jobs \
                   WHERE state = 3 AND worker = ? ORDER BY id LIMIT ? FOR UPDATE";
        let left: Vec<Left> = tx.own(sql).bind(worker).bind(BATCH).all().await?;
        let mut rescued = Rescued::default();
        for job in left {
            if self.rescue_one(tx, worker, &job, died).await? {
                rescued.again += 1;
            } else {
                rescued.discarded += 1;
            }
        }
        if rescued.total() > 0 {
            lifecycle::fault("jobs.rescuing");
        }
        Ok(rescued)
    }

    /// Gives one job to others, or ends it; true when it lives.
    async fn rescue_one(&self, tx: &Tx, worker: Uuid, job: &Left, died: bool) -> Result<bool> {
        let limit = self.registry.crashes(&job.kind);
        // Whether the process may have died of it: one whose last chance this was says when it begins.
        let blamed = died
            && (job.flags & flag::BEGUN != 0 || !is_last_chance(job.crashes, job.attempt, job.max_attempts, limit));
        let crashes = job.crashes + u32::from(blamed);
        if blamed && (crashes >= limit || job.attempt >= job.max_attempts) {
            let message = format!("the process died while it ran, {crashes} times (worker {worker})");
            settle::note(tx, job.id, job.attempt, &Failure { kind: "crashed", message }).await?;
            tx.own("UPDATE sarsen_jobs SET crashes = ? WHERE id = ?").bind(crashes).bind(job.id).execute().await?;
            settle::end(tx, &[job.id], State::Discarded).await?;
            return Ok(false);
        }
        if job.flags & flag::CANCELLED != 0 {
            settle::end(tx, &[job.id], State::Cancelled).await?;
            return Ok(false);
        }
        let sql = "UPDATE sarsen_jobs SET state = 0, worker = NULL, crashes = ?, attempt = ?, flags = flags & ~128 WHERE id = ?";
        let attempt = if died && !blamed { job.attempt.saturating_sub(1) } else { job.attempt };
        tx.own(sql).bind(crashes).bind(attempt).bind(job.id).execute().await?;
        settle::wake(tx, &job.queue);
        Ok(true)
    }
}
