//! The command line as clap reads it.

use super::Program;
use super::budgets::BudgetsVerb;
use super::events::EventsVerb;
use super::indexes::IndexesOptions;
use super::jobs::JobsVerb;
use super::why::WhyOptions;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// What was typed.
#[derive(Debug, Parser)]
pub(super) struct Line<C: Subcommand> {
    /// The profile: a TOML file; without one the embedded defaults hold
    #[arg(long, global = true, env = "SARSEN_PROFILE", value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: Option<Verb<C>>,
    /// The words of the command, without its arguments: the name of its Operation.
    #[arg(skip)]
    pub(super) path: String,
}

/// What every application can do, and what this one can.
#[derive(Debug, Subcommand)]
pub(super) enum Verb<C: Subcommand> {
    /// Listen, and serve until told to stop (the default)
    Serve,
    /// Apply migrations, or show them
    #[command(subcommand)]
    Migrate(Migrate),
    /// List the HTTP routes: method, pattern, module
    Routes,
    /// List the modules: what they own, and whom they call
    Modules {
        /// Draw them as a Mermaid diagram
        #[arg(long)]
        graph: bool,
    },
    /// List what routes and jobs promise, or check that it is kept
    Budgets {
        #[command(subcommand)]
        verb: Option<BudgetsVerb>,
    },
    /// Write a file for other tools, made from the routes and budgets
    Export {
        #[arg(value_enum)]
        what: Exported,
    },
    /// Look at jobs, and mend them
    #[command(subcommand)]
    Jobs(JobsVerb),
    /// Look at what happened, tell it again, build projections anew
    #[command(subcommand)]
    Events(EventsVerb),
    /// The pages at /ops
    #[command(subcommand)]
    Ops(Ops),
    /// Show the configuration that holds, secrets left out
    Config,
    /// Examine configuration, database, disk and limits
    Doctor {
        /// Write the findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Propose indexes for the queries of the running application, tried on a copy of its tables
    Indexes(IndexesOptions),
    /// Say what is slow in the running application, who is to blame, and what to do
    Why(WhyOptions),
    #[command(flatten)]
    Own(C),
}

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// List every migration and when it was applied
    Status,
    /// Apply those that are missing (serving does it too)
    Up,
}

#[derive(Debug, Subcommand)]
pub(super) enum Ops {
    /// Print what opens them in production: ADDRESS/ops?token=TOKEN
    Token,
}

/// What other tools take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Exported {
    /// A dashboard for Grafana
    Grafana,
    /// Rules for Prometheus: alerts when budgets burn
    Alerts,
}

/// The commands of a program that has none of its own.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum NoCommands {}

impl<C: Subcommand> Line<C> {
    pub(super) fn read<P: Program>(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command().name(P::NAME).version(P::VERSION).about(P::ABOUT);
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut line = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        line.path = path(&matches);
        Ok(line)
    }
}

fn path(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut at = matches.subcommand();
    while let Some((word, inner)) = at {
        words.push(word);
        at = inner.subcommand();
    }
    words.join(" ")
}
