//! One bench of one job queue: `cargo xtask bench jobs` starts a process for each and puts the figures side by side.

mod apalis;
mod benches;
mod effects;
mod engine;
mod ours;

use crate::Outcome;
use clap::{Args, ValueEnum};
use effects::Effects;
use engine::{Engine, Settings, Synchronous};
use serde::Serialize;
use std::time::Duration;

/// What to measure, and on what.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Whose queue.
    #[arg(value_enum)]
    peer: Peer,
    #[arg(value_enum)]
    bench: Bench,
    /// A database of its own: `postgres://…` or `sqlite:…`.
    #[arg(long)]
    url: String,
    #[arg(long, value_enum, default_value_t = Variant::Tuned)]
    variant: Variant,
    /// For SQLite.
    #[arg(long, value_enum, default_value_t = Synchronous::Normal)]
    synchronous: Synchronous,
    /// Jobs to enqueue, to run, or samples to take.
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Jobs that wait already; their numbers are 0 and up.
    #[arg(long, default_value_t = 0)]
    waiting: usize,
    /// Clients at once, or jobs at once.
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// How long the worker may run.
    #[arg(long, default_value = "60", value_parser = seconds)]
    seconds: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    Sarsen,
    Apalis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    Enqueue,
    EnqueueBulk,
    Drain,
    StartIdle,
}

/// How a queue is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Variant {
    /// With its defaults.
    Plain,
    /// As quick as we found out to make it.
    Tuned,
}

/// The one line that is printed.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Figure {
    /// Jobs a second.
    Rate { rate: f64 },
    /// Milliseconds.
    Latency { p50: f64, p99: f64, samples: usize },
}

/// Runs the bench and prints its figure, or why there is none.
pub(crate) async fn run(options: &Options) -> Outcome<()> {
    match measure(options).await {
        Ok(figure) => crate::report::line(&figure),
        Err(reason) => {
            crate::report::line(&serde_json::json!({ "failed": reason.to_string() }))?;
            Err(reason)
        }
    }
}

async fn measure(options: &Options) -> Outcome<Figure> {
    let (url, variant, synchronous) = (options.url.clone(), options.variant, options.synchronous);
    let settings = Settings { url, variant, synchronous, concurrency: options.concurrency };
    match (options.peer, options.url.starts_with("sqlite:")) {
        (Peer::Sarsen, _) => bench(&ours::Ours::open(&settings).await?, options).await,
        (Peer::Apalis, true) => bench(&apalis::Sqlite::open(&settings).await?, options).await,
        (Peer::Apalis, false) => bench(&apalis::Postgres::open(&settings).await?, options).await,
    }
}

async fn bench<E: Engine>(engine: &E, options: &Options) -> Outcome<Figure> {
    match options.bench {
        Bench::Enqueue => benches::enqueue(engine, options).await,
        Bench::EnqueueBulk => benches::enqueue_bulk(engine, options).await,
        Bench::Drain => benches::drain(engine, options).await,
        Bench::StartIdle => benches::start_idle(engine, options).await,
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
