//! A server of files, and a client that moves a large one: `cargo xtask bench memory` measures what the server takes for it.
//!
//! `blobs serve` serves with the configuration of the environment; `blobs load ADDRESS PROCESS BYTES` sends a file of so many
//! bytes, loads it again and compares.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal and for a harness")]

mod files;
mod load;

use sarsen::config::Config;
use sarsen::{App, Error, Result, lifecycle, telemetry};
use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve"] => {
            lifecycle::spawn_thread("end-of-input", async { end_with_the_input() })?;
            serve().await
        }
        ["load", address, process, bytes] => {
            let bytes = bytes.parse().map_err(|_| Error::invalid(format!("`{bytes}` is no number")))?;
            let moved = load::moved(address, process, bytes).await?;
            let line = serde_json::to_string(&moved);
            println!("{}", line.map_err(|error| Error::internal("it cannot be told").source(error))?);
            Ok(())
        }
        _ => Err(Error::invalid("say `serve` or `load ADDRESS PROCESS BYTES`")),
    }
}

async fn serve() -> Result<()> {
    let environ = std::env::vars().filter(|(name, _)| name.starts_with("SARSEN_")).collect();
    let config = Config::load(None, &environ, &Config::default())?;
    telemetry::init_logging(&config.log)?;
    let mut app = App::new("files", "1", config);
    app.mount::<files::Files>(());
    app.serve_with(
        async |_| Ok(()),
        |address, ()| {
            if let Some(address) = address {
                println!("listening {address} {}", std::process::id());
            }
        },
    )
    .await
}

/// Whoever started this process holds its input open; when that is gone, nobody would end the process.
fn end_with_the_input() {
    let _read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::abort();
}
