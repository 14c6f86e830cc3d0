//! Many rows and many statements at once, and locks on rows.

use crate::Fresh;
use sarsen::data::{MAX_BATCH, MAX_MANY, MigrationFiles, ModuleMigrations, Value};
use sarsen::error::Kind;
use sarsen::telemetry::{Operation, OperationKind, Recorder};
use sarsen::{Clock, Db, FromRow, Timestamp};
use std::collections::HashSet;
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

async fn value(db: &Db, name: &str) -> i64 {
    db.query("SELECT value FROM counters WHERE name = ?").bind(name).scalar().await.unwrap()
}

const INSERT: &str = "INSERT INTO counters (name, value) VALUES (?, ?)";

fn row(name: impl Into<String>, value: i64) -> Vec<Value> {
    vec![Value::Text(name.into().into()), Value::Int(value)]
}

fn rows(count: i64) -> Vec<Vec<Value>> {
    (0..count).map(|number| row(format!("n{number}"), number)).collect()
}

pub(crate) async fn row_locks_run_everywhere(fresh: Fresh) {
    table(&fresh.db).await;
    fresh.db.query(INSERT).execute_many(rows(40)).await.unwrap();
    let tx = fresh.db.begin().await.unwrap();
    for lock in ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE", "FOR UPDATE OF counters NOWAIT"] {
        let sql = format!("SELECT value FROM counters WHERE name = ? {lock}");
        assert_eq!(tx.query(sql).bind("n3").scalar::<i64>().await.unwrap(), 3, "{lock}");
    }
    tx.commit().await.unwrap();
    let claim = "UPDATE counters SET value = 1000 WHERE name IN (SELECT name FROM counters WHERE value < 1000 ORDER BY name \
         LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING name";
    let claims = (0..4).map(|_| {
        let db = fresh.db.clone();
        tokio::spawn(async move {
            let mut names = Vec::new();
            for _ in 0..10 {
                let tx = db.begin().await.unwrap();
                names.push(tx.query(claim).scalar::<String>().await.unwrap());
                tokio::time::sleep(Duration::from_millis(1)).await;
                tx.commit().await.unwrap();
            }
            names
        })
    });
    let names = futures_util::future::join_all(claims).await.into_iter().flat_map(Result::unwrap);
    assert_eq!(names.collect::<HashSet<_>>().len(), 40, "each is claimed once");
}

pub(crate) async fn many_rows_are_written_at_once(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    for (turn, size) in [0, 1, 3, 64, 65, 5000].into_iter().enumerate() {
        let rows = (0..size).map(|number| row(format!("{turn}-{number}"), number)).collect();
        assert_eq!(db.query(INSERT).execute_many(rows).await.unwrap(), size.unsigned_abs());
    }
    assert_eq!(count(db).await, 5133);
    assert_eq!(value(db, "5-4999").await, 4999);
    let tx = db.begin().await.unwrap();
    assert_eq!(tx.query(INSERT).execute_many(rows(100)).await.unwrap(), 100);
    tx.rollback().await.unwrap();
    let ignore = format!("{INSERT} ON CONFLICT (name) DO NOTHING");
    assert_eq!(db.query(ignore.clone()).execute_many(rows(3)).await.unwrap(), 3);
    assert_eq!(db.query(ignore).execute_many([rows(5), rows(5)].concat()).await.unwrap(), 2);
    let most = (0..=MAX_MANY).map(|_| row("x", 1)).collect();
    assert_eq!(db.query(INSERT).execute_many(most).await.unwrap_err().kind(), Kind::Invalid);
}

#[derive(FromRow, Debug, PartialEq)]
struct Everything {
    id: uuid::Uuid,
    at: Option<Timestamp>,
    ok: Option<bool>,
    n: Option<i64>,
    x: Option<f64>,
    s: Option<String>,
    b: Option<Vec<u8>>,
    j: Option<String>,
}

