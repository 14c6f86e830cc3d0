//! Where the program runs in a test: a folder, a profile in it, and a database of its own.

use sarsen::config::{DatabaseSection, Url};
use sarsen::{Clock, Db};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A stage of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// The embedded database.
    Embedded,
    /// The server that `cargo xtask services` starts.
    Server,
}

/// A folder with a profile; the database is new and empty.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    profile: PathBuf,
    on_server: bool,
}

impl Place {
    /// Makes it; nothing, and a word about it, when this machine has no such server.
    pub(crate) async fn new(database: Database) -> Option<Place> {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match database {
            Database::Embedded => format!("sqlite:{}", folder.path().join("parley.db").display()),
            Database::Server => {
                let server = server()?;
                let name = format!("program_{}", Clock::real().id().simple());
                administer(&server, format!("CREATE DATABASE {name}")).await;
                let (before, _) = server.rsplit_once('/').expect("a database in the URL");
                format!("{before}/{name}")
            }
        };
        let profile = folder.path().join("profile.toml");
        let text = format!(
            "[app]\nenvironment = \"test\"\nsecret = \"only for tests, but long enough for them\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nheader_timeout = \"2s\"\nbody_pause = \"2s\"\nrequest_timeout = \"10s\"\n\
             [database]\nurl = \"{url}\"\nconnections = 8\n[log]\nformat = \"json\"\noperations = false\n\
             [modules.accounts.config]\npassword_memory_kib = 64\npassword_iterations = 1\n"
        );
        std::fs::write(&profile, text).expect("writes the profile");
        Some(Place { folder, profile, on_server: database == Database::Server })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with these arguments; it is killed when nobody waits for it any more.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parley"));
        command.args(arguments).arg("--profile").arg(&self.profile).current_dir(self.folder.path());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end and gives what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.expect("the program runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} ended with {}:\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Imports a log and gives the report of it.
    pub(crate) async fn import(&self, file: &Path, channel: &str) -> Value {
        let out = self.run(&["import", "irc", &file.display().to_string(), "--channel", channel, "--json"]).await;
        serde_json::from_str(out.lines().last().unwrap_or_default()).expect("a report")
    }

    /// Fails when `doctor` finds the database damaged. Migrations may wait where a program was killed before them.
    pub(crate) async fn check_database(&self) {
        let findings: Value = serde_json::from_str(&self.run(&["doctor", "--json"]).await).expect("findings");
        let of = |check: &str| findings.as_array().expect("a list").iter().find(|finding| finding["check"] == check);
        assert!(of("migrations").is_none_or(|found| found["level"] != "fail"), "{findings}");
        let found = of("database").expect("it was looked at");
        let message = found["message"].as_str().unwrap_or_default();
        // A program may also be killed before it has made the file.
        let sound = ["integrity ok", "does not exist yet"].iter().any(|words| message.contains(words));
        assert!(found["level"] == "ok" && (self.on_server || sound), "doctor does not say that it is sound: {found}");
    }

    /// Starts the server, and waits until it says where it listens.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&[]).await
    }

    /// Starts the server with these variables.
    pub(crate) async fn serve_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve"]);
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        while let Some(line) = lines.next_line().await.expect("text") {
            let address = address_in(&line);
            said.lock().expect("no panic").push(line);
            if let Some(address) = address {
                // Somebody must read what it writes, or it waits for room.
                let more = said.clone();
                drop(sarsen::lifecycle::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        more.lock().expect("no panic").push(line);
                    }
                }));
                return Server { child, address, said };
            }
        }
        panic!("the server did not start:\n{}", said.lock().expect("no panic").join("\n"));
    }
}

fn server() -> Option<String> {
    let server = std::env::var("SARSEN_TEST_POSTGRES").ok();
    if server.is_none() {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_POSTGRES is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no PostgreSQL; run `cargo xtask services -- cargo test`");
    }
    server
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let found = [&line["address"], &line["fields"]["address"]].into_iter().find_map(Value::as_str)?;
    found.parse().ok()
}

async fn administer(server: &str, sql: String) {
    let section = DatabaseSection { url: Url::new(server), connections: 1, ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await.expect("connects to the server");
    db.query(sql).execute().await.expect("the server does it");
    db.close().await;
}

/// A server that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The lines of its log.
    pub(crate) said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Kills it as `kill -9` does.
    pub(crate) async fn kill(mut self) -> ExitStatus {
        self.child.start_kill().expect("it was running");
        self.child.wait().await.expect("it ends")
    }
}
