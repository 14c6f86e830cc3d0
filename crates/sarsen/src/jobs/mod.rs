//! Jobs: work that is done later, exactly as often as it should be, recorded in the application's own database.
//!
//! A job is enqueued in the caller's transaction, so it runs only if the rest of it happened; it runs at least once, and
//! what it does to the database happens exactly once when it ends with [`Run::complete_in`].
//!
//! ```
//! use sarsen::jobs::{Job, Jobs, Policy, Run};
//! use sarsen::{Db, Result};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct SendWelcome { user: uuid::Uuid }
//!
//! impl Job for SendWelcome {
//!     const KIND: &'static str = "accounts.send_welcome";
//! }
//!
//! async fn register(db: &Db, jobs: &Jobs, user: uuid::Uuid) -> Result<()> {
//!     let tx = db.begin().await?;
//!     tx.query("INSERT INTO users (id) VALUES (?)").bind(user).execute().await?;
//!     jobs.enqueue(&tx, SendWelcome { user }).await?;
//!     tx.commit().await
//! }
//! ```

mod admin;
mod cron;
mod job;
mod options;
mod payload;
mod queue;
pub(crate) mod registry;
mod run;
pub(crate) mod schedule;
pub(crate) mod scheduler;
mod stalled;
mod state;
pub(crate) mod store;
pub(crate) mod worker;

pub use crate::data::On;
pub use admin::{
    Admin, BatchState, Depth, Discarded, Failed, Filter, JobDetail, Listed, QueueState, ScheduleState, WorkerState,
};
pub(crate) use job::check_name;
pub use job::{Backoff, Job, Policy, Unique};
pub use options::Options;
pub(crate) use payload::LEAST_KEY;
pub use queue::{Queue, Rate};
pub use registry::KindInfo;
pub use run::Run;
pub use schedule::{Firing, Missed, Schedule};
pub use stalled::{Stalled, Standstill, stalled};
pub use state::{Enqueued, JobState, Progress, State};
pub use worker::Ran;

use crate::config::JobsSection;
use crate::data::Db;
use crate::error::{Error, Result};
use crate::telemetry::Operation;
use options::RunAt;
use payload::Cipher;
use registry::Registry;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{After, NewJob, Store, flag};
use uuid::Uuid;

/// The channel on which is heard that a job is due later.
pub(crate) const DUE: &str = "due";

/// Most bytes of a key, of a job as of an event.
pub(crate) const MAX_KEY: usize = 200;

/// The handle that enqueues jobs and tells of them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Jobs(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) section: JobsSection,
    pub(crate) cipher: Cipher,
}

impl Jobs {
    pub(crate) fn new(db: &Db, section: &JobsSection, registry: Registry) -> Self {
        let store = Store::new(db.clone(), Arc::new(registry));
        Self(Arc::new(Shared { store, section: section.clone(), cipher: Cipher::new(section) }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.store.registry
    }

    /// Enqueues a job: in the transaction when `on` is a `&Tx`, at once when it is a `&Db`.
    pub async fn enqueue<'a, J: Job>(&self, on: impl Into<On<'a>>, job: J) -> Result<Enqueued> {
        self.enqueue_with(on, job, Options::new()).await
    }

    /// Like [`Jobs::enqueue`], with what is chosen for this one job.
    pub async fn enqueue_with<'a, J: Job>(&self, on: impl Into<On<'a>>, job: J, options: Options) -> Result<Enqueued> {
        let on = on.into();
        let new = self.make(on, &job, &options)?;
        let enqueued = Store::insert(on, vec![new]).await?;
        enqueued.first().copied().ok_or_else(|| Error::internal("a job was neither put in nor refused"))
    }

