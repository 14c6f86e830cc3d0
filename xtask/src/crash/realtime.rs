//! Clients of real time whose connections are cut, while one of two servers on one database is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use clap::Args;
use serde_json::Value;

use super::stage::pause;
use crate::services::{Mortal, folder};
use crate::{Outcome, command, repository};

/// How many clients, and for how long.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// Clients; each is cut for 2 s every 10 s.
    #[arg(long, default_value_t = 500)]
    clients: u64,
    /// Seconds in which is written.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Long grants and no limits of a rate: five hundred clients come from one address, as themselves.
const SETTINGS: &[(&str, &str)] = &[
    ("SARSEN_HTTP__LISTEN", "127.0.0.1:0"),
    ("SARSEN_REALTIME__URL", "database:"),
    ("SARSEN_APP__ENVIRONMENT", "test"),
    ("SARSEN_APP__SECRET", "only for crash tests, but long enough for them"),
    ("SARSEN_LOG__OPERATIONS", "false"),
    ("SARSEN_LOG__LEVEL", "warn"),
];

/// A server that is killed when this is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Runs it and prints what came of it.
pub(super) fn run(options: &Options, json: bool) -> Outcome<ExitCode> {
    command::run(&mut repository::cargo(&["build", "--locked", "--package", "sarsen", "--example", "realtime"]))?;
    let program = repository::target().join("debug/examples/realtime");
    let (database, folder) = (Mortal::start()?, folder::private("crash-realtime")?);
    let done = between(options, &program, &database.database("realtime")?, &folder);
    let _removed = std::fs::remove_dir_all(&folder);
    let (went_well, line) = judge(&done?)?;
    println!("{}", if json { line } else { shown(&line)? });
    Ok(if went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The servers write while the file `go` is there; in the middle of it one of them is killed, and another takes its place.
fn between(options: &Options, program: &Path, url: &str, folder: &Path) -> Outcome<String> {
    let (go, committed) = (folder.join("go"), folder.join("committed"));
    let start = || serve(program, url, &go, &committed);
    let (first, second) = (start()?, start()?);
    let mut clients = Command::new(program);
    clients.arg("clients").arg(options.clients.to_string()).arg(options.seconds.to_string()).arg(&committed);
    clients.args([&first.address, &second.address]).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut clients = clients.spawn().map_err(|error| format!("cannot start the clients: {error}"))?;
    let mut said = BufReader::new(clients.stdout.take().ok_or("the clients say nothing")?);
    expect(&mut said, "ready")?;
    std::fs::write(&go, "").map_err(|error| format!("cannot write {}: {error}", go.display()))?;
    pause(options.seconds * 500);
    drop(second);
    expect(&mut said, "over")?;
    std::fs::remove_file(&go).map_err(|error| format!("cannot remove {}: {error}", go.display()))?;
    let line = next(&mut said)?;
    let _ended = clients.wait();
    Ok(line)
}

fn serve(program: &Path, url: &str, go: &PathBuf, committed: &PathBuf) -> Outcome<Server> {
    let mut command = Command::new(program);
    command.arg("serve").arg(go).arg(committed).envs(SETTINGS.iter().copied()).env("SARSEN_DATABASE__URL", url);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().map_err(|error| format!("cannot start a server: {error}"))?;
    let mut said = BufReader::new(process.stdout.take().ok_or("the server says nothing")?);
    let line = next(&mut said)?;
    let address = line.split_whitespace().nth(1).ok_or_else(|| format!("no address is `{line}`"))?.to_owned();
    Ok(Server { process, address })
}

fn next(said: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    let read = said.read_line(&mut line).map_err(|error| format!("cannot read what a process says: {error}"))?;
    if read == 0 { Err("a process ended without a word".to_owned()) } else { Ok(line.trim().to_owned()) }
}

fn expect(said: &mut BufReader<ChildStdout>, word: &str) -> Outcome<()> {
    let line = next(said)?;
    if line == word { Ok(()) } else { Err(format!("`{line}` is not `{word}`")) }
}

/// Whether everything committed reached everybody, once and in order, without anybody being told to load anew.
fn judge(line: &str) -> Outcome<(bool, String)> {
    let value = read(line)?;
    let none = |name: &str| value[name] == 0;
    let some = |name: &str| value[name].as_u64().is_some_and(|count| count > 0);
    let well = ["doubled", "missed", "reloaded", "behind"].into_iter().all(none) && some("heard") && some("cuts");
    Ok((well, line.to_owned()))
}

fn shown(line: &str) -> Outcome<String> {
    let value = read(line)?;
    let count = |name: &str| value[name].to_string();
    Ok(format!(
        "{} clients, {} messages committed, {} heard; {} connections cut, {} lost or refused with the server that was killed\n\
         doubled {}, missed or out of order {}, told to load anew {}, clients without everything {}",
        count("clients"),
        count("committed"),
        count("heard"),
        count("cuts"),
        count("refused"),
        count("doubled"),
        count("missed"),
        count("reloaded"),
        count("behind"),
    ))
}

fn read(line: &str) -> Outcome<Value> {
    serde_json::from_str(line).map_err(|error| format!("no report is `{line}`: {error}"))
}
