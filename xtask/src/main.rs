//! What the repository needs beside cargo: `cargo xtask ci`, `tidy`, `services`, `crash` and `bench`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool: the terminal is its output")]

mod bench;
mod ci;
mod command;
mod crash;
mod repository;
mod services;
mod tidy;
mod verdicts;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a step of xtask ends: with what it was asked for, or with a sentence that says what failed, on what, and the fix.
type Outcome<T> = Result<T, String>;

/// What the repository needs beside cargo.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// One line a command; its options live beside its code.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Runs everything that must pass before a change is merged.
    Ci(ci::Options),
    /// Checks the rules of the house that the compiler does not know.
    Tidy(tidy::Options),
    /// Starts the real servers that tests use, for one command or until the end of the input.
    Services(services::Options),
    /// Kills processes and servers while they work, and looks for what was lost or happened twice.
    Crash(crash::Options),
    /// Plants faults in Parley and looks whether it says itself what is wrong.
    Verdicts(verdicts::Options),
    /// Measures what Sarsen and Parley cost, beside what one would otherwise use.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Ci(options) => ci::run(&options),
        Verb::Tidy(options) => tidy::run(&options),
        Verb::Services(options) => services::run(&options),
        Verb::Crash(options) => crash::run(&options),
        Verb::Verdicts(options) => verdicts::run(&options),
        Verb::Bench(options) => bench::run(&options),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        ExitCode::FAILURE
    })
}
