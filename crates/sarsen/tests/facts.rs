//! What the resources tell: blocking lines by name, unseen waits, and who holds what others wait for.

use sarsen::config::{Config, DatabaseSection, Span, Url};
use sarsen::data::Db;
use sarsen::lifecycle::{self, Lifecycle};
use sarsen::telemetry::{
    Facts, Holder, HolderSpan, Lock, Operation, OperationKind, Outcome, Recorder, Stall, WaitKind, line_of_code,
};
use sarsen::{Clock, clock, telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

fn facts() -> (Facts, Lifecycle) {
    let lifecycle = Lifecycle::default();
    (Facts::start(&Config::default(), &lifecycle), lifecycle)
}

/// Does `work` as an Operation of this name, on a thread of the runtime.
async fn operation<T: Send + 'static>(name: &str, work: impl Future<Output = T> + Send + 'static) -> T {
    let operation = Operation::open(OperationKind::Request, name, &Recorder::new(1));
    let scope = operation.scope(work);
    let done = lifecycle::spawn_background(scope).await.expect("it ends");
    operation.close(Outcome::Done);
    done
}

/// Waits until `found` finds something in what is read, at most 20 s: lines are read from the program on a thread.
async fn until_found<T>(facts: &Facts, mut found: impl FnMut(Vec<Stall>, Vec<HolderSpan>) -> Option<T>) -> T {
    let until = clock::monotonic() + Duration::from_secs(20);
    while clock::monotonic() < until {
        let (_, stalls, holders) = facts.read();
        if let Some(found) = found(stalls, holders) {
            return found;
        }
        clock::pause(Duration::from_millis(20)).await;
    }
    panic!("nothing was found in 20 s");
}

/// A stall whose line was found. Beside others a thread may not come to answer in time, so it is tried again.
async fn stall_of<T: Send + 'static>(facts: &Facts, name: &str, work: fn() -> T) -> (Stall, T) {
    for _ in 0..20 {
        let done = operation(name, async move { work() }).await;
        let is_mine = |stall: &Stall| stall.operation.1 == name && stall.took >= 10_000_000;
        let stall = until_found(facts, |stalls, _| stalls.into_iter().find(is_mine)).await;
        if stall.watched && !stall.site.is_empty() {
            return (stall, done);
        }
    }
    panic!("nobody saw {name}");
}

#[inline(never)]
#[expect(clippy::disallowed_methods, reason = "this is what is to be found")]
fn blocks_the_thread() -> String {
    let line = line!() + 1;
    std::thread::sleep(Duration::from_millis(40));
    line_of_code(file!(), line)
}

#[inline(never)]
fn computes(for_ms: u64) -> (u64, u32) {
    let (until, from, mut sum) = (clock::monotonic() + Duration::from_millis(for_ms), line!(), 0_u64);
    while clock::monotonic() < until {
        sum = (0..10_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number).rotate_left(1));
    }
    (sum, from)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_that_blocks_is_named_and_that_it_waits() {
    let (facts, _lifecycle) = facts();
    let (stall, line) = stall_of(&facts, "GET /blocks", blocks_the_thread).await;
    assert_eq!((stall.site, stall.times), (line, 1));
    assert!(stall.on_core < 0.3 && stall.took >= 40_000_000, "{} {}", stall.on_core, stall.took);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_computes_is_told_from_one_that_waits() {
    let (facts, _lifecycle) = facts();
    let (stall, (_, from)) = stall_of(&facts, "GET /computes", || computes(80)).await;
    let line: u32 = stall.site.rsplit(':').next().and_then(|line| line.parse().ok()).expect("a line");
    assert!(stall.site.starts_with("tests/facts.rs:") && (from..from + 4).contains(&line), "{}", stall.site);
    // However little of a core it gets beside others.
    assert!(stall.on_core > 0.7, "{stall:?}");
}

/// The locks that this process has on a file, and on what lies beside it under a longer name.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn locks_on(database: &std::path::Path) -> usize {
    use std::os::unix::fs::MetadataExt;
    let locks = std::fs::read_to_string("/proc/locks").expect("a file of the kernel");
    let beside = |ending: &str| std::fs::metadata(format!("{}{ending}", database.display())).map(|file| file.ino());
    let mine = ["", "-shm"].map(|ending| format!(":{} ", beside(ending).expect("is there")));
    locks.lines().filter(|line| mine.iter().any(|mine| line.contains(mine))).count()
}

