//! Writes happen once, together or not at all.

use crate::Fresh;
use sarsen::data::{FromRow, Row};
use sarsen::error::Kind;
use sarsen::telemetry::{Operation, OperationKind, Recorder};
use sarsen::{Db, Error};
use std::time::{Duration, Instant};

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

fn due_in(duration: Duration) -> Operation {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation.set_deadline(Instant::now() + duration);
    operation
}

pub(crate) async fn what_is_answered_is_what_happened_beside_a_late_write(fresh: Fresh) {
    table(&fresh.db).await;
    const SLOW: &str = "INSERT INTO counters (name, value) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
         WHERE i < 30000000) SELECT 'slow', COUNT(*) FROM n";
    // While the writer is held, all that follows waits to share one commit.
    let held = fresh.db.begin().await.unwrap();
    let insert = |name: String| fresh.db.query(INSERT).bind(name).bind(1).execute();
    let (before, after) =
        ((0..20).map(|turn| insert(format!("b{turn}"))), (0..20).map(|turn| insert(format!("a{turn}"))));
    let operation = due_in(Duration::from_millis(200));
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        held.commit().await.unwrap();
    };
    let (before, late, after, ()) = tokio::join!(
        futures_util::future::join_all(before),
        operation.scope(fresh.db.query(SLOW).execute()),
        futures_util::future::join_all(after),
        release,
    );
    assert_eq!(late.unwrap_err().kind(), Kind::Timeout);
    let all = || before.iter().chain(&after);
    assert!(
        all().all(|done| done.as_ref().err().is_none_or(|error| error.kind() == Kind::Unavailable)),
        "{before:?} {after:?}"
    );
    assert_eq!(count(&fresh.db).await, all().filter(|done| done.is_ok()).count() as i64);
    assert!(after.iter().all(Result::is_ok), "{after:?}");
    fresh.db.query(INSERT).bind("next").bind(1).execute().await.unwrap();
}

pub(crate) async fn a_panic_in_a_row_harms_nobody_else(fresh: Fresh) {
    #[derive(Debug)]
    struct Panics;
    impl FromRow for Panics {
        fn from_row(_: &Row<'_>) -> sarsen::Result<Self> {
            panic!("as the test wants")
        }
    }
    table(&fresh.db).await;
    fresh.db.query(INSERT).bind("a").bind(1).execute().await.unwrap();
    for sql in [
        "INSERT INTO counters (name, value) VALUES ('p', 1) RETURNING value",
        "SELECT value FROM counters",
        "SELECT value FROM counters LIMIT 1",
    ] {
        let db = fresh.db.clone();
        let ran = tokio::spawn(async move { db.query(sql).all::<Panics>().await.map(drop) }).await;
        assert!(!matches!(ran, Ok(Ok(()))), "{sql}");
    }
    for turn in 0..20 {
        fresh.db.query(INSERT).bind(format!("n{turn}")).bind(1).execute().await.unwrap();
    }
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT CAST(COUNT(*) AS BIGINT) FROM n";
    for _ in 0..20 {
        assert_eq!(fresh.db.query(many).scalar::<i64>().await.unwrap(), 20_000);
    }
    assert!((21..=22).contains(&count(&fresh.db).await));
}

pub(crate) async fn a_savepoint_that_cannot_end_is_never_committed(fresh: Fresh) {
    table(&fresh.db).await;
    let tx = fresh.db.begin().await.unwrap();
    let late = async {
        tx.savepoint(async |tx| {
            tx.query(INSERT).bind("late").bind(1).execute().await?;
            tokio::time::sleep(Duration::from_millis(150)).await;
            tx.query(INSERT).bind("late").bind(1).execute().await
        })
        .await
    };
    assert!(due_in(Duration::from_millis(100)).scope(late).await.is_err());
    tx.query(INSERT).bind("kept").bind(1).execute().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(&fresh.db).await, 1, "the savepoint was undone though its deadline had passed");
    let tx = fresh.db.begin().await.unwrap();
    let dropped = tx.savepoint(async |tx| {
        tx.query(INSERT).bind("dropped").bind(1).execute().await?;
        std::future::pending::<sarsen::Result<()>>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(50), dropped).await.is_err());
    assert!(tx.commit().await.is_err());
    assert_eq!(count(&fresh.db).await, 1);
}

pub(crate) async fn what_changes_no_row_says_so(fresh: Fresh) {
    table(&fresh.db).await;
    fresh.db.query(INSERT).bind("a").bind(1).execute().await.unwrap();
    assert_eq!(fresh.db.query("CREATE TABLE other (x BIGINT)").execute().await.unwrap(), 0);
}
