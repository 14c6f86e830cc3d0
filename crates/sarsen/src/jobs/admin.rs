//! What an operator sees of the jobs, and does with them.

use super::payload;
use super::schedule::NEVER;
use super::state::{JobState, State};
use super::store::{Detail, ScheduleRow, Store};
use super::{Jobs, On};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// Most jobs that one list gives.
const MOST_LISTED: usize = 1_000;

/// What an operator does with jobs: finds them, and mends what went wrong. It is behind [`Jobs::admin`].
///
/// ```
/// # async fn example(jobs: sarsen::jobs::Jobs) -> sarsen::Result<()> {
/// use sarsen::jobs::{Filter, State};
///
/// let dead = Filter { state: Some(State::Discarded), kind: "mail.send".into(), ..Filter::default() };
/// for job in jobs.admin().list(&dead).await?.jobs {
///     println!("{} {}", job.id, job.error.unwrap_or_default());
/// }
/// let retried = jobs.admin().retry_dead(&dead).await?;
/// # let _ = retried;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Admin(Jobs);

impl Jobs {
    /// Where a job stands, live or ended; nothing when nothing is kept of it.
    pub async fn progress_of(&self, id: Uuid) -> Result<Option<JobState>> {
        self.store().find(id).await
    }

    /// Stops a job: one that waits is cancelled at once, one that runs is told to stop by its worker's next beat. False
    /// when it has ended already, or is not known.
    pub async fn cancel(&self, id: Uuid) -> Result<bool> {
        self.store().cancel(id).await
    }

    /// What an operator does with jobs.
    pub fn admin(&self) -> Admin {
        Admin(self.clone())
    }
}

/// Which jobs; what is empty or not given asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// In this queue.
    pub queue: String,
    /// Of this kind.
    pub kind: String,
    /// Of this key.
    pub key: String,
    /// At most so many, and at most 1,000; 0 is 50.
    pub limit: usize,
}

impl Filter {
    pub(crate) fn most(&self) -> usize {
        if self.limit == 0 { 50 } else { self.limit.min(MOST_LISTED) }
    }
}

/// Jobs of a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Those that fit: newest first; of those that wait for a worker or a time, the next one first; of those that ended,
    /// the last one first.
    pub jobs: Vec<JobState>,
    /// Whether everything was looked at: a list looks at no more than 100,000 jobs of a state and queue.
    pub complete: bool,
}

/// All that is known of one job, with its arguments.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub job: JobState,
    /// The form of its arguments.
    pub version: u32,
    /// Its arguments, decrypted; nothing once it went well.
    pub arguments: Option<serde_json::Value>,
    /// Why its arguments cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// What went wrong, oldest first.
    pub errors: Vec<Failed>,
    /// How many processes died while it ran.
    pub crashes: u32,
    /// When it becomes a dead letter if it has not begun.
    pub deadline: Option<Timestamp>,
    /// The worker that is at it.
    pub worker: Option<Uuid>,
    /// Whether it was told to stop.
    pub cancelling: bool,
    /// The batch that it belongs to.
    pub batch: Option<BatchState>,
    /// The job or batch that it waits for.
    pub waits_for: Option<Uuid>,
    /// The jobs that wait for it, at most 100.
    pub awaited_by: Vec<Uuid>,
    /// The trace of what enqueued it; empty when nothing did.
    pub trace: String,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Which attempt; nothing where it was before the last retry of a dead letter, or no attempt at all.
    pub attempt: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// The kind of the error, `crashed`, or `discarded`.
    pub kind: String,
    /// The error with its causes.
    pub message: String,
}

/// How far a batch has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, crate::FromRow)]
pub struct BatchState {
    /// Which one.
    pub id: Uuid,
    /// Jobs that it began with.
    pub total: u64,
    /// Those that have not ended.
    pub pending: u64,
    /// Those that ended otherwise than well.
    pub failed: u64,
    /// The job that runs when all have ended.
    pub completion: Option<Uuid>,
}

/// How many jobs there are: counted up to 100,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// So many, or at least so many.
    pub count: u64,
    /// There may be more.
    pub more: bool,
}

impl fmt::Display for Depth {
    /// `17`, or `more than 100000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more {
            true => f.pad(&format!("more than {}", self.count)),
            false => f.pad(&self.count.to_string()),
        }
    }
}