/// Whoever closes a file takes all locks of the process from it: then two processes write to a database at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_for_lines_leaves_the_locks_of_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.db");
    let section = DatabaseSection { url: Url::new(format!("sqlite:{}", file.display())), ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await.expect("opens");
    for statement in ["CREATE TABLE notes (id INTEGER)", "INSERT INTO notes (id) VALUES (1)"] {
        db.query(statement).execute().await.expect("works");
    }
    let before = locks_on(&file);
    assert!(before >= 2, "a lock on the file, and one on what its processes share: {before}");
    let (facts, _lifecycle) = facts();
    stall_of(&facts, "GET /blocks-beside-a-database", blocks_the_thread).await;
    assert_eq!(locks_on(&file), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_block_is_no_stall() {
    let (facts, _lifecycle) = facts();
    operation("POST /offloads", async { telemetry::blocking("work", blocks_the_thread).await.map(|_| ()) })
        .await
        .expect("runs");
    operation("POST /after", async { blocks_the_thread() }).await;
    let held = until_found(&facts, |stalls, holders| {
        assert!(stalls.iter().all(|stall| stall.operation.1 != "POST /offloads"), "{stalls:?}");
        holders.into_iter().find(|holder| {
            holder.kind == WaitKind::Blocking && holder.held.iter().any(|held| held.operation.1 == "POST /offloads")
        })
    });
    let held = held.await;
    let mine = held.held.iter().find(|held| held.operation.1 == "POST /offloads").expect("found");
    assert!(mine.time >= 40_000_000 && mine.times == 1, "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_uses_the_threads_of_the_runtime_is_known() {
    let (facts, _lifecycle) = facts();
    operation("GET /uses", async { computes(30) }).await;
    let runtime = until_found(&facts, |_, holders| {
        let runtime = holders.into_iter().find(|holder| holder.label == "runtime")?;
        runtime.held.iter().any(|held| held.operation.1 == "GET /uses").then_some(runtime)
    });
    let runtime = runtime.await;
    let mine = runtime.held.iter().find(|held| held.operation.1 == "GET /uses").expect("found");
    assert_eq!((runtime.kind, runtime.capacity, mine.times), (WaitKind::Queue, 2, 1));
    assert!(mine.time >= 30_000_000, "{runtime:?}");
}

#[cfg(unix)]
#[test]
fn the_canary_sees_what_no_request_can() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
    runtime.block_on(async {
        let (facts, lifecycle) = facts();
        until_flown(&facts).await;
        for _ in 0..5 {
            operation("GET /holds-up", async { blocks_the_thread() }).await;
        }
        let (process, ..) = facts.read();
        assert!(process.canary_p99 >= 20_000_000, "{process:?}");
        assert_eq!(process.workers, 1);
        lifecycle.stop();
    });
}

#[cfg(unix)]
async fn until_flown(facts: &Facts) {
    while facts.read().0.canary_p50 == 0 {
        clock::pause(Duration::from_millis(10)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_switched_off_does_not_fly() {
    let mut config = Config::default();
    (config.telemetry.canary, config.telemetry.stall_after) = (Span(Duration::ZERO), Span(Duration::ZERO));
    let facts = Facts::start(&config, &Lifecycle::default());
    clock::pause(Duration::from_millis(30)).await;
    assert_eq!(facts.read().0.canary_p99, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_of_held_time_is_the_blame() {
    let (facts, _lifecycle) = facts();
    let pool = Arc::new((Holder::new(WaitKind::DatabasePool, "blame", 2), Semaphore::new(2)));
    let take = |pool: Arc<(Holder, Semaphore)>, hold: u64| async move {
        let _place = pool.0.waiting_for(pool.1.acquire()).await;
        let _held = pool.0.hold();
        clock::pause(Duration::from_millis(hold)).await;
    };
    // Twice as many quick ones, so that they release most of the places.
    let many = (0..24).map(|number| match number % 3 {
        0 => operation("GET /slow", take(pool.clone(), 40)),
        _ => operation("GET /quick", take(pool.clone(), 2)),
    });
    futures_util::future::join_all(many.map(Box::pin)).await;
    let (_, _, holders) = facts.read();
    let span = holders.iter().find(|holder| holder.label == "blame").expect("registered");
    let all: u64 = span.held.iter().map(|held| held.time).sum();
    let slow = &span.held[0];
    assert_eq!((slow.operation.1.as_str(), slow.times), ("GET /slow", 8));
    assert!(slow.time * 10 > all * 6, "{span:?}");
    assert!(span.waited > slow.time, "{span:?}");
    assert_eq!((span.in_use, span.waiting, span.capacity), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_says_who_waits_and_who_holds() {
    let (facts, _lifecycle) = facts();
    let lock = Arc::new(Lock::new("report", 0));
    let recorder = Recorder::new(8);
    let (holds, waits) = (lock.clone(), lock.clone());
    let (begun, begins) = tokio::sync::oneshot::channel();
    let holder = operation("POST /holds", async move {
        let mut value = holds.lock().await;
        let _ = begun.send(());
        *value += 1;
        clock::pause(Duration::from_millis(30)).await;
    });
    let waiting = Operation::open(OperationKind::Request, "GET /waits", &recorder);
    let second = async {
        begins.await.expect("it begins");
        *waits.lock().await += 1;
    };
    tokio::join!(holder, waiting.scope(second));
    waiting.close(Outcome::Done);
    let record = recorder.drain();
    let wait = record[0].record().waits()[0].clone();
    assert_eq!((wait.kind, wait.label.as_str(), *lock.try_lock().expect("free")), (WaitKind::Lock, "report", 2));
    let (_, _, holders) = facts.read();
    let span = holders.iter().find(|holder| holder.label == "report").expect("registered");
    assert_eq!(span.held[0].operation, (OperationKind::Request, "POST /holds".to_owned()));
    assert!(span.held[0].time >= 30_000_000 && span.waited > 0, "{span:?}");
}
