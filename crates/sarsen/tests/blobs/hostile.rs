//! Who sends half of it, too much of it, or something else than it says.

use crate::files::File;
use crate::stage::{PATIENCE, Stage, files, made_up};
use sarsen::clock;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends the beginning of a request and hangs up, as a client does whose network is gone.
fn begin(address: &str, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.write_all(request).expect("is sent");
    stream
}

fn head(length: usize) -> Vec<u8> {
    format!("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: {length}\r\n\r\n")
        .into_bytes()
}

sarsen::each_profile! {
    async fn a_truncated_upload_leaves_nothing() {
        let stage = Stage::start().await;
        let address = stage.app.listen().await.to_string();
        let bytes = made_up(3_000_000);
        let chunked = b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let form = b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=xyz\r\n\
            content-length: 9000000\r\n\r\n--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
        let announced = head(9_000_000);
        for (round, begins) in [announced, form].into_iter().enumerate() {
            let mut request = begins;
            request.extend_from_slice(&bytes);
            let stream = begin(&address, &request);
            stage.until_rows([1, 0, 0]).await;
            drop(stream);
            stage.until_rows([0, 0, 0]).await;
            assert_eq!(stage.blobs().state().broken_off, round as u64 + 1);
        }
        // Chunks that end in the middle of one.
        let mut request = chunked;
        request.extend_from_slice(b"200000\r\n");
        request.extend_from_slice(&bytes[..2_000_000]);
        let stream = begin(&address, &request);
        stage.until_rows([1, 0, 0]).await;
        drop(stream);
        stage.until_rows([0, 0, 0]).await;
        let end = clock::monotonic() + PATIENCE;
        while !files(&stage.folder()).is_empty() {
            assert!(clock::monotonic() < end, "{:?}", files(&stage.folder()));
            clock::pause(Duration::from_millis(10)).await;
        }
        // A form without its end is none.
        let open = "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf of it";
        let refused = stage.app.post("/v1/files").header("content-type", "multipart/form-data; boundary=xyz").body(open).await;
        refused.expect_status(400);
        assert_eq!((stage.rows().await, files(&stage.folder()).len()), ([0, 0, 0], 0));
    }

    async fn what_is_too_large_is_refused_and_other_routes_keep_their_limit() {
        let stage = Stage::start_with(|section| section.max_upload.0 = 2 << 20).await;
        // More than http.max_body, and that is well.
        let body = made_up(2 << 20);
        stage.app.post("/v1/files").header("content-type", "image/png").body(body.clone()).await.expect_status(201);
        let large = made_up((2 << 20) + 1);
        stage.app.post("/v1/files").header("content-type", "image/png").body(large.clone()).await.expect_status(413);
        let address = stage.app.listen().await.to_string();
        let mut stream = begin(&address, &head(1 << 40));
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 413");
        let mut chunked = b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n300000\r\n".to_vec();
        chunked.extend_from_slice(&made_up(0x30_0000));
        chunked.extend_from_slice(b"\r\n0\r\n\r\n");
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(&address).expect("connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
            // It may hang up before all is sent.
            let _ = stream.write_all(&chunked);
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).map(|()| answer)
        });
        assert_eq!(&answer.await.expect("runs").expect("an answer"), b"HTTP/1.1 413");
        assert_eq!(stage.rows().await, [0, 1, 0]);
    }

    async fn a_client_that_pauses_is_not_waited_for() {
        let stage = Stage::start().await;
        // The pause of a body is 10 seconds of real time, too long for a test: what is looked at is that it is told.
        let address = stage.app.listen().await.to_string();
        let mut request = head(3_000_000);
        request.extend_from_slice(&made_up(1_500_000));
        let mut stream = begin(&address, &request);
        stage.until_rows([1, 0, 0]).await;
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).map(|()| answer)
        });
        assert_eq!(&answer.await.expect("runs").expect("an answer"), b"HTTP/1.1 408");
        stage.until_rows([0, 0, 0]).await;
    }

    async fn who_dribbles_gives_its_place_back() {
        let stage = Stage::start_with(|section| {
            section.min_rate.0 = 1 << 20;
            section.slow_after.0 = Duration::from_secs(1);
        })
        .await;
        let address = stage.app.listen().await.to_string();
        let mut stream = begin(&address, &head(3_000_000));
        let mut reads = stream.try_clone().expect("another handle");
        let dribbling = tokio::task::spawn_blocking(move || {
            // Until it is hung up on.
            while stream.write_all(&[7; 100]).is_ok() {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        });
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = [0; 12];
            reads.read_exact(&mut answer).map(|()| answer)
        });
        assert_eq!(&answer.await.expect("runs").expect("an answer"), b"HTTP/1.1 408");
        stage.until_rows([0, 0, 0]).await;
        dribbling.await.expect("ends");
    }

    async fn what_people_upload_does_nothing_in_a_browser() {
        let stage = Stage::start().await;
        for (content_type, name) in [
            ("image/svg+xml", "a.svg"),
            ("text/html", "a.html"),
            ("application/pdf", "a.pdf"),
            ("application/xhtml+xml", "a.xhtml"),
            ("text/javascript", "a.js"),
        ] {
            let request = stage.app.post("/v1/files").header("content-type", content_type);
            let request = request.header("content-disposition", &format!("attachment; filename=\"{name}\""));
            let file: File = request.body("<svg onload=alert(1)>").await.expect_status(201).json();
            let loaded = stage.app.get(&format!("/v1/files/{}", file.key)).await.expect_status(200);
            assert_eq!(loaded.header("content-disposition"), Some(format!("attachment; filename=\"{name}\"").as_str()));
            assert_eq!(loaded.header("x-content-type-options"), Some("nosniff"));
            assert!(loaded.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox; default-src 'none'")));
        }
        for wrong in ["image", "a/b/c d"] {
            let refused = stage.app.post("/v1/files").header("content-type", wrong).body("x").await;
            assert!(refused.status().is_client_error(), "{wrong}: {}", refused.status());
        }
    }

    async fn a_path_is_never_a_name() {
        let stage = Stage::start().await;
        for name in ["../../etc/passwd", "..\\\\..\\\\boot.ini", "/etc/shadow", "....//x", ".", "a\tb"] {
            let request = stage.app.post("/v1/files").header("content-type", "image/png");
            let request = request.header("content-disposition", &format!("attachment; filename=\"{name}\""));
            let file: File = request.body("x").await.expect_status(201).json();
            assert!(!file.name.contains(['/', '\\']) && !file.name.starts_with('.'), "{name} became {}", file.name);
        }
        for path in ["..%2f..%2fetc/ab/passwd", "files/../passwd", "files/%2e%2e/x", "files/ab/..%2f..%2fx", "%00/a/b"] {
            let refused = stage.app.get(&format!("/v1/files/{path}")).await;
            assert!(refused.status().is_client_error(), "{path}: {}", refused.status());
        }
        let outside = stage.folder().parent().expect("a folder").to_owned();
        assert_eq!(std::fs::read_dir(outside).expect("is read").count(), 1, "something was written beside the folder");
    }
}
