//! The database is gone for a while, under load.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::stage::{Stage, pause};
use super::{Database, Done};
use crate::Outcome;

/// How the database is taken away.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Stops the server, or holds the embedded database's only lock for writing; then nothing may be missing, and every process
/// must still be there.
pub(super) fn run(options: &Options, program: &Path, database: Database) -> Outcome<Done> {
    let mut stage = Stage::new(program, database)?;
    stage.begin()?;
    pause(3_000);
    stage.take_away(Duration::from_secs(options.seconds))?;
    pause(3_000);
    let (checked, exited) = stage.finish()?;
    Ok(Done { case: format!("outage of {} s", options.seconds), runs: 1, unreached: 0, exited, checked })
}
