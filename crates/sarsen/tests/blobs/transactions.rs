//! An upload belongs to the transaction that keeps it.

use crate::stage::{Stage, files, made_up, options, then};
use bytes::Bytes;
use sarsen::blobs::Blob;
use sarsen::error::Kind;
use sarsen::{Result, clock};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

sarsen::each_profile! {
    async fn rolled_back_it_keeps_no_file() {
        let stage = Stage::start().await;
        let upload = stage.blobs().upload_bytes("hello", options()).await.expect("is uploaded");
        let tx = stage.app.db().begin().await.expect("a transaction");
        let blob = stage.blobs().keep(&tx, &upload).await.expect("is kept");
        tx.rollback().await.expect("is rolled back");
        assert_eq!(stage.blobs().get(&blob.key).await.expect_err("nobody kept it").kind(), Kind::NotFound);
        // One whose transaction is just dropped, and one that nobody kept.
        let dropped = stage.blobs().upload_bytes("dropped", options()).await.expect("is uploaded");
        let tx = stage.app.db().begin().await.expect("a transaction");
        stage.blobs().keep(&tx, &dropped).await.expect("is kept");
        drop(tx);
        stage.blobs().upload_bytes("never", options()).await.expect("is uploaded");
        let kept = stage.put(b"kept", 4).await;
        assert_eq!(stage.blobs().sweep().await.expect("sweeps").blobs, 0, "it may still be kept");
        assert_eq!(files(&stage.folder()).len(), 4);
        stage.app.clock().advance(HOUR);
        assert_eq!(stage.blobs().sweep().await.expect("sweeps").blobs, 3);
        assert_eq!(stage.rows().await, [0, 1, 0]);
        assert_eq!(files(&stage.folder()), [kept.key.as_str().rsplit('/').next().expect("an id")]);
        assert_eq!(stage.load(&kept).await, "kept");
    }

    async fn an_upload_is_kept_once_and_in_time() {
        let stage = Stage::start().await;
        let upload = stage.blobs().upload_bytes("hello", options()).await.expect("is uploaded");
        let late = stage.blobs().upload_bytes("late", options()).await.expect("is uploaded");
        stage.keep(&upload).await;
        let tx = stage.app.db().begin().await.expect("a transaction");
        let twice = tx.savepoint(async |tx| stage.blobs().keep(tx, &upload).await).await;
        assert_eq!(twice.expect_err("it is kept").kind(), Kind::Conflict);
        tx.rollback().await.expect("is rolled back");
        stage.app.clock().advance(HOUR);
        stage.blobs().sweep().await.expect("sweeps");
        let tx = stage.app.db().begin().await.expect("a transaction");
        let error = stage.blobs().keep(&tx, &late).await.expect_err("it was swept");
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("blobs.pending_for")));
    }

    async fn who_keeps_and_who_sweeps_at_once_never_leave_a_name_without_bytes() {
        let stage = Stage::start().await;
        for round in 0..20_u64 {
            let upload = stage.blobs().upload_bytes("hello", options()).await.expect("is uploaded");
            stage.app.clock().advance(HOUR);
            let keep = async {
                clock::pause(Duration::from_micros(round * 300)).await;
                let tx = stage.app.db().begin().await?;
                let blob = stage.blobs().keep(&tx, &upload).await?;
                tx.commit().await?;
                sarsen::Result::<Blob>::Ok(blob)
            };
            let (kept, swept) = tokio::join!(keep, stage.blobs().sweep());
            let swept = swept.expect("sweeps").blobs;
            match kept {
                Ok(blob) => assert_eq!((swept, stage.load(&blob).await), (0, Bytes::from("hello"))),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Conflict, "{error}");
                    assert_eq!(stage.blobs().stored(&upload.key).await.expect("the store answers"), None);
                }
            }
        }
        stage.blobs().sweep().await.expect("sweeps");
        let rows = stage.rows().await;
        assert_eq!((rows[0], rows[2], files(&stage.folder()).len() as i64), (0, 0, rows[1]));
    }

    async fn what_was_kept_and_deleted_in_one_transaction_is_gone() {
        let stage = Stage::start().await;
        let upload = stage.blobs().upload_bytes("hello", options()).await.expect("is uploaded");
        let tx = stage.app.db().begin().await.expect("a transaction");
        let blob = stage.blobs().keep(&tx, &upload).await.expect("is kept");
        assert!(stage.blobs().delete(&tx, &blob.key).await.expect("is marked"));
        tx.commit().await.expect("is committed");
        assert_eq!(stage.blobs().sweep().await.expect("sweeps").blobs, 1);
        assert_eq!((stage.rows().await, files(&stage.folder()).len()), ([0, 0, 0], 0));
    }

    async fn a_long_upload_is_not_swept_while_it_goes_on() {
        let stage = Stage::start_with(|section| section.pending_for.0 = Duration::from_millis(400)).await;
        // Parts come for longer than an upload may be pending; each says that it goes on.
        let mut slow = Vec::new();
        for _ in 0..6 {
            slow.push(made_up(1 << 20));
        }
        let bytes = futures_util::stream::unfold(slow.into_iter(), |mut parts| async move {
            let part = parts.next()?;
            clock::pause(Duration::from_millis(150)).await;
            Some((Result::Ok(Bytes::from(part)), parts))
        });
        let sweeping = async {
            loop {
                clock::pause(Duration::from_millis(50)).await;
                stage.app.clock().advance(Duration::from_millis(50));
                stage.blobs().sweep().await.expect("sweeps");
            }
        };
        let upload = tokio::select! {
            upload = stage.blobs().upload(bytes, options()) => upload.expect("goes on"),
            () = sweeping => unreachable!("it never ends"),
        };
        assert_eq!(upload.size, 6 << 20);
        stage.keep(&upload).await;
    }

    async fn one_that_pauses_for_too_long_is_told_so_and_leaves_nothing() {
        let stage = Stage::start_with(|section| section.pending_for.0 = Duration::from_millis(200)).await;
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let bytes = then(&made_up(2 << 20), async move {
            let _ = wait.await;
            Some(Ok(Bytes::from(made_up(2 << 20))))
        });
        let sweep = async {
            stage.until_rows([1, 0, 0]).await;
            clock::pause(Duration::from_millis(200)).await;
            stage.app.clock().advance(HOUR);
            stage.blobs().sweep().await.expect("sweeps");
            stage.until_rows([0, 0, 0]).await;
            go.send(()).expect("is waited for");
        };
        let (upload, ()) = tokio::join!(stage.blobs().upload(bytes, options()), sweep);
        assert_eq!(upload.expect_err("was given up").kind(), Kind::Conflict);
        assert_eq!((stage.rows().await, files(&stage.folder()).len()), ([0, 0, 0], 0));
    }

    async fn drafts_of_a_killed_process_are_removed() {
        let stage = Stage::start().await;
        let blob = stage.put(b"kept", 4).await;
        let draft = stage.folder().join(format!("{}#1", blob.key));
        std::fs::write(&draft, "half of it").expect("is written");
        stage.blobs().scan().await.expect("scans");
        assert!(draft.exists(), "it may be at work");
        stage.app.clock().set(sarsen::Clock::real().now() + Duration::from_secs(2 * 86_400));
        assert_eq!(stage.blobs().scan().await.expect("scans").orphans, 1);
        assert!(!draft.exists());
        assert_eq!(stage.load(&blob).await, "kept");
    }
}
