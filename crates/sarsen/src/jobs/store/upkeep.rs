//! What keeps the tables right: beats, the rescue of what dead processes held, promotion of what is due, and sweeping.

use super::settle::{self, Failure};
use super::{Store, WHILE_ALIVE};
use crate::clock::Timestamp;
use crate::data::{On, Tx};
use crate::error::Result;
use crate::jobs::state::State;
use std::time::Duration;
use uuid::Uuid;

/// Most rows that one statement of the upkeep touches.
const BATCH: i64 = 1_000;

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

/// What a rescue did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rescued {
    /// Given to others.
    pub(crate) again: usize,
    /// Dead letters: too many processes died while they ran.
    pub(crate) discarded: usize,
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
        loop {
            let done = On::Db(&self.db).within(async |tx| self.rescue_some(tx, worker, died).await).await?;
            rescued.again += done.again;
            rescued.discarded += done.discarded;
            if done.again + done.discarded < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                break;
            }
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

    /// Rescues jobs whose process is not even written down any more.
    pub(crate) async fn rescue_orphans(&self) -> Result<Rescued> {
        let sql = "SELECT DISTINCT worker FROM sarsen_jobs WHERE state = 3 AND worker NOT IN (SELECT id FROM sarsen_workers) LIMIT 100";
        let mut rescued = Rescued::default();
        for (worker,) in self.db.query(sql).all::<(Uuid,)>().await? {
            let done = self.rescue(worker, true).await?;
            rescued.again += done.again;
            rescued.discarded += done.discarded;
        }
        Ok(rescued)
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

    /// Deletes what is kept no longer, a batch of each at a time; gives how many rows went.
    pub(crate) async fn sweep(&self, completed_before: Timestamp, discarded_before: Timestamp) -> Result<u64> {
        let (completed, discarded) = (completed_before.as_micros(), discarded_before.as_micros());
        let ended = "DELETE FROM sarsen_job_history WHERE id IN (SELECT id FROM sarsen_job_history \
                     WHERE outcome = ? AND finished_at < ? ORDER BY finished_at LIMIT ?)";
        let mut swept = 0;
        for (outcome, before) in
            [(State::Completed, completed), (State::Cancelled, discarded), (State::Discarded, discarded)]
        {
            let outcome = outcome.number() - crate::jobs::state::ENDED;
            swept += self.db.query(ended).bind(outcome).bind(before).bind(BATCH).execute().await?;
        }
        let errors = "DELETE FROM sarsen_job_errors WHERE at < ? AND job NOT IN (SELECT id FROM sarsen_jobs) \
                      AND job NOT IN (SELECT id FROM sarsen_job_history WHERE outcome = 2)";
        swept += self.db.query(errors).bind(discarded.min(completed)).execute().await?;
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
    async fn rescue_some(&self, tx: &Tx, worker: Uuid, died: bool) -> Result<Rescued> {
        let sql = "SELECT id, kind, queue, attempt, max_attempts, crashes FROM sarsen_jobs WHERE state = 3 AND worker = ? \
                   ORDER BY id LIMIT ? FOR UPDATE";
        type Row = (Uuid, String, String, u32, u32, i64);
        let held: Vec<Row> = tx.own(sql).bind(worker).bind(BATCH).all().await?;
        let mut rescued = Rescued::default();
        for (id, kind, queue, attempt, max_attempts, crashes) in held {
            let crashes = crashes + i64::from(died);
            let limit = self.registry.crashes(&kind);
            if died && (crashes >= i64::from(limit) || attempt >= max_attempts) {
                let message = format!("the process died while it ran, {crashes} times (worker {worker})");
                settle::note(tx, id, attempt, &Failure { kind: "crashed", message }).await?;
                tx.own("UPDATE sarsen_jobs SET crashes = ? WHERE id = ?").bind(crashes).bind(id).execute().await?;
                settle::end(tx, &[id], State::Discarded).await?;
                rescued.discarded += 1;
                continue;
            }
            let sql = "UPDATE sarsen_jobs SET state = 0, worker = NULL, crashes = ? WHERE id = ?";
            tx.own(sql).bind(crashes).bind(id).execute().await?;
            settle::wake(tx, &queue);
            rescued.again += 1;
        }
        Ok(rescued)
    }
}
