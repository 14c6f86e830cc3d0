//! A program that keeps files, killed at each point at which it can be, and one that moves a large file: run as a program of its
//! own, this file is both.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects")]

#[expect(dead_code, reason = "it never looks at how the program fails")]
mod as_program;
#[path = "../examples/blobs/files.rs"]
mod files;
#[path = "../examples/blobs/load.rs"]
mod load;

use as_program::program;
use files::{File, Files};
use sarsen::cli::{NoCommands, Program};
use sarsen::config::{DatabaseSection, Url};
use sarsen::{App, Clock, Db, Result, lifecycle};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;

/// What the program finds in its environment: it gives up soon what nobody keeps.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SARSEN_LOG__LEVEL", "warn"),
    ("SARSEN_TELEMETRY__STORE", ""),
    ("SARSEN_BLOBS__PENDING_FOR", "500ms"),
    ("SARSEN_BLOBS__SWEEP", "100ms"),
    ("SARSEN_BLOBS__MAX_UPLOAD", "100MB"),
];
const PATIENCE: Duration = Duration::from_secs(30);
/// What a large file may add to what the program takes, in kilobytes.
const GROWTH: u64 = 24 << 10;

struct Keeper;

impl Program for Keeper {
    const NAME: &'static str = "keeper";
    const VERSION: &'static str = "1.2.3";
    const ABOUT: &'static str = "Keeps files.";
    type Commands = NoCommands;
    type Handles = ();

    fn mount(app: &mut App) -> Result<()> {
        app.mount::<Files>(());
        Ok(())
    }
}

