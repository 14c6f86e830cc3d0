//! The real binary of Parley as a server on a free port of the loopback, stopped when it is dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Outcome, command, repository, wait};

/// How long the first start may take, with its migrations.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(25);

/// A running server.
#[derive(Debug)]
pub(super) struct Parley {
    process: Child,
    address: SocketAddr,
}

/// Builds the program, optimised, and says where it is.
pub(super) fn build() -> Outcome<PathBuf> {
    command::run(&mut repository::cargo(&["build", "--release", "--locked", "--package", "parley"]))?;
    Ok(repository::target().join("release/parley"))
}

/// The program with its configuration; what it writes goes to a file in `folder`, where it works.
pub(super) fn program(program: &Path, database: &str, folder: &Path) -> Outcome<Command> {
    let log = folder.join("parley.log");
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let mut command = Command::new(program);
    // Production: an empty database stays empty, and nothing is checked that only helps developers.
    command.current_dir(folder).env("SARSEN_DATABASE__URL", database).env("SARSEN_LOG__OPERATIONS", "false");
    command
        .env("SARSEN_APP__ENVIRONMENT", "production")
        .env("SARSEN_APP__SECRET", "not a secret but long enough for a bench")
        // Production asks where mails go; nobody is there, and nobody signs up.
        .env("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP", "smtp://127.0.0.1:9");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Ok(command)
}

impl Parley {
    /// Starts it and waits until it is ready.
    pub(super) fn serve(path: &Path, database: &str, folder: &Path) -> Outcome<Parley> {
        let address = free_address()?;
        let mut command = program(path, database, folder)?;
        command.env("SARSEN_HTTP__LISTEN", address.to_string());
        let process = command.spawn().map_err(|error| format!("cannot start {}: {error}", path.display()))?;
        let mut parley = Parley { process, address };
        let ready = wait::until(READY_LIMIT, || match parley.process.try_wait() {
            Ok(None) => parley.get("/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200 ")).map(|_| true),
            _ => Some(false),
        });
        if ready == Some(true) {
            return Ok(parley);
        }
        let log = fs::read_to_string(folder.join("parley.log")).unwrap_or_default();
        Err(format!("{} did not get ready within {READY_LIMIT:?}; it says:\n{log}", path.display()))
    }

    /// The answer to a GET, head and body; nothing when there is none.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_LIMIT).ok()?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Parley {
    /// Asks it to stop in order, as an orchestrator does.
    fn drop(&mut self) {
        let asked = command::succeeds(Command::new("kill").args(["-TERM", &self.process.id().to_string()]));
        let ended = || matches!(self.process.try_wait(), Ok(Some(_))).then_some(());
        if !asked || wait::until(STOP_LIMIT, ended).is_none() {
            // It is gone already, or nothing more can be done about it.
            let _killed = self.process.kill().and_then(|()| self.process.wait());
        }
    }
}

/// A port that is free now.
fn free_address() -> Outcome<SocketAddr> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| format!("no port is free on the loopback: {error}"))
}
