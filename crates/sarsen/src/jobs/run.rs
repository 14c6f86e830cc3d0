//! One run of a job, as the code that does it sees it.

use super::state::Progress;
use super::store::{Claimed, NO_KEY, Store};
use crate::clock::{self, Timestamp};
use crate::data::{On, Tx};
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// How often progress is written.
const PROGRESS_STEP: Duration = Duration::from_secs(1);
/// Most bytes of the note of a progress.
const MAX_NOTE: usize = 200;

/// The run at hand: what it is, its progress, and whether somebody wants it to stop. Clones are the same run.
#[derive(Clone, Debug)]
pub struct Run(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    job: Claimed,
    worker: Uuid,
    store: Store,
    cancelled: Cancelled,
    completed: AtomicBool,
    written: Mutex<Option<Instant>>,
}

/// Says that somebody wants a run to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<(AtomicBool, Notify)>);

impl Cancelled {
    pub(crate) fn cancel(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn cancelled(&self) {
        loop {
            let told = self.0.1.notified();
            if self.is_cancelled() {
                return;
            }
            told.await;
        }
    }
}

impl Run {
    /// `job` comes without its arguments: nobody reads them here.
    pub(crate) fn new(job: Claimed, worker: Uuid, store: Store, cancelled: Cancelled) -> Self {
        let (completed, written) = (AtomicBool::new(false), Mutex::new(None));
        Self(Arc::new(Inner { job, worker, store, cancelled, completed, written }))
    }

    /// The job; the same at each attempt.
    pub fn id(&self) -> Uuid {
        self.0.job.id
    }

    /// Which attempt it is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.job.attempt
    }

    /// After which failed attempt it is a dead letter.
    pub fn max_attempts(&self) -> u32 {
        self.0.job.max_attempts
    }

    /// Its key; empty when it has none.
    pub fn key(&self) -> &str {
        Some(self.0.job.job_key.as_str()).filter(|key| *key != NO_KEY).unwrap_or_default()
    }

    /// When it was enqueued.
    pub fn enqueued_at(&self) -> Timestamp {
        Timestamp::from_micros(self.0.job.enqueued_at)
    }

    /// When this run was due.
    pub fn run_at(&self) -> Timestamp {
        Timestamp::from_micros(self.0.job.run_at)
    }

    /// Whether somebody wants it to stop, or it has lost its lease. Long loops look here; after 5 s it is dropped.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Waits until somebody wants it to stop.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Says how far it has come. Written at most once a second, and when all is done.
    pub async fn progress(&self, done: u64, total: u64, note: &str) -> Result<()> {
        let now = clock::monotonic();
        {
            let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
            if done != total && written.is_some_and(|written| now - written < PROGRESS_STEP) {
                return Ok(());
            }
            *written = Some(now);
        }
        let note = note[..note.floor_char_boundary(MAX_NOTE)].replace('\0', " ");
        let progress = Progress { done, total, note };
        self.0.store.set_progress(&self.0.job, self.0.worker, &progress).await
    }

    /// Settles the job inside `tx`: what the transaction does happens exactly once, whatever dies and whoever takes over.
    ///
    /// An error of kind `Conflict` says that another worker has taken the job over: return it, and let the transaction roll
    /// back. After the commit return `Ok`.
    pub async fn complete_in(&self, tx: &Tx) -> Result<()> {
        if Store::complete(On::Tx(tx), self.0.worker, &[self.0.job.own()]).await?.is_empty() {
            return Err(Error::conflict(format!("job {} was taken over by another worker", self.id())));
        }
        self.0.completed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the job was settled in a transaction of its own making.
    pub(crate) fn is_completed(&self) -> bool {
        self.0.completed.load(Ordering::SeqCst)
    }
}
