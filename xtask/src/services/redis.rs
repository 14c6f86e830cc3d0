//! A private Redis on a free port, in a temporary folder.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::postgres::Durability;
use super::server::{self, Server};
use super::{folder, install};
use crate::{Outcome, wait};

/// How long a server may take to answer; an empty one takes milliseconds.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Starts a server and waits until it answers.
pub(super) fn start(durability: Durability) -> Outcome<Server> {
    server::some_port("Redis", |port| attempt(port, durability))
}

fn attempt(port: u16, durability: Durability) -> Outcome<Server> {
    let folder = folder::private("redis")?;
    launch(&folder, port, durability).inspect_err(|_| {
        // A server that was started has removed its folder already.
        let _absent = fs::remove_dir_all(&folder);
    })
}

fn launch(folder: &Path, port: u16, durability: Durability) -> Outcome<Server> {
    let log = folder.join("log");
    let file = File::create(&log).map_err(|error| format!("cannot create {}: {error}", log.display()))?;
    let mut command = Command::new(install::REDIS);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]).arg("--dir").arg(folder);
    command.args(["--save", ""]).args(durable(durability)).current_dir(folder);
    let errors = file.try_clone().map_err(|error| format!("cannot use {}: {error}", log.display()))?;
    command.stdout(file).stderr(Stdio::from(errors));
    let mut server = Server::start(&mut command, folder, format!("redis://127.0.0.1:{port}"))?;
    wait_until_ready(&mut server, port)
        .map_err(|problem| format!("{problem}; its log ends: {}", server::last_lines(&log)))?;
    Ok(server)
}

/// As durable as Redis is run for queues: the log of commands, written to the disk each second.
fn durable(durability: Durability) -> &'static [&'static str] {
    match durability {
        Durability::Fast => &["--appendonly", "no"],
        Durability::Durable => &["--appendonly", "yes", "--appendfsync", "everysec"],
    }
}

fn wait_until_ready(server: &mut Server, port: u16) -> Outcome<()> {
    let ready = wait::until(READY_LIMIT, || {
        if server.has_ended() {
            return Some(Err("the server ended while it was starting".to_owned()));
        }
        pong(port).map(|_| Ok(()))
    });
    ready.unwrap_or_else(|| Err(format!("the server on port {port} was not ready in {READY_LIMIT:?}")))
}

fn pong(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG\r\n").then_some(())
}
