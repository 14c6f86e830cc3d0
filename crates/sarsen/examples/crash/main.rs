//! An application to be killed: `cargo xtask crash` starts it, kills it at bad moments, and looks at what is left.
//!
//! `crash web FILE` places orders and writes down in FILE which were acknowledged, `crash worker` does what follows from
//! them, `crash check FILE` waits until all is done and compares, `crash hold SECONDS` lets nobody else write to an embedded
//! database, and `crash faults` lists the points at which it can die. The configuration is that of the environment.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal and for a harness")]

mod check;
mod hold;
mod orders;
mod web;

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
    if matches!(arguments.first(), Some(&("web" | "worker"))) {
        lifecycle::spawn_thread("end-of-input", async { end_with_the_input() })?;
    }
    match arguments.as_slice() {
        ["web", file] => web::place_orders(&app(&["web"])?.start().await?, file).await,
        ["worker"] => app(&["worker"])?.serve().await,
        ["check", file] => check::run(app(&["web"])?.start().await?, file).await,
        ["hold", seconds] => hold::run(app(&["web"])?.start().await?, seconds).await,
        ["faults"] => {
            points().for_each(|(point, role)| println!("{point} {role}"));
            Ok(())
        }
        _ => Err(Error::invalid("say `web FILE`, `worker`, `check FILE`, `hold SECONDS` or `faults`")),
    }
}

/// Those that this program passes: `tests/blobs_program.rs` is killed at those of blobs.
fn points() -> impl Iterator<Item = (&'static str, &'static str)> {
    lifecycle::FAULTS.into_iter().filter(|(point, _)| !point.starts_with("blobs."))
}

/// Whoever started this process holds its input open; when that is gone, nobody would end the process.
fn end_with_the_input() {
    let _read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::abort();
}

fn app(roles: &[&str]) -> Result<App> {
    let environ = std::env::vars().filter(|(name, _)| name.starts_with("SARSEN_")).collect();
    let mut config = Config::load(None, &environ, &Config::default())?;
    config.process.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    telemetry::init_logging(&config.log)?;
    let mut app = App::new("crash", "1", config);
    app.mount::<orders::Orders>(());
    Ok(app)
}
