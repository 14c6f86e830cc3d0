//! The services as a user of the command line sees them: they start, they answer, and they never outlive xtask.
#![expect(clippy::disallowed_methods, reason = "these tests wait for real processes")]
#![expect(clippy::unwrap_used, reason = "a test may panic, in the functions that it shares with others too")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running `cargo xtask services`, with the address of its server.
struct Running {
    xtask: Child,
    input: Option<ChildStdin>,
    address: String,
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["services", "--only", "postgres"]).args(arguments);
    command
}

/// Nothing is installed from within a test: without a server it is skipped, unless everything is required.
fn is_installed() -> bool {
    let installed = Path::new("/usr/lib/postgresql").exists();
    assert!(
        installed || std::env::var_os("SARSEN_TEST_REQUIRE").is_none(),
        "PostgreSQL is required; run `cargo xtask services`"
    );
    installed
}

fn start() -> Running {
    let mut command = xtask(&[]);
    let mut xtask = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(xtask.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address =
        line.trim().strip_prefix("SARSEN_TEST_POSTGRES=postgres://app@").unwrap().strip_suffix("/postgres").unwrap();
    Running { input: xtask.stdin.take(), address: address.to_owned(), xtask }
}

impl Running {
    fn answers(&self) -> bool {
        TcpStream::connect(&self.address).is_ok()
    }

    /// Whether the server's folder is still there; its name carries the process id of xtask.
    fn has_folder(&self) -> bool {
        let start = format!("sarsen-postgres-{}-", self.xtask.id());
        let mut entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with(&start))
    }

    fn is_gone(&self) -> bool {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(15) {
            if !self.answers() && !self.has_folder() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

#[test]
fn the_server_stops_at_the_end_of_the_input() {
    if !is_installed() {
        return;
    }
    let mut running = start();
    assert!(running.answers() && running.has_folder());
    drop(running.input.take());
    assert!(running.xtask.wait().unwrap().success());
    assert!(!running.answers() && !running.has_folder(), "xtask waits until everything is stopped");
}

#[test]
fn the_server_does_not_outlive_a_killed_xtask() {
    if !is_installed() {
        return;
    }
    let mut running = start();
    assert!(running.answers() && running.has_folder());
    running.xtask.kill().unwrap();
    running.xtask.wait().unwrap();
    assert!(running.is_gone());
}

#[test]
fn a_command_gets_the_environment_and_gives_the_exit_code() {
    if !is_installed() {
        return;
    }
    let query = "psql \"$SARSEN_TEST_POSTGRES\" -At -c 'SELECT current_user'; exit 7";
    let Output { status, stdout, stderr } = xtask(&["--", "sh", "-c", query]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!((status.code(), stdout.lines().last()), (Some(7), Some("app")), "{stderr}");
}

#[test]
fn a_redis_answers_on_the_loopback_and_is_gone_after_its_command() {
    let installed = Path::new("/usr/bin/redis-server").exists();
    if !installed {
        // No test of the workspace needs it, so it is not required either.
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["services", "--only", "redis", "--", "sh", "-c", "redis-cli -u \"$SARSEN_TEST_REDIS\" PING"]);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.lines().last() == Some("PONG"), "{stdout}{stderr}");
    let address = stdout.lines().find_map(|line| line.strip_prefix("SARSEN_TEST_REDIS=redis://")).unwrap();
    assert!(address.starts_with("127.0.0.1:") && TcpStream::connect(address).is_err());
}
