//! The commit log: positions, marks, checkpoints and purging. `log_gap.rs` has it under many writers.

use crate::Fresh;
use sarsen::data::{LOG_CHANNEL, Log, MAX_APPEND, NewEntry, Owners, Tail};
use sarsen::error::Kind;
use sarsen::{Clock, Db, Error, Timestamp};
use std::time::Duration;

async fn log(fresh: &Fresh) -> Log {
    fresh.db.migrate(&[sarsen::app::own_migrations()]).await.unwrap();
    fresh.db.log()
}

fn entry(name: &str) -> NewEntry {
    NewEntry {
        id: Clock::real().id(),
        name: name.to_owned(),
        version: 1,
        key: String::new(),
        data: "{\"text\":\"it's\"}".to_owned(),
        meta: "{}".to_owned(),
    }
}

async fn append(db: &Db, names: &[&str]) -> Vec<i64> {
    let tx = db.begin().await.unwrap();
    let positions = db.log().append_many(&tx, names.iter().map(|name| entry(name)).collect()).await.unwrap();
    tx.commit().await.unwrap();
    positions
}

fn names(tail: &Tail) -> Vec<&str> {
    tail.entries.iter().map(|entry| entry.name.as_str()).collect()
}

pub(crate) async fn entries_come_back_in_order(fresh: Fresh) {
    let log = log(&fresh).await;
    assert_eq!((log.mark().await.unwrap(), log.tail(0, &[], 10).await.unwrap()), (0, Tail::default()));
    let mut listener = fresh.db.listen(LOG_CHANNEL);
    let (tx, new) = (fresh.db.begin().await.unwrap(), NewEntry { version: 7, key: "k".to_owned(), ..entry("a") });
    let first = log.append(&tx, new.clone()).await.unwrap();
    let more = log.append_many(&tx, vec![entry("b"), entry("c")]).await.unwrap();
    let last = log.append(&tx, entry("d")).await.unwrap();
    assert!(first < more[0] && more[0] < more[1] && more[1] < last);
    tx.commit().await.unwrap();
    listener.woken().await;
    let tail = log.tail(0, &[], 10).await.unwrap();
    assert_eq!((names(&tail), tail.mark, tail.held), (vec!["a", "b", "c", "d"], last, false));
    let read = &tail.entries[0];
    assert_eq!((read.pos, read.id, read.version, &read.key), (first, new.id, 7, &new.key));
    assert_eq!((&read.data, &read.meta), (&new.data, &new.meta));
    assert!(Clock::real().now().since(read.at) < Duration::from_secs(60));
    let part = log.tail(0, &[], 2).await.unwrap();
    assert_eq!((names(&part), part.mark), (vec!["a", "b"], more[0]));
    assert_eq!(names(&log.tail(part.mark, &[], 2).await.unwrap()), ["c", "d"]);
    assert_eq!(log.tail(last, &[], 2).await.unwrap(), Tail { mark: last, last, ..Tail::default() });
    let tx = fresh.db.begin().await.unwrap();
    let many = log.append_many(&tx, (0..MAX_APPEND).map(|_| entry("m")).collect()).await.unwrap();
    assert!(many.len() == MAX_APPEND && many.is_sorted());
    let error = log.append_many(&tx, (0..=MAX_APPEND).map(|_| entry("m")).collect()).await.unwrap_err();
    assert_eq!((error.kind(), log.append_many(&tx, Vec::new()).await.unwrap().len()), (Kind::Invalid, 0));
    tx.rollback().await.unwrap();
    append(&fresh.db, &["e"]).await;
    assert_eq!(names(&log.tail(last, &[], 10).await.unwrap()), ["e"], "a gap is nothing to wait for");
}

pub(crate) async fn a_tail_passes_over_other_names(fresh: Fresh) {
    let log = log(&fresh).await;
    let positions = append(&fresh.db, &["a", "b", "a", "c", "b", "c"]).await;
    let tail = log.tail(0, &["b"], 10).await.unwrap();
    assert_eq!((names(&tail), tail.mark), (vec!["b", "b"], positions[5]));
    let tail = log.tail(0, &["a", "b"], 2).await.unwrap();
    assert_eq!((names(&tail), tail.mark), (vec!["a", "b"], positions[1]));
    let tail = log.tail(tail.mark, &["a", "b"], 2).await.unwrap();
    assert_eq!((names(&tail), tail.mark), (vec!["a", "b"], positions[4]));
    let tail = log.tail(tail.mark, &["a", "b"], 2).await.unwrap();
    assert_eq!((tail.entries.len(), tail.mark), (0, positions[5]));
}

pub(crate) async fn nothing_is_read_before_what_is_behind_it_is_known(fresh: Fresh) {
    let log = log(&fresh).await;
    let before = append(&fresh.db, &["before"]).await[0];
    let early = fresh.db.begin().await.unwrap();
    log.append(&early, entry("early")).await.unwrap();
    // Where one writes at a time, a second transaction would only wait.
    let late = async {
        append(&fresh.db, &["late"]).await;
        let tail = log.tail(before, &[], 10).await.unwrap();
        if !tail.entries.is_empty() {
            return;
        }
        assert_eq!((tail.mark, tail.held), (before, true), "`early` may yet come before `late`");
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        early.commit().await.unwrap();
    };
    tokio::join!(late, end);
    let tail = log.tail(before, &[], 10).await.unwrap();
    assert_eq!((names(&tail), tail.held), (vec!["early", "late"], false));
    // One that appends nothing holds nothing up.
    fresh.db.query("CREATE TABLE t (x BIGINT)").execute().await.unwrap();
    append(&fresh.db, &["seen"]).await;
    let unrelated = fresh.db.begin().await.unwrap();
    unrelated.query("INSERT INTO t (x) VALUES (1)").execute().await.unwrap();
    assert_eq!(names(&log.tail(tail.mark, &[], 10).await.unwrap()), ["seen"]);
    unrelated.rollback().await.unwrap();
}

