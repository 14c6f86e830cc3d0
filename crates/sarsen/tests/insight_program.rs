//! What a program leaves in its store, killed or stopped, run as a program of its own: this file is both.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects")]

#[expect(dead_code, reason = "it never looks at how the program fails")]
mod as_program;

use as_program::program;
use sarsen::cli::{NoCommands, Program};
use sarsen::config::{Config, Environment};
use sarsen::http::routing::get;
use sarsen::telemetry::Snapshot;
use sarsen::{App, Clock, Declare, Error, Init, Module, NoApi, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// What the program finds in its environment.
const ENVIRONMENT: &[(&str, &str)] = &[("SARSEN_LOG__LEVEL", "warn")];

struct Parrot;

impl Module for Parrot {
    const NAME: &'static str = "parrot";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.routes(|_| {
            let fails = async || Err::<(), _>(Error::internal("the secret xyzzy4711 of \"swordfish\" is out"));
            sarsen::http::Routes::new().api_route("/v1/hello", get(async || "hello")).api_route("/v1/fails", get(fails))
        });
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Parrot)
    }
}

struct Talks;

impl Program for Talks {
    const NAME: &'static str = "talks";
    const VERSION: &'static str = "1.2.3";
    const ABOUT: &'static str = "Talks.";
    type Commands = NoCommands;
    type Handles = ();

    fn mount(app: &mut App) -> Result<()> {
        app.mount::<Parrot>(());
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
        let _ = self.child.kill();
    }
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut child = program(folder, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.ok()?.strip_prefix("talks 1.2.3 is at http://")?.rsplit_once(':')?.1.parse().ok());
        Self { child, port: port.unwrap() }
    }

    fn get(&self, path: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }

    /// Ends it as the signal says; what it wrote to its log.
    fn end(&mut self, signal: &str) -> String {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

/// What the store in a folder says of the last hour.
fn stored(folder: &Path) -> Option<Snapshot> {
    let mut config = Config::default();
    config.app.environment = Environment::Development;
    config.telemetry.store = format!("sqlite:{}", folder.join("data/insight.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = async { sarsen::insight::stored(&config, &Clock::real(), Duration::from_secs(3_600)).await };
    runtime.block_on(read).ok().flatten()
}

fn count(snapshot: Option<&Snapshot>, name: &str) -> u64 {
    let operations = snapshot.into_iter().flat_map(|snapshot| &snapshot.operations);
    operations.filter(|operation| operation.name == name).map(|operation| operation.all.count).sum()
}

/// Looks at the store until it knows so many, at most for half a minute.
fn wait_for(folder: &Path, name: &str, wanted: u64) -> Snapshot {
    for _ in 0..300 {
        let snapshot = stored(folder);
        if count(snapshot.as_ref(), name) >= wanted {
            return snapshot.unwrap();
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("the store knows {} of {wanted} {name}", count(stored(folder).as_ref(), name));
}

fn what_was_written_outlives_kill_9(folder: &Path) {
    let mut first = Serving::start(folder);
    (0..50).for_each(|_| first.get("/v1/hello"));
    (0..3).for_each(|_| first.get("/v1/fails"));
    let seen = wait_for(folder, "GET /v1/hello", 50);
    assert!(seen.build.starts_with("1.2.3+"), "{}", seen.build);
    first.end("-KILL");
    let mut second = Serving::start(folder);
    (0..7).for_each(|_| second.get("/v1/hello"));
    // One that is asked to stop writes down the rest.
    second.end("-TERM");
    let left = stored(folder);
    assert_eq!((count(left.as_ref(), "GET /v1/hello"), count(left.as_ref(), "GET /v1/fails")), (57, 3));
    let bytes = std::fs::read(folder.join("data/insight.db")).unwrap();
    for value in ["xyzzy4711", "swordfish"] {
        assert!(!bytes.windows(value.len()).any(|part| part == value.as_bytes()), "`{value}` is in the store");
    }
    let said = &left.unwrap().errors[0].message;
    assert_eq!(said, "the secret # of `…` is out");
}

fn a_damaged_store_is_set_aside_and_the_program_starts(folder: &Path) {
    let store = folder.join("data/insight.db");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", store.display()));
    }
    std::fs::write(&store, b"rubbish ".repeat(1_000)).unwrap();
    let mut serving = Serving::start(folder);
    serving.get("/v1/hello");
    wait_for(folder, "GET /v1/hello", 1);
    let log = serving.end("-TERM");
    assert!(log.contains("damaged") && log.contains("insight.db.broken-"), "{log}");
    let files = std::fs::read_dir(folder.join("data")).unwrap().map(|file| file.unwrap().file_name());
    assert!(files.into_iter().any(|name| name.to_string_lossy().starts_with("insight.db.broken-")));
}

fn main() -> ExitCode {
    as_program::main::<Talks>(&[
        ("what_was_written_outlives_kill_9", what_was_written_outlives_kill_9),
        ("a_damaged_store_is_set_aside_and_the_program_starts", a_damaged_store_is_set_aside_and_the_program_starts),
    ])
}
