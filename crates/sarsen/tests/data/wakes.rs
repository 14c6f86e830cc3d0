//! Wakes: heard at once in the process, soon in others, and never lost while somebody works.

use crate::Fresh;
use sarsen::data::Listener;
use sarsen::{Clock, Db};
use std::time::{Duration, Instant};

async fn heard(listener: &mut Listener, within: u64) -> bool {
    tokio::time::timeout(Duration::from_millis(within), listener.woken()).await.is_ok()
}

/// Until the listening has begun, everybody may be woken without a cause.
async fn quiet(listener: &mut Listener) {
    while heard(listener, 400).await {}
}

pub(crate) async fn a_wake_is_heard_once_and_never_lost(fresh: Fresh) {
    let (mut jobs, mut log) = (fresh.db.listen("jobs"), fresh.db.listen("log"));
    let mut again = fresh.db.listen("jobs");
    quiet(&mut jobs).await;
    quiet(&mut log).await;
    quiet(&mut again).await;
    fresh.db.wake("jobs");
    fresh.db.wake("jobs");
    fresh.db.wake("nobody listens to this");
    assert!(heard(&mut jobs, 0).await, "it was woken while it worked");
    assert!(!heard(&mut jobs, 200).await, "once, also when the wake comes back from the database");
    assert!(heard(&mut again, 0).await);
    assert!(!heard(&mut log, 0).await);
    let waiting = tokio::spawn(async move {
        log.woken().await;
        Instant::now()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let asked = Instant::now();
    fresh.db.wake("log");
    let took = waiting.await.unwrap() - asked;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

pub(crate) async fn a_transaction_wakes_when_it_is_committed(fresh: Fresh) {
    fresh.db.query("CREATE TABLE t (x BIGINT)").execute().await.unwrap();
    let mut listener = fresh.db.listen("jobs");
    quiet(&mut listener).await;
    let tx = fresh.db.begin().await.unwrap();
    tx.query("INSERT INTO t (x) VALUES (1)").execute().await.unwrap();
    tx.wake("jobs");
    tx.wake("jobs");
    assert!(!heard(&mut listener, 100).await, "not before the commit");
    tx.commit().await.unwrap();
    assert!(heard(&mut listener, 0).await);
    assert!(!heard(&mut listener, 100).await);
    let tx = fresh.db.begin().await.unwrap();
    tx.wake("jobs");
    tx.rollback().await.unwrap();
    let tx = fresh.db.begin().await.unwrap();
    tx.wake("jobs");
    drop(tx);
    let tx = fresh.db.begin().await.unwrap();
    tx.wake("jobs");
    assert!(tx.query("INSERT INTO nowhere VALUES (1)").execute().await.is_err());
    assert!(tx.commit().await.is_err());
    assert!(!heard(&mut listener, 200).await);
}

/// What another process would be: connections of its own.
async fn other(fresh: &Fresh) -> Db {
    Db::connect(&fresh.section, &Clock::real()).await.unwrap()
}

async fn commit_and_wake(db: &Db) {
    let tx = db.begin().await.unwrap();
    tx.query("INSERT INTO t (x) VALUES (1)").execute().await.unwrap();
    tx.wake("jobs");
    tx.commit().await.unwrap();
}

pub(crate) async fn other_processes_are_woken(fresh: Fresh) {
    fresh.db.query("CREATE TABLE t (x BIGINT)").execute().await.unwrap();
    let other = other(&fresh).await;
    let (mut here, mut there) = (fresh.db.listen("jobs"), other.listen("jobs"));
    quiet(&mut here).await;
    quiet(&mut there).await;
    for _ in 0..3 {
        commit_and_wake(&other).await;
        assert!(heard(&mut here, 2000).await);
        assert!(heard(&mut there, 0).await);
        quiet(&mut here).await;
        assert!(!heard(&mut there, 0).await, "its own wake does not come back");
    }
    // Many at once become few, and the last is heard.
    for _ in 0..100 {
        commit_and_wake(&other).await;
    }
    assert!(heard(&mut here, 2000).await);
    quiet(&mut here).await;
    commit_and_wake(&fresh.db).await;
    assert!(heard(&mut there, 2000).await, "and the other way round");
}

pub(crate) async fn a_broken_line_is_mended(fresh: Fresh) {
    fresh.db.query("CREATE TABLE t (x BIGINT)").execute().await.unwrap();
    let other = other(&fresh).await;
    let mut here = fresh.db.listen("jobs");
    quiet(&mut here).await;
    commit_and_wake(&other).await;
    assert!(heard(&mut here, 2000).await);
    quiet(&mut here).await;
    // Where the line is a connection to a server, both ends break.
    let broken = "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS BIGINT) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    if other.query(broken).scalar::<i64>().await.is_ok() {
        assert!(heard(&mut here, 5000).await, "something may have been missed");
    }
    quiet(&mut here).await;
    for _ in 0..20 {
        if let Ok(tx) = other.begin().await {
            tx.wake("jobs");
            if tx.query("INSERT INTO t (x) VALUES (1)").execute().await.is_ok() && tx.commit().await.is_ok() {
                break;
            }
        }
    }
    assert!(heard(&mut here, 5000).await);
}

pub(crate) async fn listeners_end(fresh: Fresh) {
    fresh.db.query("CREATE TABLE t (x BIGINT)").execute().await.unwrap();
    let other = other(&fresh).await;
    for _ in 0..3 {
        let mut listener = fresh.db.listen("jobs");
        quiet(&mut listener).await;
        drop(listener);
    }
    let mut listener = fresh.db.listen("jobs");
    quiet(&mut listener).await;
    commit_and_wake(&other).await;
    assert!(heard(&mut listener, 2000).await, "the first listener after none listens again");
    quiet(&mut listener).await;
    fresh.db.close().await;
    let tx = other.begin().await.unwrap();
    tx.wake("jobs");
    tx.commit().await.unwrap();
    assert!(!heard(&mut listener, 300).await, "a closed database hears nothing of others");
    fresh.db.wake("jobs");
    assert!(heard(&mut listener, 0).await);
}