/// A queue, and what is in it.
#[derive(Clone, Debug, Serialize)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Whether it stands still.
    pub paused: bool,
    /// Jobs that wait for a worker.
    pub available: Depth,
    /// Jobs that are due later.
    pub scheduled: Depth,
    /// Jobs that failed and are tried again later.
    pub retryable: Depth,
    /// Jobs at work.
    pub running: Depth,
    /// Jobs that wait for other jobs.
    pub waiting: Depth,
    /// Dead letters.
    pub discarded: Depth,
    /// Since when the oldest of those that wait for a worker is due.
    pub due_since: Option<Timestamp>,
    /// Live workers that serve it.
    pub workers: usize,
}

/// A process that does jobs.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerState {
    /// Which one: another each time it starts.
    pub id: Uuid,
    /// Its machine, boot and namespace of processes.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// The version of the application.
    pub version: String,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// Jobs at work.
    pub running: u64,
    /// Jobs that it has settled since it started.
    pub settled: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub beat_at: Timestamp,
    /// Whether it said so lately, within `jobs.dead_after`.
    pub live: bool,
}

/// A schedule, and when it fires.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleState {
    /// Its name.
    pub name: String,
    /// The kind of its jobs.
    pub kind: String,
    /// Its expression, or `every 300s`.
    pub cron: String,
    /// The zone of its expression.
    pub zone: String,
    /// When it fires next; nothing when it never does, stands still, or no scheduler has seen it yet.
    pub next_at: Option<Timestamp>,
    /// When it was last due and fired.
    pub last_at: Option<Timestamp>,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether this build has it; one that no build has fires no more.
    pub declared: bool,
}

impl Admin {
    /// Lists jobs without their arguments. Every state is looked up by an index of its own; where a filter asks for more
    /// than that index knows, at most 100,000 jobs are looked at.
    pub async fn list(&self, filter: &Filter) -> Result<Listed> {
        self.store().list(filter).await
    }

    /// Everything about one job; nothing when nothing is kept of it.
    pub async fn show(&self, id: Uuid) -> Result<Option<JobDetail>> {
        let Some(detail) = self.store().detail(id).await? else { return Ok(None) };
        let (arguments, unreadable) = match self.arguments(&detail) {
            Ok(arguments) => (arguments, None),
            Err(error) => (None, Some(error.report())),
        };
        Ok(Some(JobDetail { arguments, unreadable, ..detail.shown }))
    }

    /// Tries a dead letter again from its first attempt, or one that waits for a time at once. Its errors stay; what it
    /// was unique by, and its deadline, hold no more. `NotFound`, or `Conflict` when its state does not allow it.
    pub async fn retry(&self, id: Uuid) -> Result<()> {
        self.store().retry(id).await
    }

    /// Tries dead letters again that fit the filter (queue, kind and key), 500 a transaction; says how many.
    pub async fn retry_dead(&self, filter: &Filter) -> Result<u64> {
        self.store().retry_dead(filter).await
    }

    /// Replaces the arguments of a job that is dead or not yet running. They are in the form that this build writes, and
    /// are checked by it where it does such jobs. `NotFound`, `Conflict` while it runs, `Invalid` when they do not fit.
    pub async fn edit(&self, id: Uuid, arguments: &serde_json::Value) -> Result<()> {
        let plain = serde_json::to_vec(arguments)
            .map_err(|error| Error::invalid("the arguments cannot be written").source(error))?;
        let most = self.0.0.section.max_args.0;
        if plain.len() as u64 > most {
            return Err(Error::invalid(format!("the arguments take {} bytes, more than {most}", plain.len()))
                .hint("raise jobs.max_args"));
        }
        self.store().edit(id, |kind, encrypted| self.sealed(kind, encrypted, id, plain)).await
    }

    /// Gives a job up: a live one becomes a dead letter, and a dead letter is deleted, which this then says. `NotFound`, or
    /// `Conflict` when it runs or ended otherwise.
    pub async fn discard(&self, id: Uuid) -> Result<Discarded> {
        self.store().discard(id).await
    }

    /// Stops a job, as [`Jobs::cancel`] does.
    pub async fn cancel(&self, id: Uuid) -> Result<bool> {
        self.store().cancel(id).await
    }

    /// Lets a queue stand still: nothing more of it begins, what runs goes on. `NotFound` when there is no such queue.
    pub async fn pause(&self, queue: &str) -> Result<()> {
        self.store().pause(queue, true).await
    }

    /// Lets a queue go on.
    pub async fn resume(&self, queue: &str) -> Result<()> {
        self.store().pause(queue, false).await
    }

    /// Every queue that this build or the database knows, by name.
    pub async fn queues(&self) -> Result<Vec<QueueState>> {
        let workers = self.workers().await?;
        let mut queues = self.store().depths().await?;
        for queue in &mut queues {
            queue.workers = workers.iter().filter(|worker| worker.serves(&queue.name)).count();
        }
        Ok(queues)
    }