    /// Enqueues many jobs of a kind with few statements; at most `jobs.max_batch`.
    pub async fn enqueue_many<'a, J: Job>(&self, on: impl Into<On<'a>>, jobs: Vec<J>) -> Result<Vec<Enqueued>> {
        let on = on.into();
        self.check_count(jobs.len())?;
        let new = jobs.iter().map(|job| self.make(on, job, &Options::new())).collect::<Result<Vec<_>>>()?;
        Store::insert(on, new).await
    }

    /// Enqueues jobs that belong together, and `then`, which runs when all of them have ended, well or not. Gives the id
    /// of the batch.
    pub async fn batch<'a, J: Job, C: Job>(&self, on: impl Into<On<'a>>, jobs: Vec<J>, then: C) -> Result<Uuid> {
        let on = on.into();
        self.check_count(jobs.len())?;
        let id = on.clock().id();
        let mut completion = self.make(on, &then, &Options::new())?;
        let mut new = jobs.iter().map(|job| self.make(on, job, &Options::new())).collect::<Result<Vec<_>>>()?;
        for job in &mut new {
            (job.batch, job.flags) = (Some(id), job.flags | flag::IN_BATCH);
        }
        on.within(async |tx| {
            // A job that uniqueness refuses counts no more.
            let taken = Store::insert(On::Tx(tx), new).await?.iter().filter(|one| !one.duplicate).count();
            completion.after = (taken > 0).then_some(After::Batch(id));
            Store::insert_batch(tx, id, taken, completion.id).await?;
            Store::insert(On::Tx(tx), vec![completion]).await
        })
        .await?;
        Ok(id)
    }

    /// The live jobs of a kind, those that are due first; at most 1,000. For tests.
    pub async fn enqueued<J: Job>(&self) -> Result<Vec<J>> {
        let sql = "SELECT id, version, flags, args FROM sarsen_jobs WHERE kind = ? ORDER BY run_at, id LIMIT 1000";
        let rows: Vec<(Uuid, u32, i64, Vec<u8>)> = self.store().db.query(sql).bind(J::KIND).all().await?;
        let read = |(id, version, flags, args): (Uuid, u32, i64, Vec<u8>)| {
            let plain = payload::plain(&self.0.cipher, flags & flag::ENCRYPTED != 0, J::KIND, id, &args)?;
            payload::read::<J>(version, &plain)
        };
        rows.into_iter().map(read).collect()
    }

    fn check_count(&self, count: usize) -> Result<()> {
        let most = self.0.section.max_batch;
        if count <= most {
            return Ok(());
        }
        Err(Error::invalid(format!("{count} jobs at once are more than {most}"))
            .hint("enqueue them in parts, or raise jobs.max_batch"))
    }

    fn make<J: Job>(&self, on: On<'_>, job: &J, options: &Options) -> Result<NewJob> {
        let info = self.registry().kind(J::KIND).ok_or_else(|| {
            Error::internal(format!("no module does jobs of kind `{}`", J::KIND))
                .hint(format!("say `declare.job::<{}>(…)` in the module that does it", std::any::type_name::<J>()))
        })?;
        let key = options.key.clone().or_else(|| job.key());
        self.build(on, *info, Made { version: J::VERSION, arguments: payload::written(job)?, key }, options)
    }

    /// A job of `info` that is to be, from its written arguments.
    pub(crate) fn build(&self, on: On<'_>, info: KindInfo, made: Made, options: &Options) -> Result<NewJob> {
        let (policy, now, id) = (info.policy, on.clock().now(), on.clock().id());
        let most = self.0.section.max_args.0;
        if made.arguments.len() as u64 > most {
            let length = made.arguments.len();
            return Err(Error::invalid(format!(
                "the arguments of `{}` take {length} bytes, more than {most}",
                info.kind
            ))
            .hint("keep what is large in a table or a blob, and pass its id; or raise jobs.max_args"));
        }
        let queue = self.registry().queue(options.queue.unwrap_or(policy.queue));
        let run_at = match options.run_at {
            None => now,
            Some(RunAt::In(delay)) => now + delay,
            Some(RunAt::At(at)) => at,
        };
        let unique = policy.unique.map(|unique| (unique_key(info.kind, &made, options), unique));
        let flags = flags(&policy);
        let args = payload::kept(&self.0.cipher, policy.encrypted, info.kind, id, made.arguments)?;
        Ok(NewJob {
            id,
            queue: queue.name,
            kind: info.kind,
            version: made.version,
            priority: options.priority.unwrap_or(policy.priority).clamp(1, 9),
            run_at,
            key: checked_key(made.key, &queue)?,
            max_attempts: options.attempts.unwrap_or(policy.attempts),
            deadline: policy.deadline.map(|deadline| run_at + deadline),
            flags,
            batch: None,
            after: options.after.map(After::Job),
            unique,
            ordered: queue.ordered,
            trace: Operation::with_current(|operation| operation.trace().to_string()).unwrap_or_default(),
            args,
        })
    }
}

/// What a type says of one job.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) version: u32,
    pub(crate) arguments: Vec<u8>,
    pub(crate) key: Option<String>,
}

fn flags(policy: &Policy) -> i64 {
    let unique = match policy.unique {
        Some(Unique::WhileAlive) => flag::UNIQUE,
        Some(Unique::WhileWaiting) => flag::UNIQUE_WAITING,
        Some(Unique::Within(_)) | None => 0,
    };
    let encrypted = if policy.encrypted { flag::ENCRYPTED } else { 0 };
    unique | encrypted | if policy.keep { 0 } else { flag::FORGOTTEN }
}

fn checked_key(key: Option<String>, queue: &Queue) -> Result<String> {
    let key = key.unwrap_or_default();
    if key.len() > MAX_KEY || key.contains('\0') {
        return Err(Error::invalid(format!("the key of a job is longer than {MAX_KEY} bytes, or holds NUL")));
    }
    Ok(if key.is_empty() && queue.by_key() { store::NO_KEY.to_owned() } else { key })
}

/// What no other job may be the same in: a hash of the kind and of the arguments, or of what was chosen instead.
fn unique_key(kind: &str, made: &Made, options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    match &options.unique_by {
        Some(what) => hash.update(what.as_bytes()),
        None => hash.update(&made.arguments),
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
