//! The only place that spawns: tracked tasks, the signal to stop, readiness, and the drain with its deadline.

use crate::clock;
use crate::error::Result;
use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Tasks of this process that have not ended.
static TASKS: AtomicUsize = AtomicUsize::new(0);
static ENDED: Notify = Notify::const_new();

struct Tracked;

impl Tracked {
    fn start() -> Self {
        TASKS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if TASKS.fetch_sub(1, Ordering::SeqCst) == 1 {
            ENDED.notify_waiters();
        }
    }
}

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread does work that may block: it holds up no task of the runtime.
#[inline]
pub fn may_block() -> bool {
    MAY_BLOCK.get()
}

/// Marks the thread until it is dropped: those for blocking work are used again for something else.
struct Blocking;

impl Blocking {
    fn begin() -> Self {
        MAY_BLOCK.set(true);
        Self
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        MAY_BLOCK.set(false);
    }
}

/// Runs `future` as a task of its own, which the drain waits for. `telemetry::spawn` also carries the Operation along.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tracked = Tracked::start();
    tokio::spawn(async move {
        let _tracked = tracked;
        future.await
    })
}

/// Runs a task that ends with the process: the drain does not wait for it.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn_background<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Runs `work` on the threads for blocking work. `telemetry::blocking` also measures it.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let tracked = Tracked::start();
    tokio::task::spawn_blocking(move || {
        let (_tracked, _blocking) = (tracked, Blocking::begin());
        work()
    })
}

/// Drives `future`, which may block, on a thread for blocking work.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn_driving<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (tracked, runtime) = (Tracked::start(), tokio::runtime::Handle::current());
    tokio::task::spawn_blocking(move || {
        let (_tracked, _blocking) = (tracked, Blocking::begin());
        runtime.block_on(future)
    })
}

/// Drives `future` on a thread and a runtime of its own, which nothing else can hold up; the drain does not wait for it.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn_thread(name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name.into()).spawn(move || runtime.block_on(future))?;
    Ok(())
}

/// Runs `work` on a thread of its own, without a runtime; the drain does not wait for it.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn start_thread(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work)?;
    Ok(())
}

/// Points at which a process can be told to die, each with the role that passes it: what a crash there leaves behind is what
/// `cargo xtask crash` looks at.
pub const FAULTS: [(&str, &str); 22] = [
    // The row is there, its transaction is not committed.
    ("jobs.inserted", "web"),
    // Taken, and nobody has begun.
    ("jobs.claimed", "worker"),
    // The handler has returned, and what it committed stands; nobody has written down that the job ended.
    ("jobs.ran", "worker"),
    // The end is written, with all that it concerns, and not committed.
    ("jobs.completing", "worker"),
    ("jobs.settling", "worker"),
    ("jobs.settled", "worker"),
    // What waited for a job or a batch may run; not committed.
    ("jobs.released", "worker"),
    // Nobody has been told yet.
    ("jobs.promoted", "worker"),
    // The jobs of a dead process are given back; not committed.
    ("jobs.rescuing", "worker"),
    // That is committed, and the dead process still written down.
    ("jobs.rescued", "worker"),
    ("log.appended", "web"),
    // Committed, and nobody has been told: neither the caller nor who listens.
    ("data.committed", "web"),
    // The effects of a delivery are committed.
    ("events.delivered", "worker"),
    // Events are applied, the checkpoint has moved; not committed.
    ("events.projecting", "worker"),
    // The tables of the next generation are made; not committed.
    ("events.rebuilding", "web"),
    // They have taken the place of the live ones; not committed.
    ("events.swapping", "worker"),
    // An upload has its row, and nothing of it is written.
    ("blobs.pending", "web"),
    // Some of it is written, and has no name yet.
    ("blobs.writing", "web"),
    // All of it is on the disk under its name; no transaction knows.
    ("blobs.written", "web"),
    // It is kept; not committed.
    ("blobs.keeping", "web"),
    // It is to be deleted; not committed.
    ("blobs.deleting", "web"),
    // Its bytes are gone, and its row is still there.
    ("blobs.removed", "worker"),
];

/// Where this process is to die, and at which passing.
struct Armed {
    point: String,
    left: AtomicUsize,
}

/// Dies here, as by `kill -9`, when the environment said so at the start: `SARSEN_TEST_FAULT=jobs.claimed:3` is the third
/// time that this point of [`FAULTS`] is passed. Otherwise it does nothing.
pub(crate) fn fault(point: &'static str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    if let Some(armed) = ARMED.get_or_init(armed)
        && armed.point == point
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        kill_self();
    }
}

fn armed() -> Option<Armed> {
    let text = std::env::var("SARSEN_TEST_FAULT").ok()?;
    let (point, times) = text.split_once(':').unwrap_or((&text, "1"));
    Some(Armed { point: point.to_owned(), left: AtomicUsize::new(times.parse().unwrap_or(1)) })
}

/// Nothing is flushed, dropped or rolled back.
fn kill_self() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        let _ = kill_process(getpid(), Signal::KILL);
    }
    std::process::abort();
}

/// How many tracked tasks are at work.
pub fn running() -> usize {
    TASKS.load(Ordering::SeqCst)
}

/// The state of one application's life: starting, ready, stopping.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<State>);

#[derive(Debug)]
struct State {
    ready: AtomicBool,
    stop: watch::Sender<bool>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self(Arc::new(State { ready: AtomicBool::new(false), stop: watch::Sender::new(false) }))
    }
}

impl Lifecycle {
    /// Says that requests may come.
    pub fn set_ready(&self) {
        self.0.ready.store(true, Ordering::SeqCst);
    }

    /// Whether requests may come: started and not stopping.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::SeqCst) && !self.is_stopping()
    }

    /// Asks everything to stop.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.0.stop.borrow()
    }

    /// Waits until it is asked to stop.
    pub async fn stopping(&self) {
        let mut stop = self.0.stop.subscribe();
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Waits until all tracked tasks have ended, at most for `grace`.
    pub async fn drain(&self, grace: Duration) -> Result<()> {
        clock::until(clock::monotonic() + grace, idle()).await
    }
}

async fn idle() {
    loop {
        let ended = ENDED.notified();
        if running() == 0 {
            return;
        }
        ended.await;
    }
}

/// Waits for ctrl-c or SIGTERM, and says which it was.
pub async fn signal() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = tokio::signal::ctrl_c() => "ctrl-c",
            },
            Err(_) => {
                let _ = tokio::signal::ctrl_c().await;
                "ctrl-c"
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
        "ctrl-c"
    }
}
