//! `budgets`: what routes and jobs promise, and whether a run kept it.

use super::show::table;
use super::{ask, why};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Span;
use crate::error::{Error, Kind, Result};
use crate::export::words;
use crate::insight;
use crate::telemetry::{Budget, Budgets, OperationKind, OperationSpan, Snapshot};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Fewer than this say nothing about 99 of 100.
const ENOUGH: u64 = 30;

#[derive(Debug, Subcommand)]
pub(super) enum BudgetsVerb {
    /// Compare a run with the budgets of this build; the exit code is 1 when one is broken
    Check {
        /// A recorded run, in place of the application that runs now
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Keep what the application recorded in this file
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// Of the last 10s, 1m, 1h …
        #[arg(long, default_value = "1h", value_parser = why::span)]
        span: Span,
    },
}

/// The table, and whether all is well.
pub(super) async fn run(app: App, verb: Option<BudgetsVerb>) -> Result<(String, Result<()>)> {
    let Some(BudgetsVerb::Check { against, record, span }) = verb else {
        return Ok((listed(&app.budgets().await?), Ok(())));
    };
    let (snapshot, note) = match against {
        Some(file) => (recorded(&file)?, String::new()),
        None => running(&app, span.0).await?,
    };
    if let Some(file) = record {
        write(&file, &snapshot)?;
    }
    let lines = compare(&snapshot, &app.budgets().await?);
    let broken = lines.iter().filter(|line| line.verdict == Verdict::Broken).count();
    let verdict = match broken {
        0 => Ok(()),
        1 => Err(Error::invalid("1 budget is broken")),
        _ => Err(Error::invalid(format!("{broken} budgets are broken"))),
    };
    let rows = lines.iter().map(Line::cells);
    let table = table(["", "KIND", "OPERATION", "PROMISE", "WAS", "LIMIT", "COUNT"], rows);
    Ok((note + &table, verdict))
}

fn listed(budgets: &Budgets) -> String {
    let all = budgets.all();
    let row = |(kind, name, budget): &(OperationKind, &str, Budget)| {
        [kind.as_str().to_owned(), (*name).to_owned(), words(*kind, budget)]
    };
    table(["KIND", "OPERATION", "BUDGET"], all.iter().map(row))
}

fn recorded(file: &Path) -> Result<Snapshot> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::invalid(format!("the recorded run {} cannot be read: {error}", file.display()))
            .hint("`budgets check --record FILE` makes one of an application that runs")
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn write(file: &Path, snapshot: &Snapshot) -> Result<()> {
    let failed =
        |error: &dyn std::fmt::Display| Error::unavailable(format!("{} cannot be written: {error}", file.display()));
    let text = serde_json::to_string_pretty(snapshot).map_err(|error| failed(&error))?;
    std::fs::write(file, text).map_err(|error| failed(&error))
}

