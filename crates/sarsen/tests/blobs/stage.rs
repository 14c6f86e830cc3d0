//! An application that keeps files, in a folder of its own or in a bucket of its own.

use crate::files::Files;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sarsen::blobs::{Blob, Blobs, Upload, UploadOptions};
use sarsen::config::{BlobsSection, Url};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Result, clock};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) url: Url,
    _folder: TempDir,
}

/// The drivers that can be had, by their URLs; each URL is a place that nobody else uses.
pub(crate) fn drivers() -> Vec<(Url, TempDir)> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = Url::new(format!("file:{}", folder.path().join("blobs").display()));
    let mut drivers = vec![(url, folder)];
    drivers.extend(bucket().map(|url| (url, tempfile::tempdir().expect("a folder"))));
    drivers
}

#[cfg(not(feature = "s3"))]
fn bucket() -> Option<Url> {
    println!("skipped: s3, which needs the feature of this name");
    None
}

/// A new bucket on the server that `SARSEN_TEST_S3` names.
#[cfg(feature = "s3")]
fn bucket() -> Option<Url> {
    let Ok(endpoint) = std::env::var("SARSEN_TEST_S3") else {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_S3 is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no S3; run `cargo xtask services --only s3 -- cargo test`");
        return None;
    };
    let name = format!("test-{}", sarsen::Clock::real().id().simple());
    let address = endpoint.trim_start_matches("http://");
    let answer = exchange(
        address,
        format!("PUT /{name} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Some(Url::new(format!("s3://test:test@{name}/parley?endpoint={endpoint}&region=us-east-1")))
}

/// Sends a whole request over a connection of its own, and gives the whole answer.
pub(crate) fn exchange(address: &str, request: &[u8]) -> String {
    String::from_utf8_lossy(&exchange_bytes(address, request)).into_owned()
}

pub(crate) fn exchange_bytes(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.write_all(request).expect("is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

fn build(mut config: Config, url: &Url, change: impl FnOnce(&mut BlobsSection)) -> App {
    config.blobs.url = url.clone();
    change(&mut config.blobs);
    let mut app = App::new("files", "0.0.0", config);
    app.mount::<Files>(());
    app
}

impl Stage {
    /// In a folder.
    pub(crate) async fn start() -> Self {
        let (url, folder) = drivers().swap_remove(0);
        Self::on(url, folder, |_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut BlobsSection)) -> Self {
        let (url, folder) = drivers().swap_remove(0);
        Self::on(url, folder, change).await
    }

    pub(crate) async fn on(url: Url, folder: TempDir, change: impl FnOnce(&mut BlobsSection)) -> Self {
        let app = TestApp::start(|config| build(config, &url, change)).await;
        Self { app, url, _folder: folder }
    }

    /// One for each driver that can be had.
    pub(crate) async fn all() -> Vec<Self> {
        Self::all_with(|_| {}).await
    }

    pub(crate) async fn all_with(change: impl Fn(&mut BlobsSection)) -> Vec<Self> {
        let mut all = Vec::new();
        for (url, folder) in drivers() {
            all.push(Self::on(url, folder, &change).await);
        }
        all
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        self.app.running().blobs()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(self.url.expose().trim_start_matches("file:"))
    }

    /// Keeps an upload in a transaction of its own.
    pub(crate) async fn keep(&self, upload: &Upload) -> Blob {
        let tx = self.app.db().begin().await.expect("a transaction");
        let blob = self.blobs().keep(&tx, upload).await.expect("is kept");
        tx.commit().await.expect("is committed");
        blob
    }

    /// Uploads in pieces of this size and keeps it.
    pub(crate) async fn put(&self, bytes: &[u8], piece: usize) -> Blob {
        let upload = self.blobs().upload(pieces(bytes, piece), options()).await.expect("is uploaded");
        self.keep(&upload).await
    }

    pub(crate) async fn load(&self, blob: &Blob) -> Bytes {
        self.blobs().bytes(blob, usize::MAX).await.expect("is read")
    }

    /// What the rows say: how many are pending, kept, to be deleted.
    pub(crate) async fn rows(&self) -> [i64; 3] {
        let sql = "SELECT state, COUNT(*) FROM sarsen_blobs GROUP BY state LIMIT 3";
        let rows: Vec<(i64, i64)> = self.app.db().query(sql).all().await.expect("rows");
        [0, 1, 2].map(|state| rows.iter().find(|row| row.0 == state).map_or(0, |row| row.1))
    }

    /// Waits until the rows are so.
    pub(crate) async fn until_rows(&self, expected: [i64; 3]) {
        let end = clock::monotonic() + PATIENCE;
        while self.rows().await != expected {
            assert!(clock::monotonic() < end, "the rows are {:?}, and not {expected:?}", self.rows().await);
            clock::pause(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn options() -> UploadOptions {
    UploadOptions::folder("files").content_type("image/png").name("a.png")
}

/// Bytes that differ, the same each time.
pub(crate) fn made_up(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(byte).collect()
}

pub(crate) fn pieces(bytes: &[u8], piece: usize) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let pieces: Vec<_> = bytes.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// The stream, and then something else.
pub(crate) fn then(
    bytes: &[u8],
    last: impl Future<Output = Option<Result<Bytes>>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    pieces(bytes, 64 << 10).chain(stream::once(last).filter_map(std::future::ready))
}

/// The files below a folder, but for the one that says whose it is.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
    found.retain(|name| name != "sarsen-owner");
    found.sort();
    found
}
