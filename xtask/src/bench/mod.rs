//! `cargo xtask bench`: figures with the command, the machine and the commit, as a table or as one JSON object a line.

mod build;
mod files;
mod growth;
mod jobs;
mod memory;
mod parley;
mod peers;
mod process;
mod realtime;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::Outcome;
use crate::services::folder;
use report::Report;

/// Measures; run it when nothing else keeps the machine busy.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
    /// One JSON object a line instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// A fraction of the work: shows that it runs, not what it costs.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand, Debug)]
enum Bench {
    /// What a whole request costs, beside bare axum with the same driver, and axum with sqlx.
    Overhead,
    /// What a statement costs through Db, beside its driver, and what writing together brings.
    Data,
    /// What a value from the cache costs, beside the crates alone.
    Cache,
    /// Whether reads stay as quick when a channel grows.
    DataGrowth(growth::Options),
    /// How much memory Parley takes: idle, importing, while a long history is read; and a server while a large file passes it.
    Memory,
    /// Job queues side by side: enqueueing, draining, and how soon a job starts.
    Jobs(jobs::Options),
    /// Real time beside npm ws and socket.io: an idle connection, a delivery, and from a commit to a client.
    Realtime(realtime::Options),
    /// How many packages there are, and how long a cold build and an edit take.
    Build,
}

/// Runs `cargo xtask bench`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    let report = Report::start(options.json)?;
    match &options.bench {
        Bench::Overhead => peers::run("overhead", options.quick, &report)?,
        Bench::Data => peers::run("data", options.quick, &report)?,
        Bench::Cache => peers::run("cache", options.quick, &report)?,
        Bench::DataGrowth(growth) => growth::run(growth, options.quick, &report)?,
        Bench::Memory => memory::run(options.quick, &report)?,
        Bench::Jobs(jobs) => jobs::run(jobs, options.quick, &report)?,
        Bench::Realtime(realtime) => realtime::run(realtime, options.quick, &report)?,
        Bench::Build => build::run(options.quick, &report)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A temporary folder that is removed when it is dropped.
#[derive(Debug)]
struct Private(PathBuf);

impl Private {
    fn new(name: &str) -> Outcome<Private> {
        folder::private(name).map(Private)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// A database file in it.
    fn sqlite(&self) -> String {
        format!("sqlite:{}", self.0.join("parley.db").display())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Nothing is left to do about a folder that cannot be removed.
        let _removed = fs::remove_dir_all(&self.0);
    }
}
