//! Whether Parley's reads stay as quick when a channel grows from ten thousand messages to two million.

use std::process::Command;

use clap::{Args, ValueEnum};

use super::parley::{self, Parley};
use super::report::Report;
use super::{Private, peers};
use crate::Outcome;
use crate::services::{Durability, Service, Services};

/// Fills two databases with made-up messages and reads both through Parley's routes, in turns.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// Messages in the channel of the small one.
    #[arg(long, default_value_t = 10_000)]
    from: u64,
    /// Messages in the channel of the large one.
    #[arg(long, default_value_t = 2_000_000)]
    to: u64,
    /// Which databases.
    #[arg(long, value_enum, default_value_t = Profile::Embedded)]
    profile: Profile,
}

/// A stage of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// SQLite.
    Embedded,
    /// PostgreSQL.
    Postgres,
}

/// Runs `cargo xtask bench data-growth`.
pub(super) fn run(options: &Options, quick: bool, report: &Report) -> Outcome<()> {
    let (program, peers) = (parley::build()?, peers::build()?);
    let to = if quick { options.to.min(100_000) } else { options.to };
    let (small, large) = (Side::new(options.profile)?, Side::new(options.profile)?);
    let servers = [
        Parley::serve(&program, &small.database, small.folder.path())?,
        Parley::serve(&program, &large.database, large.folder.path())?,
    ];
    let mut bench = Command::new(peers);
    bench.arg("growth");
    for (name, side, server, messages) in
        [("small", &small, &servers[0], options.from), ("large", &large, &servers[1], to)]
    {
        bench.args([format!("--{name}-site"), server.address().to_string()]);
        bench.args([format!("--{name}-database"), side.database.clone()]);
        bench.args([format!("--{name}-messages"), messages.to_string()]);
    }
    if quick {
        bench.arg("--quick");
    }
    peers::figures(&mut bench, report)
}

/// A database of one size: a file, or a server of its own.
struct Side {
    folder: Private,
    database: String,
    _services: Option<Services>,
}

impl Side {
    fn new(profile: Profile) -> Outcome<Side> {
        let folder = Private::new("growth")?;
        if profile == Profile::Embedded {
            return Ok(Side { database: folder.sqlite(), folder, _services: None });
        }
        let services = Services::start_with(&[Service::Postgres], Durability::Durable)?;
        match services.environment().first() {
            Some((_, url)) => Ok(Side { database: url.clone(), folder, _services: Some(services) }),
            None => Err(format!("there is no PostgreSQL: {}", services.skipped().join(", "))),
        }
    }
}