/// Asks the application that runs; where none does, what it wrote down, with a word about it.
pub(super) async fn running(app: &App, span: Duration) -> Result<(Snapshot, String)> {
    let silent = match ask::ask(app, &format!("/ops/api/snapshot?span={}", span.as_secs().max(1))).await {
        Err(error) if error.kind() == Kind::Unavailable => error,
        answered => return Ok((answered?, String::new())),
    };
    match insight::stored(app.config(), &Clock::real(), span).await {
        Ok(Some(snapshot)) => Ok((snapshot, format!("{}; this is what it wrote down\n\n", silent.message()))),
        _ => Err(silent.hint("start the application, or name a recorded run with --against")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Kept,
    Broken,
    TooFew,
}

/// One promise of one Operation, and how it was kept.
#[derive(Debug)]
struct Line {
    verdict: Verdict,
    kind: OperationKind,
    name: String,
    promise: &'static str,
    was: String,
    limit: String,
    count: u64,
}

impl Line {
    fn cells(&self) -> [String; 7] {
        let verdict = match self.verdict {
            Verdict::Kept => "kept",
            Verdict::Broken => "BROKEN",
            Verdict::TooFew => "too few",
        };
        let (kind, promise) = (self.kind.as_str().to_owned(), self.promise.to_owned());
        let (name, was, limit) = (self.name.clone(), self.was.clone(), self.limit.clone());
        [verdict.to_owned(), kind, name, promise, was, limit, self.count.to_string()]
    }
}

/// Each promise of each Operation that was seen, the broken ones first.
fn compare(snapshot: &Snapshot, budgets: &Budgets) -> Vec<Line> {
    let seen = snapshot.operations.iter().filter(|span| span.all.count > 0);
    let promised = seen.filter_map(|span| Some((span, budgets.get(span.kind, &span.name)?)));
    let mut lines: Vec<Line> = promised.flat_map(|(span, budget)| of_operation(span, &budget)).collect();
    lines.sort_by_key(|line| (line.verdict != Verdict::Broken, line.kind, line.name.clone()));
    lines
}

#[expect(clippy::cast_precision_loss, reason = "means are for people")]
fn of_operation(span: &OperationSpan, budget: &Budget) -> Vec<Line> {
    let (all, over, count) = (&span.all, &span.over, span.all.count);
    let few = count < ENOUGH;
    let mean = |sum: u64| sum as f64 / count as f64;
    let line = |promise, was: String, limit: String, verdict| Line {
        verdict,
        kind: span.kind,
        name: span.name.clone(),
        promise,
        was,
        limit,
        count,
    };
    // What needs many is not judged by few; what holds for each one is broken by one.
    let many = |broken: bool| if few { Verdict::TooFew } else { each(broken) };
    let share = |part: u64| part as f64 / count as f64;
    let milliseconds = |time: Duration| format!("{} ms", time.as_millis());
    let mut lines = Vec::new();
    if let Some(limit) = budget.p99.or(budget.run) {
        let was = Duration::from_nanos(span.p99);
        lines.push(line(
            "time",
            format!("p99 {:.1} ms", was.as_secs_f64() * 1e3),
            milliseconds(limit),
            many(was > limit),
        ));
    }
    if let Some(limit) = budget.queries {
        let was = format!("mean {:.1}, {} over", mean(all.queries), over.queries);
        lines.push(line("queries", was, limit.to_string(), each(over.queries > 0 || mean(all.queries) > limit as f64)));
    }
    if let Some(limit) = budget.allocated {
        let was = format!("mean {:.0} kB, {} over", mean(all.allocated) / 1024.0, over.allocated);
        let broken = over.allocated > 0 || mean(all.allocated) > limit as f64;
        lines.push(line("allocated", was, format!("{} kB", limit / 1024), each(broken)));
    }
    if let Some(limit) = budget.error_rate {
        let was = format!("{:.2} %", share(all.failed) * 100.0);
        lines.push(line("errors", was, format!("{} %", limit * 100.0), many(share(all.failed) > limit)));
    }
    if let Some(limit) = budget.wait {
        lines.push(line("wait", format!("{} over", over.wait), milliseconds(limit), many(share(over.wait) > 0.01)));
    }
    if let Some(limit) = budget.retries {
        lines.push(line("retries", format!("{} over", over.retries), limit.to_string(), each(over.retries > 0)));
    }
    lines
}

fn each(broken: bool) -> Verdict {
    if broken { Verdict::Broken } else { Verdict::Kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Over, Sums, ms};

    fn span(count: u64, p99: Duration, queries: u64, over: Over) -> Snapshot {
        let all = Sums { count, queries, ..Sums::default() };
        let p99 = u64::try_from(p99.as_nanos()).expect("fits");
        let span = OperationSpan { name: "GET /".to_owned(), all, p99, over, ..OperationSpan::default() };
        Snapshot { operations: vec![span], ..Snapshot::default() }
    }

    #[test]
    fn few_say_nothing_of_time_and_one_is_enough_for_queries() {
        let budgets = Budgets::new([(OperationKind::Request, "GET /".to_owned(), Budget::p99(ms(80)).queries(6))]);
        let verdicts =
            |snapshot: &Snapshot| compare(snapshot, &budgets).iter().map(|line| line.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(&span(100, ms(70), 600, Over::default())), [Verdict::Kept, Verdict::Kept]);
        assert_eq!(verdicts(&span(100, ms(90), 100, Over::default())), [Verdict::Broken, Verdict::Kept]);
        assert_eq!(
            verdicts(&span(5, ms(90), 5, Over { queries: 1, ..Over::default() })),
            [Verdict::Broken, Verdict::TooFew]
        );
        assert!(verdicts(&span(0, ms(90), 0, Over::default())).is_empty());
    }
}
