//! Writes happen once, together or not at all.

use crate::Fresh;
use sarsen::error::Kind;
use sarsen::{Db, Error};
use std::time::Duration;

async fn table(db: &Db) {
    db.query("CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL CHECK (value >= 0))")
        .execute()
        .await
        .unwrap();
}

async fn count(db: &Db) -> i64 {
    db.query("SELECT CAST(COUNT(*) AS BIGINT) FROM counters").scalar().await.unwrap()
}

const INSERT: &str = "INSERT INTO counters (name, value) VALUES (?, ?)";

pub(crate) async fn a_duplicate_is_a_conflict(fresh: Fresh) {
    table(&fresh.db).await;
    assert_eq!(fresh.db.query(INSERT).bind("a").bind(1).execute().await.unwrap(), 1);
    let error = fresh.db.query(INSERT).bind("a").bind(2).execute().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let error = fresh.db.query(INSERT).bind("b").bind(-1).execute().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

pub(crate) async fn a_transaction_happens_whole_or_not_at_all(fresh: Fresh) {
    table(&fresh.db).await;
    let tx = fresh.db.begin().await.unwrap();
    tx.query(INSERT).bind("a").bind(1).execute().await.unwrap();
    assert_eq!(count(&fresh.db).await, 0, "others do not see it yet");
    tx.commit().await.unwrap();
    let tx = fresh.db.begin().await.unwrap();
    tx.query(INSERT).bind("b").bind(1).execute().await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(count(&fresh.db).await, 1);
}

pub(crate) async fn a_dropped_transaction_is_rolled_back(fresh: Fresh) {
    table(&fresh.db).await;
    for name in ["a", "b", "c"] {
        let tx = fresh.db.begin().await.unwrap();
        tx.query(INSERT).bind(name).bind(1).execute().await.unwrap();
        drop(tx);
    }
    let tx = fresh.db.begin().await.unwrap();
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000000) SELECT CAST(COUNT(*) AS BIGINT) FROM n";
    tx.query(INSERT).bind("d").bind(1).execute().await.unwrap();
    let gave_up = tokio::time::timeout(Duration::from_millis(30), tx.query(slow).scalar::<i64>()).await;
    assert!(gave_up.is_err(), "the statement was dropped while it ran");
    assert!(tx.commit().await.is_err(), "so the transaction is gone");
    assert_eq!(fresh.db.query(INSERT).bind("e").bind(1).execute().await.unwrap(), 1, "and the next write goes on");
    assert_eq!(count(&fresh.db).await, 1);
}

pub(crate) async fn a_savepoint_undoes_only_itself(fresh: Fresh) {
    table(&fresh.db).await;
    let tx = fresh.db.begin().await.unwrap();
    tx.query(INSERT).bind("a").bind(1).execute().await.unwrap();
    let failed = tx
        .savepoint(async |tx| {
            tx.query(INSERT).bind("b").bind(1).execute().await?;
            tx.query(INSERT).bind("a").bind(1).execute().await
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), Kind::Conflict);
    tx.savepoint(async |tx| {
        tx.query(INSERT).bind("c").bind(1).execute().await?;
        let inner = tx.savepoint(async |_| Err::<(), _>(Error::invalid("no"))).await;
        assert!(inner.is_err());
        Ok(())
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let names: Vec<(String,)> = fresh.db.query("SELECT name FROM counters ORDER BY name").all().await.unwrap();
    assert_eq!(names, [("a".to_owned(),), ("c".to_owned(),)]);
}

pub(crate) async fn after_a_failure_only_a_rollback_is_possible(fresh: Fresh) {
    table(&fresh.db).await;
    let tx = fresh.db.begin().await.unwrap();
    tx.query(INSERT).bind("a").bind(1).execute().await.unwrap();
    assert!(tx.query(INSERT).bind("a").bind(1).execute().await.is_err());
    let error = tx.query(INSERT).bind("b").bind(1).execute().await.unwrap_err();
    assert!(error.message().contains("failed earlier"), "{error}");
    assert!(tx.commit().await.is_err());
    assert_eq!(count(&fresh.db).await, 0);
}

pub(crate) async fn concurrent_writes_all_happen(fresh: Fresh) {
    table(&fresh.db).await;
    fresh.db.query(INSERT).bind("sum").bind(0).execute().await.unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|task| {
            let db = fresh.db.clone();
            tokio::spawn(async move {
                for turn in 0..10 {
                    db.query(INSERT).bind(format!("{task}-{turn}")).bind(1).execute().await.unwrap();
                    let tx = db.begin().await.unwrap();
                    tx.query("UPDATE counters SET value = value + 1 WHERE name = 'sum'").execute().await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&fresh.db).await, 401);
    let sum: i64 = fresh.db.query("SELECT value FROM counters WHERE name = 'sum'").scalar().await.unwrap();
    assert_eq!(sum, 400);
}

pub(crate) async fn a_failing_write_does_not_harm_its_neighbours(fresh: Fresh) {
    table(&fresh.db).await;
    fresh.db.query(INSERT).bind("taken").bind(0).execute().await.unwrap();
    let writes = (0..60).map(|turn| {
        let name = if turn % 3 == 0 { "taken".to_owned() } else { format!("n{turn}") };
        fresh.db.query(INSERT).bind(name).bind(1).execute()
    });
    let done = futures_util::future::join_all(writes).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 40);
    assert_eq!(count(&fresh.db).await, 41);
}

pub(crate) async fn upsert_and_returning(fresh: Fresh) {
    table(&fresh.db).await;
    let upsert = "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value";
    for expected in 1..=3 {
        let value: i64 = fresh.db.query(upsert).bind("a").scalar().await.unwrap();
        assert_eq!(value, expected);
    }
    assert_eq!(fresh.db.query("DELETE FROM counters WHERE name = ?").bind("nobody").execute().await.unwrap(), 0);
}
