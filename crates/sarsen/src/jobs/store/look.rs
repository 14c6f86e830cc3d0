//! Looks at jobs for people: lists, one job, queues and workers.
//!
//! However many jobs there are, each look goes by an index and reads at most [`LOOK`] entries of it: jobs that wait for a
//! worker by `sarsen_jobs_ready` (by `sarsen_jobs_ready_key` where a key is given), those at work by
//! `sarsen_jobs_running`, those due later by `sarsen_jobs_due`, those that wait for others by `sarsen_jobs_waiting`, those
//! that ended by `sarsen_job_history_ended`, and all together by their ids, which rise with the time.

use super::{Store, flag};
use crate::clock::Timestamp;
use crate::data::{IntoValue, Value};
use crate::error::Result;
use crate::jobs::admin::{BatchState, Failed, Filter, JobDetail, Listed, WorkerState};
use crate::jobs::state::{AVAILABLE, ENDED, JobState, State};
use std::time::Duration;
use uuid::Uuid;

/// Most entries of an index that one look reads.
pub(crate) const LOOK: i64 = 100_000;

/// A job as a list shows it.
#[derive(Debug, crate::FromRow)]
struct Row {
    id: Uuid,
    queue: String,
    kind: String,
    state: i64,
    priority: u32,
    run_at: i64,
    job_key: String,
    attempt: u32,
    max_attempts: u32,
    claimed_at: Option<i64>,
    enqueued_at: i64,
    finished_at: Option<i64>,
    progress: Option<String>,
    error: Option<String>,
}

impl Row {
    /// What a bundle says of a job that its own row calls available.
    fn taken(&mut self, by: Option<&(Uuid, i64)>) {
        if let Some((_, claimed_at)) = by.filter(|_| self.state == AVAILABLE) {
            (self.state, self.attempt, self.claimed_at) =
                (State::Running.number(), self.attempt + 1, Some(*claimed_at));
        }
    }

    fn state(self) -> Result<JobState> {
        Ok(JobState {
            id: self.id,
            kind: self.kind,
            queue: self.queue,
            // Jobs without a key have one all the same where their queue goes by key.
            key: if self.job_key == super::NO_KEY { String::new() } else { self.job_key },
            state: State::of(self.state)?,
            priority: self.priority,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            enqueued_at: Timestamp::from_micros(self.enqueued_at),
            run_at: Timestamp::from_micros(self.run_at),
            started_at: self.claimed_at.map(Timestamp::from_micros),
            finished_at: self.finished_at.map(Timestamp::from_micros),
            progress: self.progress.and_then(|text| serde_json::from_str(&text).ok()),
            error: self.error,
        })
    }
}

/// Where a list looks: the text that gives the jobs that fit, and the one that counts what it looked at.
struct Path {
    list: &'static str,
    count: &'static str,
    binds: Vec<Value>,
    /// Whether the index alone finds what the filter asks for.
    exact: bool,
}

/// What went wrong last with the job `j`.
macro_rules! last_error {
    () => {
        "(SELECT message FROM sarsen_job_errors WHERE job = j.id ORDER BY at DESC LIMIT 1)"
    };
}

macro_rules! live {
    () => {
        "SELECT id, queue, kind, state, priority, run_at, job_key, attempt, max_attempts, claimed_at, enqueued_at, \
         CAST(NULL AS BIGINT) AS finished_at, progress FROM sarsen_jobs"
    };
}

/// Jobs at work of which only their bundle says so.
macro_rules! bundled {
    () => {
        "SELECT sarsen_jobs.id AS id, sarsen_jobs.queue AS queue, kind, CAST(3 AS BIGINT) AS state, priority, run_at, job_key, \
         attempt + 1 AS attempt, max_attempts, bundled.claimed_at AS claimed_at, enqueued_at, \
         CAST(NULL AS BIGINT) AS finished_at, progress FROM sarsen_job_bundled AS bundled \
         JOIN sarsen_jobs ON sarsen_jobs.id = bundled.job"
    };
}

