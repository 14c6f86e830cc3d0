//! `cargo xtask crash`: kills a web process, workers and the database server while they work, at random and at each point
//! that the framework names, and looks for what was lost, happened twice or was missed. `docs/crash.md` says more.

mod outage;
mod plan;
mod realtime;
mod report;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::Outcome;
use plan::{Case, Group};
use report::Report;
use stage::{Checked, Stage};

/// Kills processes and servers while they work, and looks for what was lost or happened twice.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Kills on each database, spread over the cases.
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Only these databases.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DATABASE", global = true)]
    only: Vec<Database>,
    /// Only the cases whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    case: String,
    /// Where the random moments begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object a line instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Takes the database away under load and gives it back.
    Outage(outage::Options),
    /// Cuts the connections of clients of real time, and kills one of two servers on one PostgreSQL.
    Realtime(realtime::Options),
}

/// What the application keeps its tables in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// The embedded database, shared by the processes.
    Sqlite,
    /// A server.
    Postgres,
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Database::Sqlite => "sqlite",
            Database::Postgres => "postgres",
        }
    }
}

impl Options {
    fn databases(&self) -> Vec<Database> {
        let all = Database::value_variants().iter().copied();
        all.filter(|database| self.only.is_empty() || self.only.contains(database)).collect()
    }
}

/// How long a process that is to die at a point may take to pass it.
const POINT_LIMIT: Duration = Duration::from_secs(40);

/// How many runs on each database the check before a merge has.
const FEW: usize = 10;

/// A few runs of some sorts on every database, as a step of `ci`.
pub(crate) fn check() -> Outcome<()> {
    let options = Options { verb: None, runs: FEW, only: Vec::new(), case: String::new(), seed: 1, json: false };
    let went_well = go(&options)?;
    if went_well { Ok(()) } else { Err("something was lost, doubled or missed; it is above".to_owned()) }
}

/// Runs `cargo xtask crash`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    if let Some(Verb::Realtime(realtime)) = &options.verb {
        return realtime::run(realtime, options.json);
    }
    Ok(if go(options)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn go(options: &Options) -> Outcome<bool> {
    let program = stage::build()?;
    let mut report = Report::start(options.json)?;
    for database in options.databases() {
        if let Some(Verb::Outage(outage)) = &options.verb {
            report.add(database, &outage::run(outage, &program, database)?);
            continue;
        }
        let cases = plan::cases(database, &stage::points(&program)?);
        let mut random = plan::Random::new(options.seed);
        let groups = plan::groups(cases, options.runs, &options.case);
        let mut stage = Stage::new(&program, database)?;
        for group in groups {
            report.add(database, &of_group(&mut stage, &group, &mut random)?);
        }
    }
    Ok(report.finish())
}

/// What a group of runs on one database came to.
#[derive(Debug)]
struct Done {
    case: String,
    runs: usize,
    /// Runs in which the process did not come to the point at which it was to die.
    unreached: usize,
    /// Processes that ended by themselves.
    exited: usize,
    checked: Checked,
}

fn of_group(stage: &mut Stage, group: &Group, random: &mut plan::Random) -> Outcome<Done> {
    stage.begin()?;
    let mut unreached = 0;
    for case in &group.cases {
        unreached += usize::from(!kill(stage, case, random)?);
        stage.tend()?;
    }
    let (checked, exited) = stage.finish()?;
    Ok(Done { case: group.name.clone(), runs: group.cases.len(), unreached, exited, checked })
}

/// Kills once; false when the point was not reached.
fn kill(stage: &mut Stage, case: &Case, random: &mut plan::Random) -> Outcome<bool> {
    stage.await_work();
    stage::pause(random.between(0, 700));
    match case {
        Case::Worker => stage.kill_worker(random.below(2))?,
        Case::Web => stage.kill_web()?,
        Case::Server => stage.kill_server(random.between(50, 500))?,
        Case::Point(point) => {
            let fault = format!("{}:{}", point.name, random.below(point.most_passings()) + 1);
            return stage.kill_at(point, &fault, POINT_LIMIT);
        }
    }
    Ok(true)
}
