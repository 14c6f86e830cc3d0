//! The resources under the Operations: the machine and the process, the threads of the runtime and what holds them up, and
//! what only a few can hold at a time.
//!
//! [`Facts`] gives all of it for the time since it was asked last. What is booked at each poll and each hold is a few
//! stores; everything else is read by whoever asks, and by one thread that looks every few milliseconds.

mod canary;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod frames;
#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "no_frames.rs"]
mod frames;
mod holder;
mod ledger;
pub(crate) mod line;
mod lock;
mod named;
mod parse;
mod process;
mod site;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod stack;
#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "no_stack.rs"]
mod stack;
mod stalls;
mod watch;

pub(crate) use holder::job;
pub use holder::{Holder, Holding, Waiting, WaitingFor};
pub use lock::{Lock, Locked};
#[cfg(test)]
pub(crate) use named::FULL;
pub use named::Named;
pub use site::line_of_code;

use super::WaitKind;
use super::snapshot::{HolderSpan, ProcessFacts, Stall};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use canary::{Cage, Canary};
use holder::Holders;
use ledger::Known;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::runtime::Handle;
use watch::User;

/// The threads for blocking work, of the whole process.
static BLOCKING: LazyLock<Holder> = LazyLock::new(|| Holder::new(WaitKind::Blocking, "blocking threads", 0));

/// What the resources did, each time since the last. Clones are the same reader.
///
/// Start it on the runtime that it is to look at. It looks until it is dropped, or until the application stops. Asking reads
/// a few files of the kernel, some tenths of a millisecond: do it on a thread that may block, once a second.
#[derive(Clone, Debug)]
pub struct Facts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    user: Arc<User>,
    canary: Arc<Canary>,
    runtime: Option<Handle>,
    reader: Mutex<Reader>,
}

#[derive(Debug)]
struct Reader {
    process: process::Reader,
    stalls: stalls::Reader,
    holders: Holders,
    runtime: Known,
}

impl Facts {
    /// Begins to look, as `[telemetry]` says. A thread that cannot be started is logged, and what it would see is zero.
    pub fn start(config: &Config, lifecycle: &Lifecycle) -> Self {
        let section = &config.telemetry;
        let canary = Arc::new(Canary::default());
        let user = Arc::new(User {
            lifecycle: lifecycle.clone(),
            stall_after: section.stall_after.0,
            stacks: section.stacks,
            memory_limit: section.memory_limit.0,
            cage: Mutex::new(Cage::open(&canary, section.canary.0)),
        });
        if let Err(error) = watch::start(&user) {
            tracing::warn!("nobody looks for polls that hold up the runtime: {}", error.report());
        }
        BLOCKING.set_capacity(config.process.blocking_threads.max(1) as u64);
        let mut reader = Reader {
            process: process::Reader::open(disk_of(config)),
            stalls: stalls::Reader::at_the_end(),
            holders: Holders::default(),
            runtime: Known::default(),
        };
        // What was before is nobody's.
        let _ = (reader.holders.read(), runtime_span(&mut reader.runtime, None));
        Self(Arc::new(Inner { user, canary, runtime: Handle::try_current().ok(), reader: Mutex::new(reader) }))
    }

    /// What came since the last time.
    pub fn read(&self) -> (ProcessFacts, Vec<Stall>, Vec<HolderSpan>) {
        let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = self.0.runtime.as_ref();
        let (canary_p50, canary_p99) = self.0.canary.read();
        let workers = runtime.map_or(0, |runtime| runtime.metrics().num_workers() as u64);
        let mut process = ProcessFacts { workers, canary_p50, canary_p99, ..reader.process.read() };
        if self.0.user.memory_limit > 0 {
            process.memory_limit = self.0.user.memory_limit;
        }
        let long = u64::try_from(self.0.user.stall_after.as_nanos()).unwrap_or(u64::MAX);
        let stalls = reader.stalls.read(long);
        let mut holders = reader.holders.read();
        holders.push(runtime_span(&mut reader.runtime, runtime));
        (process, stalls, holders)
    }
}

/// The runtime's threads as something that is held: who polled how long.
fn runtime_span(known: &mut Known, runtime: Option<&Handle>) -> HolderSpan {
    let mut sums = Vec::new();
    line::add_polled_to(&mut sums);
    let metrics = runtime.map(Handle::metrics);
    HolderSpan {
        kind: WaitKind::Queue,
        label: "runtime".into(),
        capacity: metrics.as_ref().map_or(0, |metrics| metrics.num_workers() as u64),
        in_use: line::polling(),
        waiting: metrics.map_or(0, |metrics| metrics.global_queue_depth() as u64),
        waited: 0,
        held: known.since(sums),
    }
}

/// The folder of the database, where it is a file of this machine; else where the process is.
fn disk_of(config: &Config) -> PathBuf {
    let url = config.database.url.expose();
    let path = url.split_once(':').map_or("", |(_, path)| path.trim_start_matches("//"));
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The Operation at hand holds a thread for blocking work, until the guard is dropped.
pub(crate) fn hold_blocking_thread() -> Holding {
    BLOCKING.hold()
}

/// Work for a thread for blocking work: it waits for one from now on, and then it holds it.
pub(crate) fn on_blocking_thread<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let waiting = BLOCKING.waiting();
    let name = Named::at_hand();
    move || {
        drop(waiting);
        let _held = BLOCKING.hold_for(name);
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[tokio::test]
    async fn all_of_it_is_read_in_less_than_a_millisecond() {
        let facts = Facts::start(&Config::default(), &Lifecycle::default());
        let _holders: Vec<Holder> =
            (0..20).map(|number| Holder::new(WaitKind::Named, format!("{number}"), 1)).collect();
        let quickest = (0..50).map(|_| {
            let started = clock::monotonic();
            facts.read();
            clock::monotonic() - started
        });
        let quickest = quickest.min().unwrap_or_default();
        println!("all facts: {quickest:?}");
        assert!(quickest < Duration::from_millis(5), "{quickest:?}");
    }

    #[test]
    fn the_disk_is_that_of_the_database_where_it_is_a_file() {
        let folder = std::env::temp_dir();
        let mut config = Config::default();
        config.database.url = crate::config::Url::embedded(&folder.join("app.db").display().to_string());
        assert_eq!(disk_of(&config), folder);
        config.database.url = crate::config::Url::new("other://somebody:secret@host:1/name");
        assert_eq!(disk_of(&config), Path::new("."));
    }
}
