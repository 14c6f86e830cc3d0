//! `budgets`: what routes and jobs promise, and whether a run kept it.

use super::show::table;
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::export::words;
use crate::http::client::{Address, Outbound, send};
use crate::telemetry::{Budget, Budgets, OperationKind, OperationSpan, Snapshot};
use bytes::Bytes;
use clap::Subcommand;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Fewer than this say nothing about 99 of 100.
const ENOUGH: u64 = 30;

/// How long the running application may take to tell.
const PATIENCE: Duration = Duration::from_secs(10);

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
        /// How far back to look, in seconds
        #[arg(long, default_value_t = 3600)]
        span: u64,
        /// Where the application runs; without it, where the configuration says
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

/// The table, and whether all is well.
pub(super) async fn run(app: App, verb: Option<BudgetsVerb>) -> Result<(String, Result<()>)> {
    let Some(BudgetsVerb::Check { against, record, span, url }) = verb else {
        return Ok((listed(&app.budgets().await?), Ok(())));
    };
    let snapshot = match against {
        Some(file) => recorded(&file)?,
        None => running(&app, url.as_deref(), span).await?,
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
    Ok((table(["", "KIND", "OPERATION", "PROMISE", "WAS", "LIMIT", "COUNT"], rows), verdict))
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

/// Asks the application that runs.
async fn running(app: &App, url: Option<&str>, span: u64) -> Result<Snapshot> {
    let base = url.map_or_else(|| here(app.config()), str::to_owned);
    let to = Address::parse(&base)?.join(&format!("/ops/api/snapshot?span={span}"));
    let bearer = HeaderValue::try_from(format!("Bearer {}", app.ops_token()?.expose()));
    let headers = bearer.map(|value| (AUTHORIZATION, value)).into_iter().collect();
    let outbound = Outbound { method: Method::GET, to, headers, body: Bytes::new() };
    let hint = "start the application, name another one with --url, or a recorded run with --against";
    let answer = send("application", PATIENCE, outbound).await.map_err(|error| error.hint(hint))?;
    if answer.status != StatusCode::OK {
        return Err(Error::unavailable(format!("{base} answered {} to /ops/api/snapshot", answer.status)).hint(hint));
    }
    let wrong = |error| Error::invalid(format!("what {base} recorded cannot be read: {error}"));
    serde_json::from_slice(&answer.body).map_err(wrong)
}

/// The address at which this machine reaches what it listens on.
fn here(config: &Config) -> String {
    format!("http://{}", config.http.listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]"))
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