/// The program, killed when a check fails.
struct Serving {
    child: Child,
    port: u16,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Serving {
    fn start(folder: &Path, database: &str, fault: &str) -> Self {
        let mut command = program(folder, &[]);
        command.env("SARSEN_DATABASE__URL", database).stdout(Stdio::piped()).stderr(Stdio::null());
        if !fault.is_empty() {
            command.env("SARSEN_TEST_FAULT", fault);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.ok()?.strip_prefix("keeper 1.2.3 is at http://")?.rsplit_once(':')?.1.parse().ok());
        Self { child, port: port.unwrap() }
    }

    /// The status and the body of the answer; nothing when the program died first.
    fn ask(&self, request: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let head = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let at = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
        let status = String::from_utf8_lossy(&answer[..at]).split(' ').nth(1)?.parse().ok()?;
        Some((status, answer[at + 4..].to_vec()))
    }

    fn files(&self) -> Vec<File> {
        let (status, body) = self.ask("GET /v1/files", b"").expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Waits until it has killed itself.
    fn has_died(&mut self, point: &str) {
        for _ in 0..300 {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        panic!("it did not come to {point}");
    }
}

/// Files below the folder of the blobs.
fn stored(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(stored(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.retain(|name| name != "sarsen-owner");
    found.sort();
    found
}

/// The ways in which it is killed, and whether what was asked for is there afterwards: nothing where it may be either.
const UPLOADS: [(&str, Option<bool>); 6] = [
    ("blobs.pending", Some(false)),
    ("blobs.writing", Some(false)),
    ("blobs.writing:2", Some(false)),
    ("blobs.written", Some(false)),
    ("blobs.keeping", Some(false)),
    // The commits before the one that keeps are of the start.
    ("data.committed", None),
];

fn killed_while_it_uploads_it_leaves_no_orphan_and_no_dangling_name(folder: &Path, database: &str) {
    let bytes = vec![7; 3 << 20];
    for (point, there) in UPLOADS {
        let mut dying = Serving::start(folder, database, if point == "data.committed" { "" } else { point });
        let before = dying.files().len();
        if point == "data.committed" {
            // After the commit, before anybody is told: `kill -9` when the row is there.
            let (status, _) = dying.ask("POST /v1/files", &bytes).expect("an answer");
            assert_eq!(status, 201);
            dying.child.kill().unwrap();
        } else {
            assert!(dying.ask("POST /v1/files", &bytes).is_none(), "{point}: it answered");
        }
        dying.has_died(point);
        let expected = before + usize::from(there.unwrap_or(true));
        settled(folder, database, point, expected);
    }
}

fn killed_while_it_deletes_it_leaves_no_orphan_and_no_dangling_name(folder: &Path, database: &str) {
    for (point, gone) in [("blobs.deleting", false), ("blobs.removed", true)] {
        let key = {
            let serving = Serving::start(folder, database, "");
            let (status, body) = serving.ask("POST /v1/files", b"to be deleted").expect("an answer");
            assert_eq!(status, 201);
            serde_json::from_slice::<File>(&body).unwrap().key
        };
        let mut dying = Serving::start(folder, database, point);
        let before = dying.files().len();
        let _ = dying.ask(&format!("DELETE /v1/files/{key}"), b"");
        dying.has_died(point);
        settled(folder, database, point, before - usize::from(gone));
    }
}

/// Starts it again, and waits until each file has its bytes and there are no others.
fn settled(folder: &Path, database: &str, point: &str, expected: usize) {
    let serving = Serving::start(folder, database, "");
    let blobs = folder.join("data/blobs");
    let mut named = Vec::new();
    for _ in 0..300 {
        named = serving.files().iter().map(|file| file.key.rsplit('/').next().unwrap().to_owned()).collect();
        named.sort();
        if named == stored(&blobs) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert_eq!(named, stored(&blobs), "{point}: orphans, or names without bytes");
    assert_eq!(named.len(), expected, "{point}");
    for file in serving.files() {
        let (status, body) = serving.ask(&format!("GET /v1/files/{}", file.key), b"").expect("an answer");
        assert_eq!((status, body.len() as u64), (200, file.size), "{point}: {}", file.key);
    }
}

fn a_large_file_passes_in_constant_memory(folder: &Path) {
    let serving = Serving::start(folder, "sqlite:data/large.db", "");
    let (status, _) = serving.ask("POST /v1/files", &vec![1; 4 << 20]).expect("an answer");
    assert_eq!(status, 201);
    let run = runtime().block_on(load::moved(
        &format!("127.0.0.1:{}", serving.port),
        &serving.child.id().to_string(),
        64 << 20,
    ));
    let moved = run.unwrap();
    let grown = moved.peak_down_kb - moved.before_kb;
    println!("64 MB up and down: {} KB before, {} KB at most", moved.before_kb, moved.peak_down_kb);
    assert!(grown < GROWTH, "64 MB took {grown} KB more");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn on_sqlite(folder: &Path) {
    killed_while_it_uploads_it_leaves_no_orphan_and_no_dangling_name(folder, "sqlite:data/app.db");
    killed_while_it_deletes_it_leaves_no_orphan_and_no_dangling_name(folder, "sqlite:data/app.db");
}

fn on_postgres(_: &Path) {
    let Ok(server) = std::env::var("SARSEN_TEST_POSTGRES") else {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_POSTGRES is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no PostgreSQL; run `cargo xtask services -- cargo test`");
        return;
    };
    let name = format!("blobs_{}", Clock::real().id().simple());
    let made = async {
        let section = DatabaseSection { url: Url::new(server.clone()), connections: 1, ..DatabaseSection::default() };
        let admin = Db::connect(&section, &Clock::real()).await?;
        admin.query(format!("CREATE DATABASE {name}")).execute().await?;
        admin.close().await;
        sarsen::Result::<()>::Ok(())
    };
    runtime().block_on(made).unwrap();
    let database = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let folder = tempfile::tempdir().unwrap();
    killed_while_it_uploads_it_leaves_no_orphan_and_no_dangling_name(folder.path(), &database);
    killed_while_it_deletes_it_leaves_no_orphan_and_no_dangling_name(folder.path(), &database);
}

/// Each point of blobs is one at which the program was killed here.
fn every_point_is_passed(_: &Path) {
    let points = lifecycle::FAULTS.iter().map(|(point, _)| *point).filter(|point| point.starts_with("blobs."));
    for point in points {
        let known =
            UPLOADS.iter().any(|(killed, _)| *killed == point) || ["blobs.deleting", "blobs.removed"].contains(&point);
        assert!(known, "nobody is killed at {point}");
    }
}

fn main() -> ExitCode {
    as_program::main::<Keeper>(&[
        ("every_point_is_passed", every_point_is_passed),
        ("killed_on_sqlite_it_leaves_no_orphan_and_no_dangling_name", on_sqlite),
        ("killed_on_postgres_it_leaves_no_orphan_and_no_dangling_name", on_postgres),
        ("a_large_file_passes_in_constant_memory", a_large_file_passes_in_constant_memory),
    ])
}
