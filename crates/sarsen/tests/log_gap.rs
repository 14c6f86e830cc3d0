//! The commit log under writers that commit out of order: nothing is lost, doubled or out of order, and nothing waits for
//! a transaction that has nothing to do with the log.
//!
//! It prints the time from a commit to its consumer: in the process, and in another one.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test says what it expects"
)]

use sarsen::config::{DatabaseSection, Span, Url};
use sarsen::data::{Entry, LOG_CHANNEL, NewEntry};
use sarsen::{Clock, Db, Error};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

const WRITERS: u64 = 12;
const TRANSACTIONS: u64 = 60;

/// What was committed, and when that was known.
type Committed = Arc<Mutex<HashMap<Uuid, Instant>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::new(format!("sqlite:{}", folder.path().join("test.db").display()));
    // While somebody writes here, nobody else does: an unrelated transaction is in the way whatever the log does.
    check(section(url), Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_server() {
    let Ok(url) = std::env::var("SARSEN_TEST_POSTGRES") else {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_POSTGRES is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no PostgreSQL; run `cargo xtask services -- cargo test`");
        return;
    };
    let name = format!("t_{}", Clock::real().id().simple());
    let admin = Db::connect(&section(Url::new(url.clone())), &Clock::real()).await.unwrap();
    admin.query(format!("CREATE DATABASE {name}")).execute().await.unwrap();
    admin.close().await;
    let base = url.rsplit_once('/').unwrap().0;
    check(section(Url::new(format!("{base}/{name}"))), Duration::from_secs(4)).await;
}

fn section(url: Url) -> DatabaseSection {
    DatabaseSection {
        url,
        connections: 20,
        acquire_timeout: Span(Duration::from_secs(30)),
        ..DatabaseSection::default()
    }
}

async fn check(section: DatabaseSection, unrelated: Duration) {
    let db = Db::connect(&section, &Clock::real()).await.unwrap();
    db.migrate(&[sarsen::app::own_migrations()]).await.unwrap();
    db.query("CREATE TABLE unrelated (x BIGINT)").execute().await.unwrap();
    let other = Db::connect(&section, &Clock::real()).await.unwrap();
    let (committed, stop) = (Committed::default(), watch::Sender::new(None));
    let read = [&db, &other].map(|db| tokio::spawn(follow(db.clone(), stop.subscribe())));
    let holds = tokio::spawn(hold(db.clone(), unrelated));
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(db.clone(), writer, committed.clone())));
    futures_util::future::join_all(writers).await.into_iter().for_each(Result::unwrap);
    stop.send_replace(Some(db.log().mark().await.unwrap()));
    let committed = std::mem::take(&mut *committed.lock().unwrap());
    for (name, read) in ["in process", "another process"].into_iter().zip(read) {
        judge(name, db_name(&section), &committed, &read.await.unwrap());
    }
    holds.await.unwrap();
}

fn db_name(section: &DatabaseSection) -> &'static str {
    if section.url.scheme() == "sqlite" { "embedded" } else { "server" }
}

/// A transaction that writes something else, and takes long.
async fn hold(db: Db, time: Duration) {
    let tx = db.begin().await.unwrap();
    tx.query("INSERT INTO unrelated (x) VALUES (1)").execute().await.unwrap();
    tokio::time::sleep(time).await;
    tx.commit().await.unwrap();
}

fn entry(writer: u64) -> NewEntry {
    let (id, key) = (Clock::real().id(), writer.to_string());
    NewEntry { id, name: format!("n{}", writer % 3), version: 1, key, data: "{}".to_owned(), meta: "{}".to_owned() }
}

async fn write(db: Db, writer: u64, committed: Committed) {
    let (log, mut random) = (db.log(), fastrand::Rng::with_seed(writer));
    for _ in 0..TRANSACTIONS {
        let tx = db.begin().await.unwrap();
        let mut ids = Vec::new();
        if random.bool() {
            let undone = random.u8(..10) == 0;
            // What is undone lets go of the lock that it took.
            let kept = tx.savepoint(async |tx| {
                let entries = vec![entry(writer), entry(writer)];
                let written = entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
                log.append_many(tx, entries).await?;
                if undone { Err(Error::invalid("undone")) } else { Ok(written) }
            });
            ids.extend(kept.await.unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(random.u64(..=20))).await;
        let last = entry(writer);
        ids.push(last.id);
        log.append(&tx, last).await.unwrap();
        tokio::time::sleep(Duration::from_millis(random.u64(..=5))).await;
        if random.u8(..10) == 0 {
            tx.rollback().await.unwrap();
            continue;
        }
        tx.commit().await.unwrap();
        let now = Instant::now();
        committed.lock().unwrap().extend(ids.into_iter().map(|id| (id, now)));
    }
}

/// Follows the log until the position that it is told to stop at.
async fn follow(db: Db, mut stop: watch::Receiver<Option<i64>>) -> Vec<(Entry, Instant)> {
    let (log, mut listener) = (db.log(), db.listen(LOG_CHANNEL));
    let (mut after, mut all) = (0, Vec::new());
    while stop.borrow().is_none_or(|stop| after < stop) {
        let tail = log.tail(after, &[], 50).await.unwrap();
        let now = Instant::now();
        let nothing = tail.entries.is_empty();
        all.extend(tail.entries.into_iter().map(|entry| (entry, now)));
        after = tail.mark;
        if nothing {
            let pause = Duration::from_millis(if tail.held { 10 } else { 1000 });
            tokio::select! {
                () = listener.woken() => {}
                _ = stop.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
    all
}

fn judge(reader: &str, database: &str, committed: &HashMap<Uuid, Instant>, read: &[(Entry, Instant)]) {
    let seen: HashSet<Uuid> = read.iter().map(|(entry, _)| entry.id).collect();
    let lost = committed.keys().filter(|id| !seen.contains(id)).count();
    let ghosts = seen.iter().filter(|id| !committed.contains_key(id)).count();
    assert_eq!((lost, ghosts, read.len() - seen.len()), (0, 0, 0), "lost, never committed, doubled");
    assert!(read.windows(2).all(|pair| pair[0].0.pos < pair[1].0.pos), "in the order of positions");
    for key in (0..WRITERS).map(|writer| writer.to_string()) {
        let ids: Vec<Uuid> = read.iter().filter(|(entry, _)| entry.key == key).map(|(entry, _)| entry.id).collect();
        assert!(ids.is_sorted(), "what one writer did stays in its order");
    }
    let mut times: Vec<Duration> =
        read.iter().map(|(entry, at)| at.saturating_duration_since(committed[&entry.id])).collect();
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{database}, {reader}: {} entries, commit to consumer p50 {p50:.1?}, p99 {p99:.1?}", read.len());
    assert!(p50 < Duration::from_secs(1), "the tail stalls behind what has nothing to do with it");
}
