//! The tables of jobs: all SQL of the engine is in this folder.

mod bundle;
mod claim;
mod depth;
mod insert;
mod keys;
mod look;
mod mend;
mod schedules;
mod settle;
mod upkeep;

pub(crate) use bundle::{Own, Part};
pub(crate) use claim::{Exchange, Exchanged, Head, Taking};
pub(crate) use insert::{After, NewJob};
pub(crate) use keys::NO_KEY;
pub(crate) use look::{Detail, LOOK};
pub(crate) use schedules::ScheduleRow;
pub(crate) use settle::{Ending, Failure};
pub(crate) use upkeep::{Beat, Held, Rescued, WorkerRow, is_last_chance};

use super::registry::Registry;
use super::state::Progress;
use crate::clock::Timestamp;
use crate::data::Db;
use crate::error::Result;
use std::sync::Arc;
use uuid::Uuid;

/// Flags of a job; see the migration.
pub(crate) mod flag {
    /// Other jobs of the same arguments are refused while it lives.
    pub(crate) const UNIQUE: i64 = 1;
    /// A batch counts it.
    pub(crate) const IN_BATCH: i64 = 2;
    /// Others wait for it.
    pub(crate) const AWAITED: i64 = 4;
    /// Its arguments are encrypted.
    pub(crate) const ENCRYPTED: i64 = 8;
    /// Somebody wants it to stop.
    pub(crate) const CANCELLED: i64 = 16;
    /// Nothing is kept of it when it went well.
    pub(crate) const FORGOTTEN: i64 = 32;
    /// Others of the same arguments are refused until it runs.
    pub(crate) const UNIQUE_WAITING: i64 = 64;
    /// It has begun: said by those of which the process may be about to die. SQL repeats the number.
    pub(crate) const BEGUN: i64 = 128;
    /// Those whose end has to be told to something else. SQL repeats the number.
    pub(crate) const TOLD: i64 = UNIQUE | IN_BATCH | AWAITED | UNIQUE_WAITING;
}

/// The time in a unique row that holds for as long as its job lives.
pub(super) const WHILE_ALIVE: i64 = i64::MAX;

/// A job that this process has taken.
#[derive(Clone, Debug, crate::FromRow)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) version: u32,
    pub(crate) priority: i64,
    pub(crate) run_at: i64,
    pub(crate) job_key: String,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) crashes: u32,
    pub(crate) lease: i64,
    pub(crate) enqueued_at: i64,
    pub(crate) deadline: Option<i64>,
    pub(crate) flags: i64,
    pub(crate) trace: String,
    pub(crate) args: Vec<u8>,
    pub(crate) claimed_at: i64,
    /// The bundle that names it.
    pub(crate) bundle: Option<Uuid>,
}

/// The columns of [`Claimed`], of a job that is taken alone.
macro_rules! claimed_columns {
    () => {
        "id, kind, version, priority, run_at, job_key, attempt, max_attempts, crashes, lease, enqueued_at, \
         deadline, flags, trace, args, claimed_at, CAST(NULL AS UUID) AS bundle"
    };
}
pub(super) use claimed_columns;

/// Copies live jobs into the history. The one value that is always bound is when they ended.
macro_rules! into_history {
    (outcome $outcome:literal, args $args:literal, $which:literal) => {
        concat!(
            "INSERT INTO sarsen_job_history (id, queue, kind, version, outcome, priority, run_at, seq, job_key, attempt, \
             max_attempts, crashes, claimed_at, enqueued_at, finished_at, flags, batch, trace, progress, args) \
             SELECT id, queue, kind, version, ",
            $outcome,
            ", priority, run_at, seq, job_key, attempt, max_attempts, crashes, claimed_at, enqueued_at, \
             CAST(? AS BIGINT), flags, batch, trace, progress, ",
            $args,
            " FROM sarsen_jobs WHERE ",
            $which
        )
    };
}
pub(super) use into_history;

impl Claimed {
    /// What it is held by.
    pub(crate) fn own(&self) -> Own {
        Own { id: self.id, lease: self.lease, bundled_at: self.bundle.map(|_| self.claimed_at) }
    }

    pub(crate) fn has(&self, flag: i64) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn is_past_deadline(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| now.as_micros() > deadline)
    }
}

/// The tables, on the application's database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) registry: Arc<Registry>,
}

impl Store {
    pub(crate) fn new(db: Db, registry: Arc<Registry>) -> Self {
        Self { db, registry }
    }

    /// The same tables over another connection.
    pub(crate) fn on(&self, db: Db) -> Self {
        Self { db, registry: self.registry.clone() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.db.clock().now()
    }

    /// Writes down that a run begins.
    pub(crate) async fn set_begun(&self, job: &Claimed, worker: Uuid) -> Result<()> {
        self.unfold_own(job, worker).await?;
        let sql = "UPDATE sarsen_jobs SET flags = flags | 128 WHERE id = ? AND worker = ? AND lease = ?";
        self.db.query(sql).bind(job.id).bind(worker).bind(job.lease).execute().await.map(drop)
    }

    /// Writes how far a run has come.
    pub(crate) async fn set_progress(&self, job: &Claimed, worker: Uuid, progress: &Progress) -> Result<()> {
        self.unfold_own(job, worker).await?;
        let sql = "UPDATE sarsen_jobs SET progress = ? WHERE id = ? AND worker = ? AND lease = ?";
        let text = serde_json::to_string(progress)
            .map_err(|error| crate::Error::internal("a progress cannot be written").source(error))?;
        self.db.query(sql).bind(text).bind(job.id).bind(worker).bind(job.lease).execute().await.map(drop)
    }
}
