//! The Parley binary: its server and its CLI.

use clap::Subcommand;
use parley::Handles;
use parley::import::{self, Import};
use parley::seed::{self, PASSWORD};
use sarsen::app::Running;
use sarsen::cli::Program;
use sarsen::config::{Config, DatabaseSection, Environment, Url};
use sarsen::telemetry::Heap;
use sarsen::{App, Error, Result};
use std::io::Write;

/// Counts what each Operation takes from the heap.
#[global_allocator]
static HEAP: Heap = Heap;

/// Parley as a program.
struct Parley;

/// What Parley can do beside serving.
#[derive(Debug, Subcommand)]
enum Commands {
    /// Bring conversations in from elsewhere; what is there already is left as it is
    #[command(subcommand)]
    Import(Import),
}

impl Program for Parley {
    const NAME: &'static str = "parley";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Team messaging, built on Sarsen";
    type Commands = Commands;
    type Handles = Handles;

    fn defaults() -> Config {
        let database = DatabaseSection { url: Url::embedded("data/parley.db"), ..DatabaseSection::default() };
        Config { database, ..Config::default() }
    }

    fn mount(app: &mut App) -> Result<Handles> {
        app.assets(parley::client::assets()?);
        Ok(parley::mount(app))
    }

    async fn before_serving(app: &Running, handles: &Handles) -> Result<Option<String>> {
        // Made-up people share a password that everybody knows: never where strangers could use it.
        let config = app.config();
        if config.app.environment != Environment::Development || !seed::is_private(&config.http.listen) {
            return Ok(None);
        }
        let seeded = seed::seed(app, handles).await?;
        Ok(seeded.map(|username| {
            format!("The database was empty: a made-up workspace is in it. Sign in as {username} with {PASSWORD}")
        }))
    }

    async fn command(command: Commands, _: &Running, handles: &Handles) -> Result<()> {
        let Commands::Import(Import::Irc(irc)) = command;
        for report in import::irc(handles, &irc).await? {
            let line = if irc.json {
                serde_json::to_string(&report)
                    .map_err(|error| Error::internal("a report cannot be written").source(error))?
            } else {
                report.to_string()
            };
            // A reader that has gone away (`| head`) is no error.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    sarsen::cli::main::<Parley>()
}
