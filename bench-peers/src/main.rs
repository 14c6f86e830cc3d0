//! Measures Sarsen beside what one would otherwise use. `cargo xtask bench` builds it, starts it and shows the figures.

mod cache;
mod data;
mod growth;
mod jobs;
mod overhead;
mod pipe;
mod report;
mod rounds;
mod sample;

use clap::{Args, Parser, Subcommand};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An error that is a sentence.
fn wrong(message: impl Into<String>) -> Box<dyn std::error::Error + Send + Sync> {
    message.into().into()
}

#[derive(Parser, Debug)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand, Debug)]
enum Bench {
    /// A whole request, through everything that Sarsen puts around a handler.
    Overhead(Options),
    /// A statement through `Db`, and writes that share their commits.
    Data(Options),
    /// A value from the cache, beside the crates alone.
    Cache(Options),
    /// Parley's reads on a small and a large channel.
    Growth(growth::Options),
    /// Parley's whole history of one channel, read once; it prints no figure.
    Walk(growth::WalkOptions),
    /// One bench of one job queue; it prints one line.
    Jobs(jobs::Options),
}

/// What every bench takes.
#[derive(Args, Clone, Debug)]
struct Options {
    /// A tenth of the rounds.
    #[arg(long)]
    quick: bool,
    /// The server of the cases on PostgreSQL, which are left out without it.
    #[arg(long, env = "SARSEN_TEST_POSTGRES")]
    postgres: Option<String>,
}

fn main() -> Outcome<()> {
    match Arguments::parse().bench {
        Bench::Overhead(options) => overhead::run(&options),
        Bench::Data(options) => data::run(&options),
        Bench::Cache(options) => cache::run(&options),
        Bench::Growth(options) => current_thread()?.block_on(growth::run(&options)),
        Bench::Walk(options) => current_thread()?.block_on(growth::walk(&options)),
        Bench::Jobs(options) => all_cores()?.block_on(jobs::run(&options)),
    }
}

fn current_thread() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn all_cores() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