macro_rules! ended {
    () => {
        "SELECT id, queue, kind, outcome + 5 AS state, priority, run_at, job_key, attempt, max_attempts, claimed_at, \
         enqueued_at, finished_at, progress FROM sarsen_job_history"
    };
}

/// A path of `$columns` through what stands after it, which says the order too.
macro_rules! path {
    ($columns:expr, $places:expr, $binds:expr, $exact:expr) => {
        Path {
            list: concat!(
                "SELECT id, queue, kind, state, priority, run_at, job_key, attempt, max_attempts, claimed_at, enqueued_at, \
                 finished_at, progress, (SELECT SUBSTR(message, 1, 500) FROM sarsen_job_errors WHERE job = looked.id \
                 ORDER BY at DESC LIMIT 1) AS error FROM (",
                $columns,
                " ",
                $places,
                " LIMIT ?) AS looked WHERE (CAST(? AS BIGINT) < 0 OR state = ?) AND (? = '' OR queue = ?) \
                 AND (? = '' OR kind = ?) AND (? = '' OR job_key = ?) LIMIT ?"
            ),
            count: concat!("SELECT COUNT(*) FROM (", $columns, " ", $places, " LIMIT ?) AS looked"),
            binds: $binds,
            exact: $exact,
        }
    };
}

impl Store {
    /// Jobs that fit a filter.
    pub(crate) async fn list(&self, filter: &Filter) -> Result<Listed> {
        let (mut rows, mut complete) = (Vec::new(), true);
        for path in self.paths(filter).await? {
            let (some, all) = self.look(&path, filter).await?;
            complete &= all;
            rows.extend(some);
        }
        if filter.state.is_none() {
            let bundled = self.bundled().await?;
            rows.iter_mut().for_each(|row| row.taken(bundled.get(&row.id)));
        }
        match filter.state {
            Some(State::Available) => rows.sort_by_key(|row| (row.priority, row.run_at, row.id)),
            Some(State::Scheduled | State::Retryable) => rows.sort_by_key(|row| (row.run_at, row.id)),
            None | Some(State::Running | State::Waiting) => rows.sort_by_key(|row| std::cmp::Reverse(row.id)),
            Some(_) => rows.sort_by_key(|row| std::cmp::Reverse((row.finished_at, row.id))),
        }
        rows.truncate(filter.most());
        Ok(Listed { jobs: rows.into_iter().map(Row::state).collect::<Result<_>>()?, complete })
    }

    async fn paths(&self, filter: &Filter) -> Result<Vec<Path>> {
        let no_kind = filter.kind.is_empty();
        let no_more = no_kind && filter.queue.is_empty() && filter.key.is_empty();
        Ok(match filter.state {
            Some(State::Available) => self.paths_of_available(filter).await?,
            Some(State::Running) => vec![
                path!(live!(), "WHERE state = 3 AND queue > ''", vec![], no_more),
                path!(bundled!(), "WHERE sarsen_jobs.state = 0 AND lease = 0", vec![], no_more),
            ],
            Some(State::Waiting) => vec![path!(live!(), "WHERE state = 4 AND after_job IS NOT NULL", vec![], no_more)],
            Some(State::Scheduled | State::Retryable) => {
                vec![path!(live!(), "WHERE state IN (1, 2) ORDER BY run_at", vec![], false)]
            }
            Some(state) => {
                let outcome = state.number() - ENDED;
                vec![path!(ended!(), "WHERE outcome = ? ORDER BY finished_at DESC", vec![Value::Int(outcome)], no_more)]
            }
            None => vec![
                path!(live!(), "ORDER BY id DESC", vec![], no_more),
                path!(ended!(), "ORDER BY id DESC", vec![], no_more),
            ],
        })
    }

