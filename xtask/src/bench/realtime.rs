//! Real time side by side: what an idle connection takes, what a delivery costs, and how soon a client has what was committed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Private;
use super::jobs::Node;
use super::report::{Measurement, Report};
use crate::services::{Durability, Service, Services};
use crate::{Outcome, command, repository};

/// What is measured.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only these cases.
    #[arg(value_enum, value_name = "CASE")]
    cases: Vec<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// KiB of the server for each of many connections that say nothing, each signed in and in two topics.
    IdleConnection,
    /// Seconds of processor for a million deliveries.
    Delivery,
    /// Milliseconds from before the commit of one process to a client of another.
    CommitToClient,
}

/// What is asked of a server, and how much of it where it is to be quick.
const IDLE: [(u64, u64); 2] = [(5_000, 5), (500, 2)];
const DELIVERY: [(u64, u64); 2] = [(1_000, 20), (100, 3)];
const COMMITS: [(u64, u64); 2] = [(100, 20), (20, 3)];

/// The limits that the goals name.
const KIB_LIMIT: f64 = 6.0;
const CPU_LIMIT: f64 = 4.5;
const COMMIT_LIMIT_MS: f64 = 15.0;

const SETTINGS: &[(&str, &str)] = &[
    ("SARSEN_HTTP__LISTEN", "127.0.0.1:0"),
    ("SARSEN_HTTP__MAX_CONNECTIONS", "20000"),
    ("SARSEN_REALTIME__MAX_CONNECTIONS", "20000"),
    ("SARSEN_REALTIME__INBOUND_RATE", "1000"),
    ("SARSEN_LOG__OPERATIONS", "false"),
    ("SARSEN_LOG__LEVEL", "warn"),
    ("SARSEN_APP__SECRET", "only for benchmarks, but long enough for them"),
];

/// A server in a process of its own, which ends with this.
pub(super) struct Server {
    process: Child,
    address: String,
    id: String,
}

impl Server {
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The number of its process.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Runs the cases that are asked for.
pub(super) fn run(options: &Options, quick: bool, report: &Report) -> Outcome<()> {
    command::run(&mut repository::cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        "sarsen",
        "--example",
        "realtime",
    ]))?;
    let program = repository::target().join("release/examples/realtime");
    let folder = Private::new("bench-realtime")?;
    let wanted = |case| options.cases.is_empty() || options.cases.contains(&case);
    let bench = Bench { program, folder, at: usize::from(quick) };
    for case in [Case::IdleConnection, Case::Delivery] {
        if wanted(case) {
            bench.beside_peers(case, report)?;
        }
    }
    if wanted(Case::CommitToClient) { bench.commit_to_client(report) } else { Ok(()) }
}

struct Bench {
    program: PathBuf,
    folder: Private,
    at: usize,
}

impl Bench {
    fn beside_peers(&self, case: Case, report: &Report) -> Outcome<()> {
        let ours = self.measure(case, "sarsen", &self.serve(&self.folder.sqlite(), "memory:")?)?;
        let (name, key, unit, limit) = match case {
            Case::IdleConnection => ("idle-connection", "kib_each", "KiB", KIB_LIMIT),
            _ => ("delivery", "cpu_s_per_million", "s", CPU_LIMIT),
        };
        let figure = |value: &Value| value[key].as_f64().ok_or_else(|| format!("no figure is in `{value}`"));
        report.add(&Measurement::limited("realtime", &format!("{name} sarsen"), figure(&ours)?, unit, limit));
        late(name, "sarsen", &ours, report);
        let node = match Node::ready() {
            Ok(node) => node,
            Err(error) => {
                eprintln!("skipped the peers of Node.js: {error}");
                return Ok(());
            }
        };
        for (peer, wire) in [("ws", "plain"), ("socket.io", "socket.io")] {
            let mut command = node.program();
            let theirs = self.measure(case, wire, &start(command.args(["realtime.js", peer]))?)?;
            let measured = Measurement::alone("realtime", &format!("{name} npm {peer}"), figure(&theirs)?, unit);
            report.add(&measured);
            late(name, &format!("npm {peer}"), &theirs, report);
        }
        Ok(())
    }

