//! The query that takes the time, and the disk below it.

use super::{Case, Culprit};
use crate::advisor::view::ratio;
use crate::advisor::{shares, words};
use crate::telemetry::{CauseSpan, WaitKind};

/// A query that takes longer is slow by itself, not by its number.
const SLOW: f64 = 10e6;

pub(super) fn query(case: Case<'_>) -> Culprit {
    let of_database = |cause: &CauseSpan| cause.kind == WaitKind::Database;
    let Some(cause) = case.greatest(|cause| of_database(cause) && cause.query).or_else(|| case.greatest(of_database))
    else {
        return Culprit::new("the database", "look at its own log of slow statements");
    };
    let each = ratio(cause.calls, cause.operations);
    let took = ratio(cause.wall.max(cause.share), cause.calls);
    let mut culprit = Culprit::new(words::cause(cause), advice(cause, each, took))
        .shows("query", words::cause(cause))
        .shows("calls each", words::number(each))
        .shows("time of one call", words::time(took))
        .shows("rows of one call", words::number(ratio(cause.rows, cause.calls)));
    if cause.examined > 0 {
        culprit = culprit.shows("rows looked at for one call", words::number(ratio(cause.examined, cause.calls)));
    }
    culprit
}

fn advice(cause: &CauseSpan, each: f64, took: f64) -> String {
    let table = cause.tables.first().map_or("its table", String::as_str);
    match () {
        () if each >= 5.0 && took < SLOW => format!("ask once for all {} instead of one by one", words::number(each)),
        () if !cause.writes && ratio(cause.rows, cause.calls) >= 1000.0 => {
            format!("read a page of {table} instead of {} rows", words::number(ratio(cause.rows, cause.calls)))
        }
        () if took >= SLOW && is_searched(&cause.text) => {
            format!(
                "give {table} an index for what the query searches and sorts by: `indexes` proposes one and tests it"
            )
        }
        () if cause.writes => format!("write to {table} less often, or later in a job"),
        () => "keep its answer in a cache, or ask for less".to_owned(),
    }
}

/// Whether an index can help.
fn is_searched(text: &str) -> bool {
    [" WHERE ", " ORDER BY ", " JOIN ", " GROUP BY "].iter().any(|phrase| text.contains(phrase))
}

pub(super) fn disk(case: Case<'_>) -> Culprit {
    let facts = &case.snapshot.process;
    let cause = case.greatest(shares::is_slow_commit);
    let what = match cause {
        Some(cause) if cause.query => words::cause(cause),
        _ => format!("commits of {}", case.subject()),
    };
    let advice = "write more in one transaction, put the database on a faster disk, or let it be durable a moment later \
                  (database.durability)";
    let mut culprit = Culprit::new(format!("the disk: {what}"), advice);
    if let Some(cause) = cause {
        culprit = culprit.shows("time of one commit", words::time(ratio(cause.share, cause.calls)));
    }
    if facts.pressure_io > 0.0 {
        culprit = culprit.shows("something waited for a disk", format!("{:.0} % of the time", facts.pressure_io));
    }
    let stall =
        case.snapshot.stalls.iter().find(|stall| case.operation.is(&stall.operation) && !stall.waits_in.is_empty());
    match stall {
        Some(stall) => culprit.shows("the kernel waits in", stall.waits_in.clone()),
        None => culprit,
    }
}