    async fn paths_of_available(&self, filter: &Filter) -> Result<Vec<Path>> {
        let exact = filter.kind.is_empty();
        let queues = if filter.queue.is_empty() { self.ready_queues().await? } else { vec![filter.queue.clone()] };
        let path = |queue: String| {
            let mut binds = vec![queue.into_value()?];
            if filter.key.is_empty() {
                let places = path!(
                    live!(),
                    "WHERE state = 0 AND queue = ? AND (lease > 0 OR id NOT IN (SELECT job FROM sarsen_job_bundled)) \
                     ORDER BY priority, run_at, id",
                    binds,
                    exact
                );
                return Ok(places);
            }
            binds.push(filter.key.as_str().into_value()?);
            Ok(path!(
                live!(),
                "WHERE state = 0 AND job_key <> '' AND queue = ? AND job_key = ? \
                 AND (lease > 0 OR id NOT IN (SELECT job FROM sarsen_job_bundled)) ORDER BY priority, run_at, id",
                binds,
                exact
            ))
        };
        queues.into_iter().map(path).collect()
    }

    /// The jobs that fit, and whether all on this path were looked at.
    async fn look(&self, path: &Path, filter: &Filter) -> Result<(Vec<Row>, bool)> {
        let most = i64::try_from(filter.most()).unwrap_or(LOOK);
        let state = filter.state.map_or(-1, State::number);
        let bound =
            |sql: &'static str| path.binds.iter().cloned().fold(self.db.query(sql), |query, bind| query.bind(bind));
        let query = bound(path.list).bind(if path.exact { most } else { LOOK }).bind(state).bind(state);
        let texts = [&filter.queue, &filter.kind, &filter.key];
        let query = texts.into_iter().fold(query, |query, text| query.bind(text.as_str()).bind(text.as_str()));
        let rows: Vec<Row> = query.bind(most).all().await?;
        if path.exact || rows.len() >= filter.most() {
            return Ok((rows, true));
        }
        let looked: i64 = bound(path.count).bind(LOOK).scalar().await?;
        Ok((rows, looked < LOOK))
    }

    /// Queues in which jobs wait for a worker, from one to the next in the index.
    pub(crate) async fn ready_queues(&self) -> Result<Vec<String>> {
        let sql = "WITH RECURSIVE found(q) AS ( \
                   SELECT (SELECT MIN(queue) FROM sarsen_jobs WHERE state = 0 AND queue > '') UNION ALL \
                   SELECT (SELECT MIN(queue) FROM sarsen_jobs WHERE state = 0 AND queue > found.q) FROM found \
                   WHERE found.q IS NOT NULL) SELECT q FROM found WHERE q IS NOT NULL LIMIT 1000";
        let rows: Vec<(String,)> = self.db.query(sql).all().await?;
        Ok(rows.into_iter().map(|(queue,)| queue).collect())
    }

    /// Where a job stands, live or ended.
    pub(crate) async fn find(&self, id: Uuid) -> Result<Option<JobState>> {
        const LIVE: &str = concat!("SELECT j.*, ", last_error!(), " AS error FROM (", live!(), " WHERE id = ?) AS j");
        const ENDED: &str = concat!("SELECT j.*, ", last_error!(), " AS error FROM (", ended!(), " WHERE id = ?) AS j");
        let row: Option<Row> = match self.db.query(LIVE).bind(id).optional().await? {
            Some(row) => Some(row),
            None => self.db.query(ENDED).bind(id).optional().await?,
        };
        let Some(mut row) = row else { return Ok(None) };
        if row.state == AVAILABLE {
            row.taken(self.bundle_of(id).await?.as_ref());
        }
        row.state().map(Some)
    }
}

/// What only the look at one job shows.
#[derive(crate::FromRow)]
struct More {
    version: u32,
    crashes: u32,
    flags: i64,
    deadline: Option<i64>,
    worker: Option<Uuid>,
    batch: Option<Uuid>,
    after_job: Option<Uuid>,
    trace: String,
    args: Vec<u8>,
}

/// Everything about a job, its arguments as they are kept.
pub(crate) struct Detail {
    pub(crate) shown: JobDetail,
    pub(crate) encrypted: bool,
    pub(crate) args: Vec<u8>,
}

