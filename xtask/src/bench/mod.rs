//! `cargo xtask bench`: figures with the command, the machine and the commit, as a table or as one JSON object a line.

mod peers;
mod report;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::Outcome;
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
}

/// Runs `cargo xtask bench`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    let report = Report::start(options.json)?;
    match &options.bench {
        Bench::Overhead => peers::run("overhead", options.quick, &report)?,
    }
    Ok(ExitCode::SUCCESS)
}
