//! What every driver promises.

use crate::stage::{Stage, made_up, options, pieces, then};
use futures_util::StreamExt;
use sarsen::blobs::{Key, Show, Signs};
use sarsen::error::Kind;
use sarsen::{Clock, Error, clock};
use sha2::{Digest, Sha256};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

sarsen::each_profile! {
    async fn what_is_kept_is_read_as_it_was_written() {
        for stage in Stage::all().await {
            let part = stage.blobs().capabilities().part;
            for (size, piece) in [(0, 1), (1, 1), (100_000, 4_096), (part - 1, part), (part, 70_000), (part + 1, part / 3), (2 * part + 7, 1 << 20)] {
                let bytes = made_up(size);
                let blob = stage.put(&bytes, piece).await;
                assert_eq!((blob.size, blob.sha256.as_str()), (size as u64, hash(&bytes).as_str()), "{} of {size}", stage.url);
                assert_eq!((blob.content_type.as_str(), blob.name.as_str()), ("image/png", "a.png"));
                assert!(stage.load(&blob).await == bytes, "{size} bytes of {} differ", stage.url);
                assert_eq!(stage.blobs().stored(&blob.key).await.expect("the store answers"), Some(size as u64));
                assert_eq!(stage.blobs().get(&blob.key).await.expect("is there"), blob);
            }
        }
    }

    async fn a_range_is_read_alone() {
        for stage in Stage::all().await {
            let bytes = made_up(700_000);
            let blob = stage.put(&bytes, 64 << 10).await;
            for range in [0..1, 0..700_000, 699_999..700_000, 262_143..262_145, 5..400_000, 7..7, 700_000..700_000] {
                let (from, to) = (usize::try_from(range.start).expect("fits"), usize::try_from(range.end).expect("fits"));
                let mut reading = stage.blobs().read(&blob, Some(range.clone())).await.expect("is opened");
                let mut read = Vec::new();
                while let Some(part) = reading.next().await {
                    read.extend_from_slice(&part.expect("is read"));
                }
                assert!(read == bytes[from..to], "{range:?} of {}", stage.url);
            }
            for wrong in [0..700_001, 700_001..700_002] {
                assert_eq!(stage.blobs().read(&blob, Some(wrong)).await.expect_err("beyond").kind(), Kind::Invalid);
            }
        }
    }

    async fn what_does_not_come_to_its_end_leaves_nothing() {
        for stage in Stage::all_with(|section| section.max_upload.0 = 12 << 20).await {
            let part = stage.blobs().capabilities().part;
            let (small, large) = (made_up(1_000), made_up(part + 1_000));
            for bytes in [&small, &large] {
                let broken = then(bytes, async { Some(Err(Error::invalid("the client left"))) });
                let error = stage.blobs().upload(broken, options()).await.expect_err("breaks off");
                assert_eq!(error.message(), "the client left");
                let short = pieces(bytes, 64 << 10);
                let error = stage.blobs().upload(short, options().length(bytes.len() as u64 + 1)).await.expect_err("is short");
                assert!(error.message().contains("were announced"), "{error}");
                let error = stage.blobs().upload(pieces(bytes, 999), options().at_most(bytes.len() as u64 - 1)).await;
                assert!(error.expect_err("is too large").message().contains("larger than"));
            }
            let known = stage.blobs().upload(pieces(&small, 9), options().length(13 << 20)).await.expect_err("says so");
            assert!(known.message().contains("12MB"), "{known}");
            stage.until_rows([0, 0, 0]).await;
            // A future that is dropped, as that of a client that leaves.
            let endless = then(&large, std::future::pending());
            let upload = stage.blobs().upload(endless, options());
            assert!(clock::until(clock::monotonic() + Duration::from_millis(500), upload).await.is_err());
            stage.until_rows([0, 0, 0]).await;
            stage.app.clock().set(Clock::real().now() + 3 * DAY);
            assert_eq!(stage.blobs().scan().await.expect("scans").orphans, 0, "{}", stage.url);
            let state = stage.blobs().state();
            assert_eq!((state.uploading, state.uploaded, state.broken_off, state.errors), (0, 0, 7, 0), "{}", stage.url);
        }
    }

    async fn what_is_deleted_goes_after_the_commit() {
        for stage in Stage::all().await {
            let (blob, other) = (stage.put(b"one", 3).await, stage.put(b"other", 3).await);
            let tx = stage.app.db().begin().await.expect("a transaction");
            assert!(stage.blobs().delete(&tx, &blob.key).await.expect("is marked"));
            tx.rollback().await.expect("is rolled back");
            stage.blobs().sweep().await.expect("sweeps");
            assert_eq!(stage.load(&blob).await, "one");
            let tx = stage.app.db().begin().await.expect("a transaction");
            assert!(stage.blobs().delete(&tx, &blob.key).await.expect("is marked"));
            assert!(!stage.blobs().delete(&tx, &blob.key).await.expect("is marked already"));
            tx.commit().await.expect("is committed");
            assert_eq!(stage.blobs().get(&blob.key).await.expect_err("is gone").kind(), Kind::NotFound);
            assert_eq!(stage.blobs().sweep().await.expect("sweeps").blobs, 1);
            assert_eq!(stage.blobs().stored(&blob.key).await.expect("the store answers"), None);
            assert_eq!((stage.rows().await, stage.load(&other).await), ([0, 1, 0], "other".into()));
        }
    }

    async fn a_folder_is_listed_in_pages() {
        for stage in Stage::all().await {
            let mut keys = Vec::new();
            for number in 0..5 {
                keys.push(stage.put(&[number], 1).await.key);
            }
            keys.sort();
            let upload = stage.blobs().upload_bytes("x", sarsen::blobs::UploadOptions::folder("files-2")).await;
            stage.keep(&upload.expect("is uploaded")).await;
            stage.blobs().upload_bytes("pending", options()).await.expect("is uploaded");
            let first = stage.blobs().list("files", None, 3).await.expect("lists");
            let rest = stage.blobs().list("files", Some(&first[2].key), 100).await.expect("lists");
            let listed: Vec<Key> = first.into_iter().chain(rest).map(|blob| blob.key).collect();
            assert_eq!(listed, keys);
            assert_eq!(stage.blobs().list("files/..", None, 1).await.expect_err("no folder").kind(), Kind::Invalid);
        }
    }

    async fn an_object_that_no_row_knows_is_found_by_the_scan() {
        for stage in Stage::all().await {
            let kept = stage.put(b"kept", 4).await;
            let lost = stage.put(b"lost", 4).await;
            let pending = stage.blobs().upload_bytes("pending", options()).await.expect("is uploaded");
            let forget = stage.app.db().query("DELETE FROM sarsen_blobs WHERE key = ?").bind(lost.key.as_str());
            forget.execute().await.expect("is forgotten");
            stage.app.clock().set(Clock::real().now());
            assert_eq!(stage.blobs().scan().await.expect("scans").orphans, 0, "it is too young");
            stage.app.clock().advance(DAY + Duration::from_secs(60));
            assert_eq!(stage.blobs().scan().await.expect("scans").orphans, 1, "{}", stage.url);
            assert_eq!(stage.blobs().stored(&lost.key).await.expect("the store answers"), None);
            for key in [&kept.key, &pending.key] {
                assert!(stage.blobs().stored(key).await.expect("the store answers").is_some(), "has a row");
            }
        }
    }

    async fn the_store_of_another_database_is_left_alone() {
        for (url, folder) in crate::stage::drivers() {
            let first = Stage::on(url.clone(), tempfile::tempdir().expect("a folder"), |_| {}).await;
            let blob = first.put(b"mine", 4).await;
            first.blobs().scan().await.expect("scans");
            let second = Stage::on(url, folder, |_| {}).await;
            second.app.clock().set(Clock::real().now() + 3 * DAY);
            assert_eq!(second.blobs().scan().await.expect("looks").orphans, 0);
            assert_eq!(first.load(&blob).await, "mine");
        }
    }

    async fn a_signed_address_loads_one_blob_for_a_while() {
        for stage in Stage::all().await {
            // The store has a clock of its own.
            stage.app.clock().set(Clock::real().now());
            let blob = stage.put(b"signed for", 4).await;
            let address = stage.blobs().presign(&blob, Duration::from_secs(60), Show::Inline).await.expect("is signed");
            let (host, path) = address.trim_start_matches("http://").split_once('/').expect("a path");
            let path = format!("/{path}");
            match stage.blobs().capabilities().presign {
                Signs::Application => {
                    let answer = stage.app.get(&path).await.expect_status(200);
                    assert_eq!((answer.text().as_str(), answer.header("content-type")), ("signed for", Some("image/png")));
                    assert_eq!(stage.app.get(&path).header("range", "bytes=0-5").await.expect_status(206).text(), "signed");
                    stage.app.get(&path.replace("inline", "attachment")).await.expect_status(403);
                    stage.app.get(path.split_once('?').expect("a query").0).await.expect_status(403);
                    stage.app.clock().advance(Duration::from_secs(61));
                    stage.app.get(&path).await.expect_status(403);
                }
                Signs::Store => {
                    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
                    let answer = crate::stage::exchange(host, request.as_bytes());
                    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("signed for"), "{answer}");
                    let lower = answer.to_ascii_lowercase();
                    assert!(lower.contains("content-type: image/png"), "{answer}");
                    assert!(lower.contains("content-disposition: inline; filename=\"a.png\""), "{answer}");
                }
            }
            let too_long = stage.blobs().presign(&blob, 8 * DAY, Show::Inline).await.expect_err("too long");
            assert!(too_long.hint_text().is_some_and(|hint| hint.contains("blobs.max_presign")));
        }
    }

    async fn many_uploads_at_once_are_each_themselves() {
        for stage in Stage::all_with(|section| section.max_uploads = 3).await {
            let uploads = (0..12_u8).map(|number| {
                let stage = &stage;
                async move {
                    let bytes = vec![number; 100_000 + usize::from(number)];
                    let blob = stage.put(&bytes, 8_192).await;
                    assert!(stage.load(&blob).await == bytes);
                }
            });
            futures_util::future::join_all(uploads).await;
            assert_eq!((stage.rows().await, stage.blobs().state().uploaded), ([0, 12, 0], 12));
        }
    }
}