impl Store {
    /// Everything about one job.
    pub(crate) async fn detail(&self, id: Uuid) -> Result<Option<Detail>> {
        let (Some(job), Some(more)) = (self.find(id).await?, self.more(id).await?) else { return Ok(None) };
        let is_running = job.state == State::Running;
        let shown = JobDetail {
            job,
            version: more.version,
            arguments: None,
            unreadable: None,
            errors: self.errors(id).await?,
            crashes: more.crashes,
            deadline: more.deadline.map(Timestamp::from_micros),
            worker: match more.worker {
                None if is_running => self.bundle_of(id).await?.map(|(worker, _)| worker),
                worker => worker,
            },
            cancelling: more.flags & flag::CANCELLED != 0,
            batch: match more.batch {
                Some(batch) => self.batch(batch).await?,
                None => None,
            },
            waits_for: more.after_job,
            awaited_by: self.awaited_by(id).await?,
            trace: more.trace,
        };
        Ok(Some(Detail { shown, encrypted: more.flags & flag::ENCRYPTED != 0, args: more.args }))
    }

    async fn more(&self, id: Uuid) -> Result<Option<More>> {
        let live = "SELECT version, crashes, flags, deadline, worker, batch, after_job, trace, args FROM sarsen_jobs WHERE id = ?";
        let ended = "SELECT version, crashes, flags, CAST(NULL AS BIGINT) AS deadline, CAST(NULL AS UUID) AS worker, batch, \
                     CAST(NULL AS UUID) AS after_job, trace, args FROM sarsen_job_history WHERE id = ?";
        match self.db.query(live).bind(id).optional().await? {
            Some(more) => Ok(Some(more)),
            None => self.db.query(ended).bind(id).optional().await,
        }
    }

    async fn errors(&self, id: Uuid) -> Result<Vec<Failed>> {
        let sql = "SELECT attempt, at, kind, message FROM sarsen_job_errors WHERE job = ? ORDER BY at LIMIT 1000";
        let rows: Vec<(i64, i64, String, String)> = self.db.query(sql).bind(id).all().await?;
        let failed = |(attempt, at, kind, message): (i64, i64, String, String)| Failed {
            attempt: u32::try_from(attempt).ok().filter(|attempt| *attempt > 0),
            at: Timestamp::from_micros(at),
            kind,
            message,
        };
        Ok(rows.into_iter().map(failed).collect())
    }

    async fn batch(&self, id: Uuid) -> Result<Option<BatchState>> {
        let sql = "SELECT id, total, pending, failed, completion FROM sarsen_job_batches WHERE id = ?";
        self.db.query(sql).bind(id).optional().await
    }

    async fn awaited_by(&self, id: Uuid) -> Result<Vec<Uuid>> {
        let sql = "SELECT id FROM sarsen_jobs WHERE state = 4 AND after_job = ? LIMIT 100";
        let rows: Vec<(Uuid,)> = self.db.query(sql).bind(id).all().await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Every process that is written down; one that has not beaten for `dead_after` is not live.
    pub(crate) async fn workers(&self, dead_after: Duration) -> Result<Vec<WorkerState>> {
        #[derive(crate::FromRow)]
        struct Row {
            id: Uuid,
            host: String,
            pid: u32,
            version: String,
            queues: String,
            running: u64,
            settled: u64,
            started_at: i64,
            beat_at: i64,
        }
        let sql = "SELECT id, host, pid, version, queues, running, settled, started_at, beat_at FROM sarsen_workers \
                   ORDER BY started_at LIMIT 10000";
        let now = self.now();
        let worker = |row: Row| WorkerState {
            id: row.id,
            host: row.host,
            pid: row.pid,
            version: row.version,
            queues: row.queues.split_whitespace().map(String::from).collect(),
            running: row.running,
            settled: row.settled,
            started_at: Timestamp::from_micros(row.started_at),
            beat_at: Timestamp::from_micros(row.beat_at),
            live: now.since(Timestamp::from_micros(row.beat_at)) <= dead_after,
        };
        Ok(self.db.query(sql).all::<Row>().await?.into_iter().map(worker).collect())
    }
}
