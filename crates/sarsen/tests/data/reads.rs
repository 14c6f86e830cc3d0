//! Reads: pages, streams, deadlines, and what the Operation learns.

use crate::Fresh;
use futures_util::StreamExt;
use sarsen::config::DatabaseSection;
use sarsen::data::{Order, PageRequest};
use sarsen::error::Kind;
use sarsen::telemetry::{Operation, OperationKind, Recorder};
use sarsen::{Clock, Db, FromRow};
use std::time::{Duration, Instant};

#[derive(FromRow, Debug, Clone, PartialEq)]
struct Item {
    id: i64,
    grade: i64,
}

async fn items(db: &Db, count: i64) {
    db.query("CREATE TABLE items (id BIGINT PRIMARY KEY, grade BIGINT NOT NULL)").execute().await.unwrap();
    let tx = db.begin().await.unwrap();
    for id in 0..count {
        tx.query("INSERT INTO items (id, grade) VALUES (?, ?)").bind(id).bind(id % 3).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn walk(db: &Db, order: &[Order], limit: u32) -> Vec<Item> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest { cursor, limit: Some(limit) };
        let page = db
            .query("SELECT id, grade FROM items WHERE id >= ?")
            .bind(0_i64)
            .page_by::<Item>(order, &request)
            .await
            .unwrap();
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

pub(crate) async fn pages_cover_everything_once(fresh: Fresh) {
    items(&fresh.db, 100).await;
    for limit in [1, 7, 50, 100] {
        let all = walk(&fresh.db, &[Order::desc("grade"), Order::desc("id")], limit).await;
        let mut expected: Vec<(i64, i64)> = (0..100).map(|id| (id % 3, id)).collect();
        expected.sort_by(|left, right| right.cmp(left));
        assert_eq!(all.iter().map(|item| (item.grade, item.id)).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn mixed_directions_page_too(fresh: Fresh) {
    items(&fresh.db, 50).await;
    let all = walk(&fresh.db, &[Order::desc("grade"), Order::asc("id")], 7).await;
    let mut expected: Vec<(i64, i64)> = (0..50).map(|id| (-(id % 3), id)).collect();
    expected.sort_unstable();
    assert_eq!(all.iter().map(|item| (-item.grade, item.id)).collect::<Vec<_>>(), expected);
}

pub(crate) async fn a_cursor_of_another_list_is_refused(fresh: Fresh) {
    items(&fresh.db, 10).await;
    let db = &fresh.db;
    let request = PageRequest { cursor: None, limit: Some(2) };
    let page = db.query("SELECT id, grade FROM items").page_by::<Item>(&[Order::asc("id")], &request).await.unwrap();
    let theirs = page.next.unwrap();
    let mut forged = theirs.clone();
    forged.replace_range(3..4, if &forged[3..4] == "A" { "B" } else { "A" });
    for cursor in [theirs, forged, String::new(), "x".repeat(5000), "%%%".into()] {
        let request = PageRequest { cursor: Some(cursor), limit: Some(2) };
        let other = db
            .query("SELECT id, grade FROM items WHERE grade = 1")
            .page_by::<Item>(&[Order::asc("id")], &request)
            .await;
        let error = other.unwrap_err();
        assert_eq!((error.kind(), error.fields()[0].field.as_str()), (Kind::Invalid, "cursor"));
    }
    for limit in [0, 101] {
        let request = PageRequest { cursor: None, limit: Some(limit) };
        let error =
            db.query("SELECT id, grade FROM items").page_by::<Item>(&[Order::asc("id")], &request).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "limit");
    }
}

pub(crate) async fn a_cursor_of_another_order_is_refused(fresh: Fresh) {
    items(&fresh.db, 10).await;
    let list = || fresh.db.query("SELECT id, grade FROM items");
    let first = PageRequest { cursor: None, limit: Some(2) };
    let next = list().page_by::<Item>(&[Order::asc("id")], &first).await.unwrap().next;
    let request = PageRequest { cursor: next, limit: Some(2) };
    for order in [Order::desc("id"), Order::asc("grade")] {
        let error = list().page_by::<Item>(&[order], &request).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "cursor");
    }
    assert_eq!(list().page_by::<Item>(&[Order::asc("id")], &request).await.unwrap().items[0].id, 2);
}

pub(crate) async fn a_stream_without_rows_is_stopped_too(fresh: Fresh) {
    let section = DatabaseSection { connections: 1, ..fresh.section.clone() };
    let db = Db::connect(&section, &Clock::real()).await.unwrap();
    let started = Instant::now();
    for _ in 0..3 {
        let mut stream = Box::pin(db.query(SLOW).stream::<(i64,)>());
        let first = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
        assert!(first.is_err(), "the first row takes long");
    }
    db.ping().await.unwrap();
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation.set_deadline(Instant::now() + Duration::from_millis(50));
    let rows = operation.scope(db.query(SLOW).stream::<(i64,)>().collect::<Vec<_>>()).await;
    assert!(matches!(rows.as_slice(), [.., Err(error)] if error.kind() == Kind::Timeout), "{rows:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

pub(crate) async fn a_stream_gives_all_rows(fresh: Fresh) {
    items(&fresh.db, 1000).await;
    let rows: Vec<_> = fresh.db.query("SELECT id, grade FROM items ORDER BY id").stream::<Item>().collect().await;
    assert_eq!(rows.len(), 1000);
    assert!(rows.into_iter().enumerate().all(|(index, row)| row.unwrap().id == index as i64));
    let broken: Vec<_> = fresh.db.query("SELECT id FROM nowhere").stream::<Item>().collect().await;
    assert!(matches!(broken.as_slice(), [Err(_)]));
}

pub(crate) async fn a_dropped_stream_lets_go(fresh: Fresh) {
    items(&fresh.db, 1000).await;
    for _ in 0..40 {
        let stream = fresh.db.query("SELECT a.id, b.grade FROM items a, items b").stream::<Item>();
        let first: Vec<_> = stream.take(3).collect().await;
        assert_eq!(first.len(), 3);
    }
    assert_eq!(fresh.db.query("SELECT CAST(COUNT(*) AS BIGINT) FROM items").scalar::<i64>().await.unwrap(), 1000);
}

pub(crate) async fn groups_and_indexes_by_key(fresh: Fresh) {
    items(&fresh.db, 9).await;
    let groups = fresh.db.query("SELECT id, grade FROM items").group_by(|item: &Item| item.grade).await.unwrap();
    assert_eq!((groups.len(), groups[&0].len()), (3, 3));
    let index = fresh.db.query("SELECT id, grade FROM items").index_by(|item: &Item| item.id).await.unwrap();
    assert_eq!(index[&8].grade, 2);
}

const SLOW: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000000) SELECT CAST(COUNT(*) AS BIGINT) FROM n";

pub(crate) async fn a_late_statement_is_stopped(fresh: Fresh) {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation.set_deadline(Instant::now() + Duration::from_millis(50));
    let started = Instant::now();
    let error = operation.scope(fresh.db.query(SLOW).scalar::<i64>()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // A future that is dropped stops its statement too, and the connections stay usable.
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_millis(5), fresh.db.query(SLOW).scalar::<i64>()).await;
    }
    fresh.db.ping().await.unwrap();
}

pub(crate) async fn every_query_is_observed_with_its_call_site(fresh: Fresh) {
    items(&fresh.db, 5).await;
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let work = async {
        let line = line!() + 1;
        fresh.db.query("SELECT id, grade FROM items WHERE id < 3 LIMIT 10").all::<Item>().await.unwrap();
        let tx = fresh.db.begin().await.unwrap();
        tx.query("UPDATE items SET grade = 9").execute().await.unwrap();
        tx.commit().await.unwrap();
        fresh.db.query("DELETE FROM items WHERE id = ?").bind(1_i64).execute().await.unwrap();
        line
    };
    let line = operation.scope(work).await;
    let record = operation.record();
    assert_eq!(record.queries().map(|query| query.rows).collect::<Vec<_>>(), [3, 5, 1]);
    let first = record.queries().next().unwrap();
    assert_eq!((first.site.file().ends_with("reads.rs"), first.site.line()), (true, line));
    assert_eq!(first.statement.normalised, "SELECT id, grade FROM items WHERE id < ? LIMIT ?");
    assert!(record.queries().all(|query| query.execution > Duration::ZERO));
    assert!(record.waits().iter().any(|wait| wait.kind == sarsen::telemetry::WaitKind::Database));
}

pub(crate) async fn too_many_connections_wait_and_then_fail(fresh: Fresh) {
    let acquire_timeout = sarsen::config::Span(Duration::from_millis(150));
    let section = DatabaseSection { connections: 1, acquire_timeout, ..fresh.section.clone() };
    let db = Db::connect(&section, &Clock::real()).await.unwrap();
    let held = db.begin().await.unwrap();
    let Err(error) = db.begin().await else { panic!("the writer is held") };
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.hint_text().is_some());
    held.commit().await.unwrap();
    db.begin().await.unwrap().commit().await.unwrap();
}
