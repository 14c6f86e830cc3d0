//! `cargo xtask verdicts`: starts Parley with one planted fault after another under a small load, and looks whether the
//! application says itself what is slow and who is to blame. `docs/verdicts.md` says more.

mod faults;
mod load;
mod report;
mod stage;
mod third_party;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::wait::Stopwatch;
use crate::{Outcome, wait};
use faults::{FAULTS, Fault, HEALTHY};
use load::{Load, Stream};
use report::{Report, Verdict};
use stage::Stage;

/// How long the healthy application works before its fault begins, so that its pools are warm.
const WARM: Duration = Duration::from_secs(3);
/// How often the application is asked.
const LOOK: Duration = Duration::from_millis(500);

/// Plants faults in Parley, one after another, and looks whether it says itself what is wrong.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only these databases.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DATABASE")]
    only: Vec<Database>,
    /// Only the faults whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    fault: String,
    /// How long a verdict may take.
    #[arg(long, default_value_t = 10)]
    within: u64,
    /// Builds without optimising, which is sooner done.
    #[arg(long)]
    debug: bool,
    /// Prints what the application said, whole.
    #[arg(long)]
    verbose: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

/// What the application keeps its tables in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// The embedded database.
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

/// Runs `cargo xtask verdicts`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    let program = stage::build(!options.debug)?;
    let mut report = Report::start(options.json);
    let databases = Database::value_variants().iter().copied();
    for database in databases.filter(|database| options.only.is_empty() || options.only.contains(database)) {
        if options.fault.is_empty() || "healthy".contains(&options.fault) {
            report.add(healthy(&program, database, options)?);
        }
        let faults = FAULTS.iter().filter(|fault| fault.name.contains(&options.fault));
        for fault in faults {
            report.add(planted(&program, database, fault, options)?);
        }
    }
    Ok(if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The healthy application must say that nothing is wrong.
fn healthy(program: &Path, database: Database, options: &Options) -> Outcome<Verdict> {
    let stage = Stage::start(program, database, &faults::PLAIN)?;
    let load = Load::start(stage.client(), HEALTHY);
    let watch = Stopwatch::start();
    let mut seen = Verdict::of("healthy", database);
    // What is said while it warms up counts as well.
    let limit = WARM + Duration::from_secs(options.within);
    while watch.elapsed() < limit {
        let _rest = wait::until(LOOK, || None::<()>);
        let why = stage.why()?;
        if let Some(finding) = first_bad(&why) {
            seen.take(finding, watch.elapsed());
            say(options, &why);
            break;
        }
    }
    seen.right = seen.word.is_empty();
    seen.load = load.counts();
    Ok(seen)
}

fn planted(program: &Path, database: Database, fault: &Fault, options: &Options) -> Outcome<Verdict> {
    let stage = Stage::start(program, database, &fault.setting)?;
    let around: Vec<Stream> = HEALTHY.to_vec();
    let _people = Load::start(stage.client(), &around);
    let _warm = wait::until(WARM, || None::<()>);
    let load = Load::start(stage.client(), fault.load);
    let watch = Stopwatch::start();
    let mut seen = Verdict::of(fault.name, database);
    let mut last = Value::Null;
    while watch.elapsed() < Duration::from_secs(options.within) && !seen.right {
        let _rest = wait::until(LOOK, || None::<()>);
        last = stage.why()?;
        if let Some(finding) = first(&last) {
            seen.take(finding, watch.elapsed());
            seen.right = is_right(fault, finding, &last);
        }
    }
    say(options, &last);
    seen.load = load.counts();
    Ok(seen)
}

/// What the application puts first.
fn first(why: &Value) -> Option<&Value> {
    let all = why["verdicts"].as_array()?;
    all.iter().find(|finding| !matches!(finding["word"].as_str(), Some("HEALTHY" | "TOO_FEW") | None))
}

/// The first thing that it complains of.
fn first_bad(why: &Value) -> Option<&Value> {
    let all = ["verdicts", "findings"].into_iter().filter_map(|list| why[list].as_array()).flatten();
    all.into_iter().find(|finding| matches!(finding["level"].as_str(), Some("warn" | "fail")))
}

/// Right is the word, the culprit, and the rule where the fault has one.
fn is_right(fault: &Fault, finding: &Value, why: &Value) -> bool {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let word = fault.words.contains(&text("word").as_str());
    let culprit = fault.culprits.iter().any(|name| text("culprit").contains(name));
    let rule = fault.rule.is_none_or(|rule| {
        let all = ["verdicts", "findings"].into_iter().filter_map(|list| why[list].as_array()).flatten();
        all.into_iter().any(|finding| finding["rule"] == rule)
    });
    word && culprit && rule
}

fn say(options: &Options, why: &Value) {
    if options.verbose {
        println!("{}", serde_json::to_string_pretty(why).unwrap_or_default());
    }
}