pub(crate) async fn many_rows_keep_every_type(fresh: Fresh) {
    let db = &fresh.db;
    const CREATE: &str = "CREATE TABLE everything (id UUID PRIMARY KEY, at TIMESTAMP, ok BOOLEAN, n BIGINT, x DOUBLE, s TEXT, b BLOB, j JSON)";
    let files: MigrationFiles = &[("0001_create.sql", CREATE)];
    db.migrate(&[ModuleMigrations { module: "m", files }]).await.unwrap();
    let (clock, at) = (Clock::real(), Timestamp::from_micros(1_700_000_000_123_456));
    let ids: Vec<_> = (0..3).map(|_| clock.id()).collect();
    let full = |id| {
        vec![
            Value::Uuid(id),
            Value::Timestamp(at),
            Value::Bool(true),
            Value::Int(-7),
            Value::Float(1.5),
            Value::Text("it's {\"quoted\"}, NULL \\ ü".into()),
            Value::Bytes(vec![0, 255]),
            Value::Json("{\"a\":[1]}".into()),
        ]
    };
    let mut rows: Vec<_> = ids.iter().map(|id| full(*id)).collect();
    rows[1][1..].fill(Value::Null);
    let sql = "INSERT INTO everything (id, at, ok, n, x, s, b, j) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    assert_eq!(db.query(sql).execute_many(rows).await.unwrap(), 3);
    let read = "SELECT id, at, ok, n, x, s, b, j FROM everything WHERE id = ?";
    let first: Everything = db.query(read).bind(ids[0]).one().await.unwrap();
    assert_eq!((first.at, first.ok, first.n, first.x), (Some(at), Some(true), Some(-7), Some(1.5)));
    assert_eq!((first.s.unwrap(), first.b.unwrap()), ("it's {\"quoted\"}, NULL \\ ü".to_owned(), vec![0, 255]));
    assert_eq!(first.j.unwrap().replace(' ', ""), "{\"a\":[1]}");
    let empty: Everything = db.query(read).bind(ids[1]).one().await.unwrap();
    assert_eq!(empty, Everything { id: ids[1], at: None, ok: None, n: None, x: None, s: None, b: None, j: None });
}

pub(crate) async fn many_rows_happen_whole_or_not_at_all(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    for size in [3, 300] {
        let twice = [rows(size), rows(1)].concat();
        assert_eq!(db.query(INSERT).execute_many(twice).await.unwrap_err().kind(), Kind::Conflict);
        let wrong = [rows(size), vec![row("wrong", -1)]].concat();
        assert_eq!(db.query(INSERT).execute_many(wrong).await.unwrap_err().kind(), Kind::Invalid);
        assert_eq!(count(db).await, 0);
    }
    let tx = db.begin().await.unwrap();
    let failed = tx.savepoint(async |tx| tx.query(INSERT).execute_many([rows(2), rows(1)].concat()).await).await;
    assert_eq!(failed.unwrap_err().kind(), Kind::Conflict);
    tx.query(INSERT).execute_many(rows(4)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(db).await, 4);
}

pub(crate) async fn many_rows_may_name_one_row_twice(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    let upsert = format!("{INSERT} ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value");
    db.query(upsert.clone()).execute_many(vec![row("a", 1), row("b", 2)]).await.unwrap();
    db.query(upsert).execute_many(vec![row("a", 10), row("b", 20), row("a", 100)]).await.unwrap();
    assert_eq!((value(db, "a").await, value(db, "b").await), (111, 22));
}

pub(crate) async fn what_is_no_plain_insert_takes_many_rows_too(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    db.query(INSERT).execute_many(rows(200)).await.unwrap();
    let add = |by: i64| (0..200).map(|number| vec![Value::Int(by), Value::Text(format!("n{number}").into())]).collect();
    let update = "UPDATE counters SET value = value + ? WHERE name = ?";
    assert_eq!(db.query(update).execute_many(add(5)).await.unwrap(), 200);
    assert_eq!(value(db, "n199").await, 204);
    assert!(db.query(update).execute_many(add(-100)).await.is_err(), "one would be less than nothing");
    assert_eq!((value(db, "n0").await, value(db, "n199").await), (5, 204));
    let tx = db.begin().await.unwrap();
    let names = (0..100).map(|number| vec![Value::Text(format!("n{number}").into())]).collect();
    assert_eq!(tx.query("DELETE FROM counters WHERE name = ?").execute_many(names).await.unwrap(), 100);
    let copy = "INSERT INTO counters (name, value) SELECT ?, value FROM counters WHERE name = ?";
    let pairs = (100..103)
        .map(|number| vec![Value::Text(format!("c{number}").into()), Value::Text(format!("n{number}").into())]);
    assert_eq!(tx.query(copy).execute_many(pairs.collect()).await.unwrap(), 3);
    tx.commit().await.unwrap();
    assert_eq!(count(db).await, 103);
}

