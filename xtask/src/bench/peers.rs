//! Builds `bench-peers`, a workspace of its own because of what its peers bring, and runs one of its benches.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::report::Report;
use crate::services::{Durability, Service, Services};
use crate::{Outcome, command, repository};

/// Runs a bench that compares on both databases; without a PostgreSQL it says so and measures the rest.
pub(super) fn run(bench: &str, quick: bool, report: &Report) -> Outcome<()> {
    let program = build()?;
    let services = Services::start_with(&[Service::Postgres], Durability::Durable)?;
    for reason in services.skipped() {
        eprintln!("skipped {reason}");
    }
    let mut bench_peers = Command::new(program);
    bench_peers.arg(bench).envs(services.environment().iter().map(|(name, value)| (name, value)));
    if quick {
        bench_peers.arg("--quick");
    }
    figures(&mut bench_peers, report)
}

/// Builds the program, optimised, and says where it is.
pub(super) fn build() -> Outcome<PathBuf> {
    // Not `--locked`: its lock file learns here what Sarsen has come to depend on since.
    let mut cargo = repository::cargo(&["build", "--release", "--manifest-path", "bench-peers/Cargo.toml"]);
    command::run(cargo.env("CARGO_TARGET_DIR", repository::target()))?;
    Ok(repository::target().join("release/bench-peers"))
}

/// Runs a program that prints figures, and adds them as they come.
pub(super) fn figures(program: &mut Command, report: &Report) -> Outcome<()> {
    let name = command::shown(program);
    let started = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut process = started.map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let lines = process.stdout.take().map(|output| BufReader::new(output).lines());
    let added = lines.into_iter().flatten().try_for_each(|line| {
        let line = line.map_err(|error| format!("cannot read what `{name}` prints: {error}"))?;
        report.add_line(&line)
    });
    // After a wrong line nobody reads on, and a write to a closed pipe ends the program.
    let status = process.wait().map_err(|error| format!("cannot wait for `{name}`: {error}"))?;
    added?;
    if status.success() { Ok(()) } else { Err(format!("`{name}` failed ({status}); what it said is above")) }
}
