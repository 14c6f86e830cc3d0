//! Files over HTTP: what goes up comes down, whole and in parts, and is harmless.

use crate::files::File;
use crate::stage::{Stage, exchange_bytes, made_up};
use sarsen::telemetry::WaitKind;
use serde_json::Value;

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        body.extend_from_slice(format!("--xyz\r\ncontent-disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=xyz");

async fn put(stage: &Stage, content_type: &str, bytes: &[u8]) -> File {
    stage
        .app
        .post("/v1/files")
        .header("content-type", content_type)
        .body(bytes.to_vec())
        .await
        .expect_status(201)
        .json()
}

sarsen::each_profile! {
    async fn a_file_goes_up_and_down() {
        for stage in Stage::all().await {
            let bytes = made_up(3_000_000);
            let file = put(&stage, "image/png", &bytes).await;
            assert_eq!((file.size, file.content_type.as_str(), file.name.as_str()), (3_000_000, "image/png", ""));
            let path = format!("/v1/files/{}", file.key);
            let whole = stage.app.get(&path).await.expect_status(200);
            assert!(*whole.bytes() == bytes);
            let tag = format!("\"{}\"", file.sha256);
            for (name, value) in [
                ("etag", tag.as_str()),
                ("content-length", "3000000"),
                ("content-type", "image/png"),
                ("content-disposition", "inline"),
                ("accept-ranges", "bytes"),
                ("cache-control", "private, no-cache"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(whole.header(name), Some(value), "{name}");
            }
            assert!(whole.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox")));
            let modified = whole.header("last-modified").expect("is said").to_owned();
            let part = stage.app.get(&path).header("range", "bytes=1000000-1999999").header("if-range", &tag).await;
            let part = part.expect_status(206);
            assert_eq!(part.header("content-range"), Some("bytes 1000000-1999999/3000000"));
            assert!(**part.bytes() == bytes[1_000_000..2_000_000]);
            let tail = stage.app.get(&path).header("range", "bytes=-5").header("if-range", &modified).await.expect_status(206);
            assert!(**tail.bytes() == bytes[2_999_995..]);
            let other = stage.app.get(&path).header("range", "bytes=-5").header("if-range", "\"old\"").await.expect_status(200);
            assert_eq!(other.bytes().len(), 3_000_000);
            let beyond = stage.app.get(&path).header("range", "bytes=3000000-").await.expect_status(416);
            assert_eq!(beyond.header("content-range"), Some("bytes */3000000"));
            let same = stage.app.get(&path).header("if-none-match", &tag).await.expect_status(304);
            assert_eq!((same.bytes().len(), same.header("etag")), (0, Some(tag.as_str())));
            stage.app.get(&path).header("if-match", "\"old\"").await.expect_status(412);
            let head = stage.app.client().request(http::Method::HEAD, &path).header("range", "bytes=0-1").await;
            let head = head.expect_status(200);
            assert_eq!((head.bytes().len(), head.header("content-length")), (0, Some("3000000")));
            stage.app.delete(&path).await.expect_status(204);
            stage.app.get(&path).await.expect_status(404);
        }
    }

    async fn a_form_brings_files_and_fields() {
        let stage = Stage::start().await;
        let bytes = made_up(200_000);
        let body = form(&[("name=\"file\"; filename=\"../../cat \\\"1\\\".png\"", &bytes), ("name=\"note\"", b"ignored")]);
        let file: File = stage.app.post("/v1/files").header(FORM.0, FORM.1).body(body).await.expect_status(201).json();
        assert_eq!((file.name.as_str(), file.size), ("cat _1_.png", 200_000));
        let loaded = stage.app.get(&format!("/v1/files/{}", file.key)).await.expect_status(200);
        assert!(*loaded.bytes() == bytes);
        let shown = loaded.header("content-disposition").expect("is said");
        // The form did not say what it is, so it is saved.
        assert_eq!(shown, "attachment; filename=\"cat _1_.png\"");
        stage.app.post("/v1/files").header(FORM.0, FORM.1).body("--xyz--\r\n").await.expect_status(422);
        stage.app.post("/v1/thrown-away").header(FORM.0, FORM.1).body(form(&[("name=\"file\"", b"x")])).await.expect_status(204);
        assert_eq!(stage.rows().await, [1, 1, 0]);
    }

    async fn the_store_and_the_client_are_booked() {
        let stage = Stage::start().await;
        stage.app.operations();
        let file = put(&stage, "video/mp4", &made_up(3_000_000)).await;
        stage.app.get(&format!("/v1/files/{}", file.key)).await.expect_status(200);
        let operations = stage.app.operations();
        for name in ["POST /v1/files", "GET /v1/files/{folder}/{shard}/{id}"] {
            let operation = operations.iter().find(|operation| operation.record().name.as_str() == name);
            let waits = operation.unwrap_or_else(|| panic!("no {name}")).record().waits();
            assert!(waits.iter().any(|wait| wait.kind == WaitKind::Blob), "{name}: {waits:?}");
        }
    }

    async fn the_pages_and_the_document_know_of_it() {
        let stage = Stage::start().await;
        put(&stage, "image/png", b"12345").await;
        let shown: Value = stage.app.get("/ops/api/blobs").await.expect_status(200).json();
        assert_eq!((&shown["driver"], &shown["usage"]["kept_bytes"], &shown["bytes_in"]), (&"file".into(), &5.into(), &5.into()));
        let metrics = stage.app.get("/metrics").await.expect_status(200).text();
        for line in ["sarsen_blobs_kept 1\n", "sarsen_blobs_in_bytes_total 5\n", "sarsen_blobs_uploading 0\n"] {
            assert!(metrics.contains(line), "{line} is not in\n{metrics}");
        }
        let document: Value = stage.app.get("/openapi.json").await.expect_status(200).json();
        let body = &document["paths"]["/v1/files"]["post"]["requestBody"]["content"];
        assert!(body["multipart/form-data"].is_object() && body["application/octet-stream"].is_object(), "{body}");
        assert!(!document.to_string().contains("x-sarsen"), "a mark of the framework is in the document");
    }

    async fn over_a_socket_it_is_the_same() {
        let stage = Stage::start().await;
        let address = stage.app.listen().await.to_string();
        let bytes = made_up(5_000_000);
        let mut request = format!(
            "POST /v1/files HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        request.extend_from_slice(&bytes);
        let to = address.clone();
        let answer = tokio::task::spawn_blocking(move || exchange_bytes(&to, &request)).await.expect("answers");
        let (_, json) = split(&answer);
        let file: File = serde_json::from_slice(json).expect("JSON");
        let request = format!("GET /v1/files/{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", file.key);
        let answer = tokio::task::spawn_blocking(move || exchange_bytes(&address, request.as_bytes())).await.expect("answers");
        let (head, body) = split(&answer);
        assert!(head.contains("content-length: 5000000\r\n"), "{head}");
        assert!(body == bytes);
        assert_eq!(stage.blobs().state().reading, 0);
    }
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let at = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..at + 2]).into_owned(), &answer[at + 4..])
}