    fn measure(&self, case: Case, wire: &str, server: &Server) -> Outcome<Value> {
        let (name, (count, seconds)) = match case {
            Case::IdleConnection => ("idle-connection", IDLE[self.at]),
            _ => ("delivery", DELIVERY[self.at]),
        };
        let mut load = Command::new(&self.program);
        load.args(["load", name, wire, &server.address, &server.id, &count.to_string(), &seconds.to_string()]);
        let line = command::output(&mut load)?;
        serde_json::from_str(line.trim()).map_err(|error| format!("no figures are `{line}`: {error}"))
    }

    /// Two processes on one database: the clients are at one, and both write.
    fn commit_to_client(&self, report: &Report) -> Outcome<()> {
        let services = Services::start_with(&[Service::Postgres], Durability::Durable)?;
        let Some((_, url)) = services.environment().iter().find(|(name, _)| *name == "SARSEN_TEST_POSTGRES") else {
            eprintln!("skipped commit-to-client: there is no PostgreSQL");
            return Ok(());
        };
        let (hears, _writes) = (self.serve(url, "database:")?, self.serve(url, "database:")?);
        let (count, seconds) = COMMITS[self.at];
        let mut load = Command::new(&self.program);
        load.args([
            "load",
            "commit-to-client",
            "sarsen",
            &hears.address,
            &hears.id,
            &count.to_string(),
            &seconds.to_string(),
        ]);
        let mut load =
            load.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start the load: {error}"))?;
        let mut said = BufReader::new(load.stdout.take().ok_or("the load says nothing")?);
        next(&mut said)?;
        let go = self.go();
        std::fs::write(&go, "").map_err(|error| format!("cannot write {}: {error}", go.display()))?;
        let line = next(&mut said)?;
        let _removed = std::fs::remove_file(&go);
        let _ended = load.wait();
        let value: Value = serde_json::from_str(&line).map_err(|error| format!("no figures are `{line}`: {error}"))?;
        for (name, limit) in [("p50", None), ("p99", Some(COMMIT_LIMIT_MS))] {
            let figure = value[format!("{name}_ms")].as_f64().ok_or_else(|| format!("no figure is in `{line}`"))?;
            let case = format!("commit-to-client {name}");
            report.add(&match limit {
                Some(limit) => Measurement::limited("realtime", &case, figure, "ms", limit),
                None => Measurement::alone("realtime", &case, figure, "ms"),
            });
        }
        Ok(())
    }

    fn go(&self) -> PathBuf {
        self.folder.path().join("go")
    }

    fn serve(&self, url: &str, driver: &str) -> Outcome<Server> {
        let committed: &Path = &self.folder.path().join("committed");
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(self.go()).arg(committed).envs(SETTINGS.iter().copied());
        start(command.env("SARSEN_DATABASE__URL", url).env("SARSEN_REALTIME__URL", driver))
    }
}

/// How late deliveries were, and that none is missing.
fn late(name: &str, who: &str, measured: &Value, report: &Report) {
    if measured["delivered"] != measured["expected"] {
        eprintln!("{who} delivered {} of {}", measured["delivered"], measured["expected"]);
    }
    if let Some(p99) = measured["p99_ms"].as_f64() {
        report.add(&Measurement::alone("realtime", &format!("{name} {who} p99"), p99, "ms"));
    }
}

/// Starts a server that says `listening ADDRESS PROCESS`.
pub(super) fn start(command: &mut Command) -> Outcome<Server> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = started.map_err(|error| format!("cannot start a server: {error}"))?;
    let mut said = BufReader::new(process.stdout.take().ok_or("the server says nothing")?);
    let line = next(&mut said)?;
    let mut words = line.split_whitespace().skip(1).map(str::to_owned);
    match (words.next(), words.next()) {
        (Some(address), Some(id)) => Ok(Server { process, address, id }),
        _ => Err(format!("no address is in `{line}`")),
    }
}

fn next(said: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    let read = said.read_line(&mut line).map_err(|error| format!("cannot read what a process says: {error}"))?;
    if read == 0 { Err("a process ended without a word".to_owned()) } else { Ok(line.trim().to_owned()) }
}
