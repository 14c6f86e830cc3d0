//! Does the jobs: one loop a queue, a beat on a thread of its own, and the upkeep of the tables.
//!
//! An error of the database never ends a worker: what was finished is kept in memory and settled when it can be.

mod beat;
mod drain;
mod execute;
mod host;
mod queue;
mod trip;
mod upkeep;

use super::Jobs;
use super::run::Cancelled;
use super::store::{Claimed, Store, flag};
use crate::clock;
use crate::config::DatabaseSection;
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::{Holder, Recorder, WaitKind};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use drain::Ran;
pub(crate) use drain::drain;

/// How long a run that is told to stop may go on.
const GRACE: Duration = Duration::from_secs(5);

/// A process that does jobs. Dropped without [`Worker::stop`] it goes on with the process.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    queues: Vec<JoinHandle<()>>,
}

/// What the parts of a worker share.
#[derive(Debug)]
struct Shared {
    jobs: Jobs,
    recorder: Recorder,
    /// This incarnation of the process: never the same twice, and another once others held it to be dead.
    id: Mutex<Uuid>,
    at_work: Mutex<HashMap<Uuid, AtWork>>,
    /// How many jobs of a bundle are at work or at hand. It only says when a bundle is worth deleting.
    bundles: Mutex<HashMap<Uuid, usize>>,
    /// Bundles of which nothing is at hand any more, and which are there still.
    done_bundles: Mutex<Vec<Uuid>>,
    paused: Mutex<HashSet<String>>,
    slots: Arc<Semaphore>,
    blocking: Arc<Semaphore>,
    /// Whose jobs take the places for those that may block.
    blocking_places: Holder,
    /// Jobs that a process has died of run one at a time.
    suspects: Arc<Semaphore>,
    last_beat: Mutex<Instant>,
    settled: AtomicU64,
    stale: AtomicU64,
    /// The application is to stop: nothing more is taken.
    stop: Lifecycle,
    /// The time for stopping is over.
    gone: Lifecycle,
}

/// A job that this process holds.
#[derive(Clone, Debug)]
struct AtWork {
    lease: i64,
    cancelled: Cancelled,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(jobs: &Jobs, recorder: &Recorder, lifecycle: &Lifecycle) -> Self {
        let section = &jobs.0.section;
        Self {
            jobs: jobs.clone(),
            recorder: recorder.clone(),
            id: Mutex::new(jobs.store().db.clock().id()),
            at_work: Mutex::default(),
            bundles: Mutex::default(),
            done_bundles: Mutex::default(),
            paused: Mutex::default(),
            slots: Arc::new(Semaphore::new(section.concurrency.max(1))),
            blocking: Arc::new(Semaphore::new(section.blocking.max(1))),
            blocking_places: Holder::new(WaitKind::Queue, "blocking jobs", section.blocking.max(1) as u64),
            suspects: Arc::new(Semaphore::new(1)),
            last_beat: Mutex::new(clock::monotonic()),
            settled: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            stop: lifecycle.clone(),
            gone: Lifecycle::default(),
        }
    }

    fn store(&self) -> &Store {
        self.jobs.store()
    }

    fn id(&self) -> Uuid {
        *lock(&self.id)
    }

    /// Remembers what was claimed, so that it can be cancelled and is not taken for lost.
    fn hold(&self, claimed: &[Claimed]) {
        let mut at_work = lock(&self.at_work);
        for job in claimed {
            let held = AtWork { lease: job.lease, cancelled: Cancelled::default() };
            if let Some(lost) = at_work.insert(job.id, held) {
                // It was taken from this process, and is back: the run before has no say any more.
                lost.cancelled.cancel();
            }
        }
        let mut bundles = lock(&self.bundles);
        for bundle in claimed.iter().filter_map(|job| job.bundle) {
            *bundles.entry(bundle).or_default() += 1;
        }
    }

    /// Whether `count` jobs are all that is at hand of a bundle. Then it goes with them, and nobody else need delete it.
    fn are_the_last(&self, bundle: Uuid, count: usize) -> bool {
        let mut bundles = lock(&self.bundles);
        let all = bundles.get(&bundle).is_none_or(|left| *left <= count);
        if all {
            bundles.remove(&bundle);
        }
        all
    }

    /// These bundles may have no jobs any more.
    fn are_done(&self, bundles: impl Iterator<Item = Uuid>) {
        lock(&self.done_bundles).extend(bundles);
    }

