//! How deep the queues are, counted no further than one look reads.

use super::Store;
use super::look::LOOK;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::jobs::admin::{Depth, QueueState};
use crate::jobs::state::State;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// What is counted for all queues at once: few of them, or nothing knows them by queue. The state of each is its number.
const GROUPED: [&str; 4] = [
    "SELECT queue, state, COUNT(*) FROM (SELECT queue, state FROM (SELECT queue, state FROM sarsen_jobs \
     WHERE state = 3 AND queue > '' UNION ALL SELECT jobs.queue, CAST(3 AS BIGINT) FROM sarsen_job_bundled AS bundled \
     JOIN sarsen_jobs AS jobs ON jobs.id = bundled.job WHERE jobs.state = 0 AND jobs.lease = 0) AS held LIMIT ?) AS part \
     GROUP BY queue, state",
    "SELECT queue, state, COUNT(*) FROM (SELECT queue, state FROM sarsen_jobs WHERE state IN (1, 2) ORDER BY run_at LIMIT ?) \
     AS part GROUP BY queue, state",
    "SELECT queue, state, COUNT(*) FROM (SELECT queue, state FROM sarsen_jobs WHERE state = 4 AND after_job IS NOT NULL \
     LIMIT ?) AS part GROUP BY queue, state",
    "SELECT queue, state, COUNT(*) FROM (SELECT queue, outcome + 5 AS state FROM sarsen_job_history WHERE outcome = 2 \
     ORDER BY finished_at DESC LIMIT ?) AS part GROUP BY queue, state",
];

/// One more than is counted, so that it is known whether there are more.
const BEYOND: i64 = LOOK + 1;

fn depth(count: i64, all: i64) -> Depth {
    Depth { count: count.clamp(0, LOOK).unsigned_abs(), more: all > LOOK }
}

impl Store {
    /// Every queue that the build or the database knows, by name, and what is in it; workers are left out.
    pub(crate) async fn depths(&self) -> Result<Vec<QueueState>> {
        let paused = self.paused().await?;
        let ready = self.ready_queues().await?;
        let names = self.registry.queues().map(|queue| queue.name.to_owned()).chain(ready.iter().cloned());
        let mut queues: BTreeMap<String, QueueState> = names
            .chain(paused.iter().map(|(name, _)| name.clone()))
            .map(|name| (name.clone(), QueueState::of(name)))
            .collect();
        for sql in GROUPED {
            let counts: Vec<(String, i64, i64)> = self.db.query(sql).bind(BEYOND).all().await?;
            let all = counts.iter().map(|(.., count)| count).sum();
            for (queue, state, count) in counts {
                let queue = queues.entry(queue.clone()).or_insert_with(|| QueueState::of(queue));
                *queue.depth(State::of(state)?) = depth(count, all);
            }
        }
        for queue in ready {
            let (available, due_since) = (self.available(&queue).await?, self.due_since(&queue).await?);
            if let Some(queue) = queues.get_mut(&queue) {
                (queue.available, queue.due_since) = (depth(available, available), due_since);
            }
        }
        for (name, stands) in paused {
            queues.entry(name).and_modify(|queue| queue.paused = stands);
        }
        Ok(queues.into_values().collect())
    }

    /// The names of all queues that the build or the database knows.
    pub(crate) async fn known_queues(&self) -> Result<BTreeSet<String>> {
        let own = self.registry.queues().map(|queue| queue.name.to_owned());
        let (written, ready) = (self.paused().await?, self.ready_queues().await?);
        Ok(own.chain(written.into_iter().map(|(name, _)| name)).chain(ready).collect())
    }

    /// The queues that were ever paused or limited, and whether each stands still.
    pub(crate) async fn paused(&self) -> Result<Vec<(String, bool)>> {
        let sql = "SELECT name, paused FROM sarsen_job_queues ORDER BY name LIMIT 10000";
        let rows: Vec<(String, i64)> = self.db.query(sql).all().await?;
        Ok(rows.into_iter().map(|(name, paused)| (name, paused == 1)).collect())
    }

