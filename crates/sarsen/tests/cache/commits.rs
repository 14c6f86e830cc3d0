//! What a transaction does to the cache: everything when it is committed, and nothing before.

use crate::stage::{Stage, keep, read, row_key};
use sarsen::Error;
use sarsen::cache::{key, tag};
use sarsen::error::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

sarsen::each_profile! {
    async fn a_commit_is_seen_by_its_process_at_once() {
        let stage = Stage::start().await;
        for value in 1..50 {
            assert_eq!(stage.row(1).await, value - 1);
            stage.write(1, value).await.commit().await.expect("is committed");
            assert_eq!(stage.row(1).await, value, "right after the commit");
        }
        assert_eq!(stage.loads(), 50);
        assert_eq!(stage.row(2).await, 0);
        stage.write(1, 0).await.commit().await.expect("is committed");
        stage.row(2).await;
        assert_eq!(stage.loads(), 51, "what hangs on nothing of it stays");
    }

    async fn before_a_commit_and_after_a_rollback_nothing_happens() {
        let stage = Stage::start().await;
        assert_eq!(stage.row(1).await, 0);
        let tx = stage.write(1, 5).await;
        assert_eq!((stage.row(1).await, stage.loads()), (0, 1), "not before the commit");
        tx.rollback().await.expect("is undone");
        drop(stage.write(1, 6).await);
        assert_eq!((stage.row(1).await, stage.loads()), (0, 1));
    }

    async fn a_savepoint_that_is_undone_invalidates_nothing() {
        let stage = Stage::start().await;
        assert_eq!((stage.row(1).await, stage.row(2).await), (0, 0));
        let tx = stage.write(2, 7).await;
        let undone = tx.savepoint(async |tx| {
            stage.cache().invalidate(tx, [tag("row", 1_i64)]).await?;
            Err::<(), _>(Error::conflict("on purpose"))
        });
        assert!(undone.await.is_err());
        tx.commit().await.expect("is committed");
        assert_eq!((stage.row(1).await, stage.row(2).await), (0, 7));
        assert_eq!(stage.loads(), 3, "the first one stayed");
    }

    async fn a_transaction_passes_by_what_it_has_changed() {
        let stage = Stage::start().await;
        assert_eq!((stage.row(1).await, stage.row(2).await), (0, 0));
        let tx = stage.write(1, 8).await;
        let inside = async |id: i64| {
            let load = async || tx.query("SELECT value FROM counted WHERE id = ?").bind(id).scalar::<i64>().await;
            *stage.cache().fetch_in(&tx, row_key(id), load).await.expect("is read")
        };
        assert_eq!(inside(1).await, 8, "its own change");
        assert_eq!(inside(2).await, 0);
        let state = stage.cache().state().families["row"].clone();
        assert_eq!((state.passed, state.hits), (1, 1), "the other one came from the cache");
        assert_eq!(stage.row(1).await, 0, "nobody else sees it");
        tx.rollback().await.expect("is undone");
        assert_eq!((stage.row(1).await, stage.loads()), (0, 2), "and it was not kept");
    }

    async fn what_began_to_load_before_is_not_kept_after() {
        let stage = Stage::start().await;
        let (read_it, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (says, waits, db) = (read_it.clone(), go.clone(), stage.app.db().clone());
        let slow = stage.cache().fetch(row_key(1), keep(1), move || async move {
            let value = read(&db, 1).await?;
            says.notify_one();
            waits.notified().await;
            Ok(value)
        });
        let meanwhile = async {
            read_it.notified().await;
            stage.write(1, 4).await.commit().await.expect("is committed");
            // Who comes now must not be given what the other one is loading.
            let (value, ()) = tokio::join!(stage.row(1), async { go.notify_one() });
            value
        };
        let (old, new) = tokio::join!(slow, meanwhile);
        assert_eq!((*old.expect("is loaded"), new), (0, 4));
        assert_eq!((stage.row(1).await, stage.loads()), (4, 1));
    }

    async fn tags_that_are_known_only_when_it_is_loaded_count_too() {
        let stage = Stage::start().await;
        let fetch = || {
            let load = stage.load(1);
            stage.cache().fetch_tagged(key("tagged"), Duration::from_secs(60), || async move {
                Ok((load().await?, vec![tag("row", 1_i64), tag("other", "x")]))
            })
        };
        assert_eq!((*fetch().await.expect("is loaded"), *fetch().await.expect("is there"), stage.loads()), (0, 0, 1));
        stage.write(1, 2).await.commit().await.expect("is committed");
        assert_eq!(*fetch().await.expect("is loaded"), 2);
    }

    async fn an_invalidation_has_a_limit() {
        let stage = Stage::start_with(|section| section.max_tags = 2).await;
        let tx = stage.app.db().begin().await.expect("a transaction");
        stage.cache().invalidate(&tx, []).await.expect("nothing to do");
        let many = (0..3_i64).map(|id| tag("row", id));
        let error = stage.cache().invalidate(&tx, many).await.expect_err("too many");
        assert!(error.kind() == Kind::Invalid && error.message().contains("cache.max_tags"), "{error}");
    }
}