pub(crate) async fn a_savepoint_that_is_undone_holds_nothing(fresh: Fresh) {
    let log = log(&fresh).await;
    let tx = fresh.db.begin().await.unwrap();
    let undone = tx.savepoint(async |tx| {
        log.append(tx, entry("undone")).await?;
        tx.savepoint(async |tx| log.append(tx, entry("undone")).await).await?;
        Err::<(), _>(Error::invalid("no"))
    });
    assert!(undone.await.is_err());
    tx.savepoint(async |tx| tx.savepoint(async |tx| log.append(tx, entry("kept")).await).await).await.unwrap();
    let undone = tx.savepoint(async |tx| {
        log.append(tx, entry("undone")).await?;
        Err::<(), _>(Error::invalid("no"))
    });
    assert!(undone.await.is_err());
    let open = log.tail(0, &[], 10).await.unwrap();
    assert!(open.entries.is_empty(), "what is kept holds the mark until the commit: {open:?}");
    tx.commit().await.unwrap();
    assert_eq!(names(&log.tail(0, &[], 10).await.unwrap()), ["kept"]);
}

pub(crate) async fn a_checkpoint_is_moved_by_one_only(fresh: Fresh) {
    let (log, db) = (log(&fresh).await, &fresh.db);
    assert_eq!(log.checkpoint("c").await.unwrap(), 0);
    for (from, to, moved) in [(0, 5, true), (0, 6, false), (4, 6, false), (5, 9, true), (9, 9, true), (5, 10, false)] {
        let tx = db.begin().await.unwrap();
        assert_eq!(log.advance(&tx, "c", from, to).await.unwrap(), moved, "{from} to {to}");
        tx.commit().await.unwrap();
    }
    assert_eq!(log.checkpoint("c").await.unwrap(), 9);
    let tx = db.begin().await.unwrap();
    assert_eq!(log.advance(&tx, "c", 9, 8).await.unwrap_err().kind(), Kind::Invalid);
    assert!(!log.advance(&tx, "new", 3, 4).await.unwrap(), "a new one begins at 0");
    log.set_checkpoint(&tx, "c", 2).await.unwrap();
    log.set_checkpoint(&tx, "d", 3).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((log.checkpoint("c").await.unwrap(), log.checkpoint("d").await.unwrap()), (2, 3));
    let race = (0..8).map(|_| {
        let (db, log) = (db.clone(), log.clone());
        tokio::spawn(async move {
            let tx = db.begin().await.unwrap();
            let moved = log.advance(&tx, "race", 0, 1).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            tx.commit().await.unwrap();
            moved
        })
    });
    let moved = futures_util::future::join_all(race).await.into_iter().filter(|moved| *moved.as_ref().unwrap()).count();
    assert_eq!(moved, 1);
}

pub(crate) async fn lags_say_what_is_unread(fresh: Fresh) {
    let log = log(&fresh).await;
    let positions = append(&fresh.db, &["a", "b", "c"]).await;
    let tx = fresh.db.begin().await.unwrap();
    log.set_checkpoint(&tx, "some", positions[0]).await.unwrap();
    log.set_checkpoint(&tx, "all", positions[2]).await.unwrap();
    tx.commit().await.unwrap();
    let lags = log.lags().await.unwrap();
    let facts: Vec<_> = lags.iter().map(|lag| (lag.consumer.as_str(), lag.pos, lag.behind)).collect();
    assert_eq!(facts, [("all", positions[2], 0), ("some", positions[0], 2)]);
    assert!(lags[0].oldest.is_none() && lags[1].oldest.unwrap() < Duration::from_secs(60));
}

pub(crate) async fn what_is_unread_is_not_purged(fresh: Fresh) {
    let log = log(&fresh).await;
    let positions = append(&fresh.db, &["a", "b", "c", "d"]).await;
    let soon = Clock::real().now() + Duration::from_secs(60);
    let tx = fresh.db.begin().await.unwrap();
    log.set_checkpoint(&tx, "slow", positions[1]).await.unwrap();
    log.set_checkpoint(&tx, "quick", positions[3]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(log.purge(Timestamp::from_micros(0), 100).await.unwrap(), 0, "nothing is that old");
    assert_eq!((log.purge(soon, 1).await.unwrap(), log.purge(soon, 100).await.unwrap()), (1, 1));
    assert_eq!(names(&log.tail(0, &[], 10).await.unwrap()), ["c", "d"]);
    let tx = fresh.db.begin().await.unwrap();
    log.forget(&tx, "slow").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(log.purge(soon, 100).await.unwrap(), 2);
    let empty = log.tail(0, &[], 10).await.unwrap();
    assert_eq!((empty.entries.len(), empty.mark), (0, positions[3]), "the mark does not go back");
    assert!(append(&fresh.db, &["e"]).await[0] > positions[3]);
}

pub(crate) async fn a_module_appends_in_its_transaction(fresh: Fresh) {
    let log = log(&fresh).await;
    let mut owners = Owners::new();
    owners.own("sarsen", "sarsen_log").unwrap();
    owners.own("sarsen", "sarsen_checkpoints").unwrap();
    fresh.db.set_owners(owners);
    let messages = fresh.db.for_module("messages");
    let tx = messages.begin().await.unwrap();
    log.append(&tx, entry("a")).await.unwrap();
    log.advance(&tx, "messages", 0, 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(&messages.log().tail(0, &[], 10).await.unwrap()), ["a"]);
    assert!(messages.query("SELECT pos FROM sarsen_log").all::<(i64,)>().await.is_err(), "not by its own SQL");
}
