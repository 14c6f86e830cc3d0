//! A server of topics, and clients that count what reaches them: `cargo xtask crash realtime` kills one and cuts the others,
//! `cargo xtask bench realtime` measures them.
//!
//! `realtime serve GO FILE` serves, and while the file GO is there writes messages and notes in FILE which were committed;
//! `realtime clients COUNT SECONDS FILE ADDRESS…` hears them through cut connections and compares; `realtime load CASE WIRE
//! ADDRESS PROCESS COUNT SECONDS` measures a server. The configuration is that of the environment.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal and for a harness")]

mod clients;
mod load;
mod server;
mod wire;

use sarsen::{Error, Result, lifecycle};
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
        ["serve", go, file] => {
            lifecycle::spawn_thread("end-of-input", async { end_with_the_input() })?;
            server::run(go, file).await
        }
        ["clients", count, seconds, file, addresses @ ..] => {
            clients::run(number(count)?, number(seconds)?, file, addresses).await
        }
        ["load", case, wire, address, process, count, seconds] => {
            load::run(case, wire, address, process, number(count)?, number(seconds)?).await
        }
        _ => Err(Error::invalid(
            "say `serve GO FILE`, `clients COUNT SECONDS FILE ADDRESS…` or `load CASE WIRE ADDRESS PROCESS COUNT SECONDS`",
        )),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid(format!("`{text}` is no number")))
}

/// Whoever started this process holds its input open; when that is gone, nobody would end the process.
fn end_with_the_input() {
    let _read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::abort();
}