pub(crate) async fn many_rows_are_bound_right(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    let short = vec![row("a", 1), vec![Value::Text("b".into())]];
    let error = db.query(INSERT).execute_many(short).await.unwrap_err();
    assert!(error.message().contains("2 placeholders, but 1 values"), "{error}");
    assert!(db.query(INSERT).bind("a").execute_many(vec![row("a", 1)]).await.is_err());
    let misfit = vec![row("a", 1), vec![Value::Text("b".into()), Value::Null]];
    assert!(db.query(INSERT).execute_many(misfit).await.is_err());
    assert_eq!(count(db).await, 0);
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let line = line!() + 1;
    operation.scope(db.query(INSERT).execute_many(rows(10))).await.unwrap();
    let record = operation.record();
    let seen: Vec<_> = record.queries().map(|query| (query.rows, query.site.line(), query.failed)).collect();
    assert_eq!(seen, [(10, line, false)], "one call, one record");
    assert_eq!(record.queries().next().unwrap().statement.normalised, "INSERT INTO counters(name, value) VALUES(?)");
}

pub(crate) async fn a_batch_is_one_transaction(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    for turn in 0..3 {
        let mut batch = db.batch();
        let one = batch.execute(db.query(INSERT).bind(format!("a{turn}")).bind(1));
        let many = batch.execute_many(db.query(INSERT), vec![row(format!("b{turn}"), 2), row(format!("c{turn}"), 3)]);
        let raised =
            batch.all::<(String, i64)>(db.query("UPDATE counters SET value = value + 1 RETURNING name, value"));
        let sum = batch.all::<(i64,)>(db.query("SELECT CAST(SUM(value) AS BIGINT) FROM counters"));
        let none = batch.all::<(i64,)>(db.query("SELECT value FROM counters WHERE name = 'nobody'"));
        let gone = batch.execute(db.query("DELETE FROM counters WHERE name = ?").bind(format!("a{turn}")));
        let mut answers = batch.run().await.unwrap();
        assert_eq!((answers.take(one).unwrap(), answers.take(many).unwrap()), (1, 2));
        assert_eq!(answers.take(raised).unwrap().len(), 3 + 2 * turn);
        assert!(answers.take(sum).unwrap()[0].0 >= 9);
        assert_eq!((answers.take(none).unwrap().len(), answers.take(gone).unwrap()), (0, 1));
    }
    assert_eq!(count(db).await, 6);
    db.batch().run().await.unwrap();
}

pub(crate) async fn a_batch_fails_whole_with_its_first_error(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    for _ in 0..2 {
        let mut batch = db.batch();
        batch.execute(db.query(INSERT).bind("a").bind(1));
        batch.execute(db.query(INSERT).bind("b").bind(-1));
        batch.execute(db.query(INSERT).bind("a").bind(1));
        batch.execute(db.query(INSERT).bind("c").bind(1));
        assert_eq!(batch.run().await.unwrap_err().kind(), Kind::Invalid, "the first error, not the second");
        let mut batch = db.batch();
        batch.execute(db.query(INSERT).bind("a").bind(1));
        batch.execute(db.query("SELECT nothing FROM nowhere"));
        assert!(batch.run().await.is_err());
        assert_eq!(count(db).await, 0);
    }
    db.query("CREATE TABLE children (parent TEXT REFERENCES counters (name) DEFERRABLE INITIALLY DEFERRED)")
        .execute()
        .await
        .unwrap();
    let mut batch = db.batch();
    batch.execute(db.query("INSERT INTO children (parent) VALUES ('nobody')"));
    batch.execute(db.query(INSERT).bind("a").bind(1));
    assert_eq!(batch.run().await.unwrap_err().kind(), Kind::Conflict, "the commit fails");
    assert_eq!(count(db).await, 0);
    db.query(INSERT).bind("after").bind(1).execute().await.unwrap();
    assert_eq!(count(db).await, 1);
}

pub(crate) async fn a_value_that_cannot_be_sent_undoes_the_batch(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    db.query("CREATE TABLE small (n SMALLINT CHECK (n < 40000))").execute().await.unwrap();
    for _ in 0..2 {
        let mut batch = db.batch();
        batch.execute(db.query(INSERT).bind("a").bind(1));
        batch.execute(db.query("INSERT INTO small (n) VALUES (?)").bind(70_000));
        batch.execute(db.query(INSERT).bind("b").bind(1));
        assert!(batch.run().await.is_err());
        assert_eq!(count(db).await, 0);
    }
    db.query(INSERT).bind("after").bind(1).execute().await.unwrap();
    assert_eq!(count(db).await, 1);
}

