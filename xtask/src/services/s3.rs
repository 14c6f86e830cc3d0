//! A private server that speaks S3, on a free port: moto, which keeps everything in memory.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::server::{self, Server};
use super::{folder, install};
use crate::{Outcome, command, repository, wait};

/// What is installed, and at which version.
const PACKAGE: &str = "moto[s3,server]==5.2.5";
/// How long a server may take to answer: it reads all of botocore.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The program, in an environment of Python of its own; it is installed when it is not there.
pub(super) fn program() -> Outcome<PathBuf> {
    let place = repository::target().join("services/s3");
    let (program, marker) = (place.join("bin/moto_server"), place.join("installed"));
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == PACKAGE) && program.exists() {
        return Ok(program);
    }
    let _none = fs::remove_dir_all(&place);
    install::python_environment(&place)?;
    let mut pip = Command::new(place.join("bin/pip"));
    // Its output is news, not the environment that a shell may want to read from standard output.
    command::run(pip.args(["install", "--quiet", "--disable-pip-version-check", PACKAGE]).stdout(std::io::stderr()))?;
    fs::write(&marker, PACKAGE).map_err(|error| format!("cannot write {}: {error}", marker.display()))?;
    if program.exists() { Ok(program) } else { Err(format!("was installed, but {} is not there", program.display())) }
}

/// Starts a server and waits until it answers.
pub(super) fn start(program: &Path) -> Outcome<Server> {
    server::some_port("the S3 server", |port| attempt(program, port))
}

fn attempt(program: &Path, port: u16) -> Outcome<Server> {
    let folder = folder::private("s3")?;
    launch(program, &folder, port).inspect_err(|_| {
        // A server that was started has removed its folder already.
        let _absent = fs::remove_dir_all(&folder);
    })
}

fn launch(program: &Path, folder: &Path, port: u16) -> Outcome<Server> {
    let log = folder.join("log");
    let file = File::create(&log).map_err(|error| format!("cannot create {}: {error}", log.display()))?;
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).current_dir(folder);
    let errors = file.try_clone().map_err(|error| format!("cannot use {}: {error}", log.display()))?;
    command.stdout(file).stderr(Stdio::from(errors));
    let mut server = Server::start(&mut command, folder, format!("http://127.0.0.1:{port}"))?;
    wait_until_ready(&mut server, port)
        .map_err(|problem| format!("{problem}; its log ends: {}", server::last_lines(&log)))?;
    Ok(server)
}

fn wait_until_ready(server: &mut Server, port: u16) -> Outcome<()> {
    let ready = wait::until(READY_LIMIT, || {
        if server.has_ended() {
            return Some(Err("the server ended while it was starting".to_owned()));
        }
        answers(port).map(|()| Ok(()))
    });
    ready.unwrap_or_else(|| Err(format!("the server on port {port} was not ready in {READY_LIMIT:?}")))
}

/// Whether it lists its buckets, of which it has none.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    answer.ends_with(b" 200").then_some(())
}