    /// Every process that does jobs, those that began first first.
    pub async fn workers(&self) -> Result<Vec<WorkerState>> {
        self.store().workers(self.0.0.section.dead_after.0).await
    }

    /// Every schedule that this build or the database knows, by name.
    pub async fn schedules(&self) -> Result<Vec<ScheduleState>> {
        let (rows, now) = (self.store().schedules().await?, self.store().now());
        let declared = self.0.registry().schedules();
        let unseen = declared.iter().filter(|one| !rows.iter().any(|row| row.name == one.name()));
        let mut unseen: Vec<_> = unseen.map(|one| one.row(now)).collect();
        unseen.iter_mut().for_each(|row| row.next_at = 0);
        let mut all: Vec<_> = rows.into_iter().chain(unseen).map(ScheduleState::of).collect();
        for state in &mut all {
            state.declared = declared.iter().any(|one| one.name() == state.name);
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Lets a schedule stand still; what falls into the pause is not made up for.
    pub async fn pause_schedule(&self, name: &str) -> Result<()> {
        self.pause_or_resume(name, true).await
    }

    /// Lets a schedule go on with its next time after now.
    pub async fn resume_schedule(&self, name: &str) -> Result<()> {
        self.pause_or_resume(name, false).await
    }

    /// Fires a schedule now, beside its times: gives the job that is enqueued. `NotFound` when this build does not have it.
    pub async fn fire(&self, name: &str) -> Result<Uuid> {
        let scheduled = self.0.registry().schedules().iter().find(|one| one.name() == name);
        let scheduled = scheduled.ok_or_else(|| self.no_schedule(name))?;
        let on = On::Db(&self.store().db);
        let new = scheduled.make(&self.0, on, self.store().now())?;
        let enqueued = Store::insert(on, vec![new]).await?;
        enqueued.first().map(|one| one.id).ok_or_else(|| Error::internal("the job was neither put in nor refused"))
    }

    fn store(&self) -> &Store {
        self.0.store()
    }

    async fn pause_or_resume(&self, name: &str, paused: bool) -> Result<()> {
        if self.store().pause_schedule(name, paused).await? {
            return Ok(());
        }
        // No scheduler has seen it yet.
        let scheduled = self.0.registry().schedules().iter().find(|one| one.name() == name);
        let scheduled = scheduled.ok_or_else(|| self.no_schedule(name))?;
        self.store().put_schedule(&scheduled.row(self.store().now())).await?;
        self.store().pause_schedule(name, paused).await.map(drop)
    }

    fn no_schedule(&self, name: &str) -> Error {
        let known: Vec<&str> = self.0.registry().schedules().iter().map(|one| one.name()).collect();
        Error::not_found(format!("there is no schedule `{name}`")).hint(format!("known: {}", known.join(", ")))
    }

    fn arguments(&self, detail: &Detail) -> Result<Option<serde_json::Value>> {
        if detail.args.is_empty() {
            return Ok(None);
        }
        let job = &detail.shown.job;
        let plain = payload::plain(&self.0.0.cipher, detail.encrypted, &job.kind, job.id, &detail.args)?;
        let value = serde_json::from_slice(&plain);
        value.map(Some).map_err(|error| Error::invalid("the arguments are no JSON").source(error))
    }

    /// The arguments as they are kept, and the version of their form, once it is clear that they fit.
    fn sealed(&self, kind: &str, encrypted: bool, id: Uuid, plain: Vec<u8>) -> Result<(Option<u32>, Vec<u8>)> {
        let info = self.0.registry().kind(kind);
        if let Some(info) = info {
            (info.check)(&plain)?;
        }
        let kept = payload::kept(&self.0.0.cipher, encrypted, kind, id, plain)?;
        Ok((info.map(|info| info.version), kept))
    }
}

/// What became of a job that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// It is a dead letter, and can be retried.
    DeadLetter,
    /// It was a dead letter, and is gone.
    Deleted,
}

impl WorkerState {
    /// Whether it lives, and takes jobs of this queue.
    pub(crate) fn serves(&self, queue: &str) -> bool {
        self.live && self.queues.iter().any(|name| name == queue)
    }
}

impl ScheduleState {
    fn of(row: ScheduleRow) -> Self {
        let at = |micros: i64| (micros > 0 && micros < NEVER.as_micros()).then(|| Timestamp::from_micros(micros));
        Self {
            name: row.name,
            kind: row.kind,
            cron: row.cron,
            zone: row.zone,
            next_at: if row.paused == 1 { None } else { at(row.next_at) },
            last_at: row.last_at.and_then(at),
            paused: row.paused == 1,
            declared: false,
        }
    }
}