pub(crate) async fn a_batch_tells_its_slots_apart(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    let (mut left, mut right) = (db.batch(), db.batch());
    let of_left = left.execute(db.query(INSERT).bind("l").bind(1));
    right.execute(db.query(INSERT).bind("r").bind(1));
    let misfit = left.all::<(i64,)>(db.query("SELECT name FROM counters"));
    let mut answers = right.run().await.unwrap();
    assert!(answers.take(of_left).is_err(), "the slot of another batch");
    let mut answers = left.run().await.unwrap();
    assert!(answers.take(misfit).is_err(), "a row of another type");
    assert_eq!(count(db).await, 2, "which does not decide what is committed");
    let tx = db.begin().await.unwrap();
    let mut batch = db.batch();
    batch.execute(tx.query("SELECT 1"));
    assert!(batch.run().await.unwrap_err().message().contains("transaction"));
    tx.rollback().await.unwrap();
    let mut batch = db.batch();
    for _ in 0..=MAX_BATCH {
        batch.execute(db.query("SELECT 1 LIMIT 1"));
    }
    assert_eq!(batch.run().await.unwrap_err().kind(), Kind::Invalid);
    let mut batch = db.batch();
    batch.execute(db.query(INSERT).bind("too few"));
    assert!(batch.run().await.is_err());
}

pub(crate) async fn every_statement_of_a_batch_is_observed(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let mut batch = db.batch();
    let line = line!();
    batch.execute(db.query(INSERT).bind("a").bind(1));
    batch.execute(db.query(INSERT).bind("b").bind(1));
    batch.execute(db.query(INSERT).bind("b").bind(1));
    batch.execute(db.query(INSERT).bind("c").bind(1));
    assert!(operation.scope(batch.run()).await.is_err());
    let record = operation.record();
    let seen = record.queries().map(|query| (query.site.line() - line, query.rows, query.failed));
    // When each of them began is reckoned from its end, so those that travel together may change places.
    let seen: std::collections::BTreeSet<_> = seen.collect();
    assert_eq!(Vec::from_iter(seen), [(1, 1, false), (2, 1, false), (3, 0, true)]);
    assert!(record.queries().all(|query| query.site.file().ends_with("many.rs")));
}

pub(crate) async fn a_batch_survives_a_change_of_the_schema(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    for turn in 0..4 {
        let mut batch = db.batch();
        batch.execute_many(db.query(INSERT), vec![row(format!("a{turn}"), 1), row(format!("b{turn}"), 1)]);
        let all = batch.all::<(String,)>(db.query("SELECT * FROM counters"));
        let mut answers = batch.run().await.unwrap();
        assert_eq!(answers.take(all).unwrap().len(), 2 * (turn + 1));
        db.query(format!("ALTER TABLE counters ADD COLUMN more{turn} TEXT")).execute().await.unwrap();
    }
}

pub(crate) async fn batches_and_writes_share_the_writer(fresh: Fresh) {
    table(&fresh.db).await;
    let tasks = (0..30).map(|task| {
        let db = fresh.db.clone();
        tokio::spawn(async move {
            for turn in 0..5 {
                let name = |part: &str| format!("{task}-{turn}-{part}");
                let (mut batch, fails) = (db.batch(), turn % 2 == 0);
                batch.execute(db.query(INSERT).bind(name("a")).bind(1));
                batch.execute(db.query(INSERT).bind(name("b")).bind(if fails { -1 } else { 1 }));
                let single = db.query(INSERT).bind(name("c")).bind(1).execute();
                let (batch, single) = tokio::join!(batch.run(), single);
                assert_eq!((batch.is_err(), single.unwrap()), (fails, 1));
            }
        })
    });
    futures_util::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    assert_eq!(count(&fresh.db).await, 30 * (3 + 2 * 3 + 2 - 2));
}

pub(crate) async fn a_dropped_batch_does_no_harm(fresh: Fresh) {
    table(&fresh.db).await;
    let db = &fresh.db;
    const SLOW: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT i FROM n) x";
    let mut batch = db.batch();
    batch.execute(db.query(INSERT).bind("a").bind(1));
    batch.execute(db.query(SLOW));
    assert!(tokio::time::timeout(Duration::from_millis(50), batch.run()).await.is_err());
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation.set_deadline(std::time::Instant::now() + Duration::from_millis(50));
    let late = operation.scope(async {
        let mut batch = db.batch();
        batch.execute(db.query(INSERT).bind("b").bind(1));
        batch.execute(db.query(SLOW));
        batch.run().await.map(drop)
    });
    assert!(late.await.unwrap_err().kind().is_transient());
    db.query(INSERT).bind("after").bind(1).execute().await.unwrap();
    assert_eq!(db.query("SELECT name FROM counters WHERE name = 'b'").optional::<(String,)>().await.unwrap(), None);
}