    /// Takes the bundles that are to be deleted.
    fn done_bundles(&self) -> Vec<Uuid> {
        std::mem::take(&mut *lock(&self.done_bundles))
    }

    /// Others of the same arguments may wait again, before these run. Should that fail, they may once these have ended.
    async fn free_unique(&self, claimed: &[Claimed]) {
        let ids: Vec<Uuid> = claimed.iter().filter(|job| job.has(flag::UNIQUE_WAITING)).map(|job| job.id).collect();
        if !ids.is_empty()
            && let Err(error) = self.store().free_unique(&ids).await
        {
            tracing::warn!("jobs that wait alone hold up their like until they end: {}", error.report());
        }
    }

    /// Forgets a job, unless it was taken anew meanwhile.
    fn let_go(&self, job: &Claimed) {
        if let Some(bundle) = job.bundle {
            let mut bundles = lock(&self.bundles);
            if let Some(left) = bundles.get_mut(&bundle) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    bundles.remove(&bundle);
                    lock(&self.done_bundles).push(bundle);
                }
            }
        }
        let mut at_work = lock(&self.at_work);
        if at_work.get(&job.id).is_some_and(|held| held.lease == job.lease) {
            at_work.remove(&job.id);
        }
    }

    /// Whether this process has not lost it since it took it.
    fn holds(&self, job: &Claimed) -> bool {
        lock(&self.at_work).get(&job.id).is_some_and(|held| held.lease == job.lease)
    }

    fn cancelled_of(&self, job: Uuid) -> Cancelled {
        lock(&self.at_work).get(&job).map(|job| job.cancelled.clone()).unwrap_or_default()
    }

    /// Whether claiming is safe: others must not hold this process to be dead while it takes jobs.
    fn may_claim(&self) -> bool {
        let silent = clock::monotonic() - *lock(&self.last_beat);
        !self.stop.is_stopping() && silent < self.jobs.0.section.dead_after.0.mul_f64(0.7)
    }

    fn is_paused(&self, queue: &str) -> bool {
        lock(&self.paused).contains(queue)
    }

    fn count_settled(&self, settled: usize, stale: usize) {
        self.settled.fetch_add(settled as u64, Ordering::Relaxed);
        if stale > 0 {
            self.stale.fetch_add(stale as u64, Ordering::Relaxed);
            tracing::warn!(stale, "jobs were taken over by another worker before they were settled here");
        }
    }
}

impl Worker {
    /// Starts to work on every queue that the application knows.
    pub(crate) async fn start(
        jobs: &Jobs,
        database: &DatabaseSection,
        recorder: &Recorder,
        version: &str,
        lifecycle: &Lifecycle,
    ) -> crate::Result<Self> {
        let shared = Arc::new(Shared::new(jobs, recorder, lifecycle));
        let row = beat::row(&shared, version);
        shared.store().register(&row).await?;
        for queue in jobs.registry().queues().filter(|queue| queue.by_key()) {
            shared.store().adopt(queue).await?;
        }
        // Which queues stand still is known before anything is taken from them.
        *lock(&shared.paused) = shared.store().beat(row.id, 0, 0).await?.paused.into_iter().collect();
        beat::start(&shared, row, database.clone());
        lifecycle::spawn_background(upkeep::run(shared.clone()));
        let queues =
            jobs.registry().queues().map(|queue| lifecycle::spawn_background(queue::run(shared.clone(), *queue)));
        let queues = queues.collect();
        Ok(Self { shared, queues })
    }

    /// Takes no more jobs, gives back those that have not begun, and lets those at work finish, at most for `limit`; then
    /// they are told to stop, and their attempt does not count.
    pub(crate) async fn stop(self, limit: Duration) {
        let Self { shared, queues } = self;
        shared.stop.stop();
        let mut all = std::pin::pin!(futures_util::future::join_all(queues));
        if clock::until(clock::monotonic() + limit, all.as_mut()).await.is_err() {
            tracing::warn!(jobs = lock(&shared.at_work).len(), "jobs were still at work and are told to stop");
            shared.gone.stop();
            if clock::until(clock::monotonic() + GRACE * 2, all.as_mut()).await.is_err() {
                tracing::warn!("jobs that do not stop are left behind; another process takes them over");
            }
        }
        shared.gone.stop();
        let left = clock::until(clock::monotonic() + GRACE, shared.store().rescue(shared.id(), false));
        if !matches!(left.await, Ok(Ok(_))) {
            tracing::warn!("this worker could not sign off; its jobs are taken over once it counts as dead");
        }
    }
}