    async fn available(&self, queue: &str) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM (SELECT id FROM sarsen_jobs WHERE state = 0 AND queue = ? \
                   AND (lease > 0 OR id NOT IN (SELECT job FROM sarsen_job_bundled)) LIMIT ?) AS part";
        self.db.query(sql).bind(queue).bind(BEYOND).scalar().await
    }

    /// Since when the oldest job that waits for a worker is due: one step in the index for each priority.
    pub(crate) async fn due_since(&self, queue: &str) -> Result<Option<Timestamp>> {
        let sql = "SELECT MIN((SELECT MIN(run_at) FROM sarsen_jobs WHERE state = 0 AND queue = ? AND priority = p)) FROM ( \
                   SELECT 1 AS p UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL \
                   SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) AS priorities";
        let at: Option<i64> = self.db.query(sql).bind(queue).scalar().await?;
        Ok(at.map(Timestamp::from_micros))
    }
}

impl Store {
    /// The first job that is due later, or should have been made available already: its queue and its time.
    pub(crate) async fn first_due(&self) -> Result<Option<(String, Timestamp)>> {
        let sql = "SELECT queue, run_at FROM sarsen_jobs WHERE state IN (1, 2) ORDER BY run_at LIMIT 1";
        let first: Option<(String, i64)> = self.db.query(sql).optional().await?;
        Ok(first.map(|(queue, at)| (queue, Timestamp::from_micros(at))))
    }

    /// The kinds of the jobs of a queue that are at work, and since when; at most 1,000.
    pub(crate) async fn running_since(&self, queue: &str) -> Result<Vec<(String, Timestamp)>> {
        let sql = "SELECT kind, claimed_at FROM sarsen_jobs WHERE state = 3 AND queue = ? LIMIT 1000";
        let rows: Vec<(String, i64)> = self.db.query(sql).bind(queue).all().await?;
        Ok(rows.into_iter().map(|(kind, at)| (kind, Timestamp::from_micros(at))).collect())
    }

    /// Whether a job of a queue ended since then, or failed and is tried again.
    pub(crate) async fn has_ended(&self, queue: &str, since: Timestamp) -> Result<bool> {
        let since = since.as_micros();
        let ended = "SELECT id FROM sarsen_job_history WHERE outcome = ? AND finished_at > ? AND queue = ? LIMIT 1";
        for outcome in 0..=2_i64 {
            let one = self.db.query(ended).bind(outcome).bind(since).bind(queue).optional::<(Uuid,)>().await?;
            if one.is_some() {
                return Ok(true);
            }
        }
        let failed = "SELECT j.id FROM sarsen_job_errors e JOIN sarsen_jobs j ON j.id = e.job WHERE e.at > ? AND j.queue = ? LIMIT 1";
        Ok(self.db.query(failed).bind(since).bind(queue).optional::<(Uuid,)>().await?.is_some())
    }

    /// How many jobs ended since then, by queue; at most 100,000 are counted.
    pub(crate) async fn ended_since(&self, since: Timestamp) -> Result<HashMap<String, u64>> {
        let sql = "SELECT queue, COUNT(*) FROM (SELECT queue FROM sarsen_job_history WHERE outcome IN (0, 1, 2) AND \
                   finished_at > ? LIMIT ?) AS part GROUP BY queue";
        let rows: Vec<(String, i64)> = self.db.query(sql).bind(since.as_micros()).bind(LOOK).all().await?;
        Ok(rows.into_iter().map(|(queue, count)| (queue, count.unsigned_abs())).collect())
    }

    /// Dead letters by kind, most first: of the last 100,000.
    pub(crate) async fn dead_kinds(&self) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT kind, COUNT(*) AS dead FROM (SELECT kind FROM sarsen_job_history WHERE outcome = 2 \
                   ORDER BY finished_at DESC LIMIT ?) AS part GROUP BY kind ORDER BY dead DESC, kind LIMIT 100";
        self.db.query(sql).bind(LOOK).all().await
    }
}

impl QueueState {
    fn of(name: String) -> Self {
        let none = Depth::default();
        Self {
            name,
            paused: false,
            available: none,
            scheduled: none,
            retryable: none,
            running: none,
            waiting: none,
            discarded: none,
            due_since: None,
            workers: 0,
        }
    }

    fn depth(&mut self, state: State) -> &mut Depth {
        match state {
            State::Scheduled => &mut self.scheduled,
            State::Retryable => &mut self.retryable,
            State::Running => &mut self.running,
            State::Waiting => &mut self.waiting,
            State::Discarded => &mut self.discarded,
            State::Available | State::Completed | State::Cancelled => &mut self.available,
        }
    }
}
