//! Which Operations suffer, and how much it matters.

use super::shares::Shares;
use super::view::{causes, impact, ratio};
use super::{Level, Word, shares, words};
use crate::telemetry::{OperationKind, OperationSpan, Snapshot, WaitKind};
use std::time::Duration;

/// Fewest broken promises that are more than chance.
pub(super) const FEWEST_BAD: u64 = 10;
/// What a request takes that nobody gave a budget, before it is worth a word, and a warning.
const SLOW_REQUEST: [f64; 2] = [100e6, 200e6];
/// The same for the run of a job.
const SLOW_JOB: [f64; 2] = [250e6, 500e6];
/// What a job lies in its queue without a budget.
const LONG_WAIT: f64 = 5e9;
/// Waiting that costs nothing.
const IDLE: [WaitKind; 5] = [WaitKind::Sleep, WaitKind::Queue, WaitKind::BodyIn, WaitKind::BodyOut, WaitKind::Named];

/// Why an Operation is looked at.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    pub(super) level: Level,
    /// `p99 380 ms of 80 ms`.
    pub(super) says: String,
    /// It waited for a place in its queue, and did not run slowly.
    pub(super) in_queue: bool,
}

/// What is wrong with it, if anything.
pub(super) fn of(snapshot: &Snapshot, operation: &OperationSpan, shares: &Shares) -> Option<Complaint> {
    if matches!(operation.kind, OperationKind::Command) || operation.all.count == 0 {
        return None;
    }
    let found = [
        over_time(operation),
        waited(operation),
        slow(operation),
        wastes(snapshot, operation, shares),
        heavy(snapshot, operation),
    ];
    // Of equals the first one: it says more.
    found.into_iter().rev().flatten().max_by_key(|complaint| complaint.level)
}

/// The least part of all that is bad, with 95 % certainty (Wilson).
pub(super) fn at_least(bad: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let (z, n, p) = (1.96_f64, count as f64, ratio(bad, count).min(1.0));
    let middle = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - spread) / (1.0 + z * z / n)).max(0.0)
}

/// More than one in a hundred breaks the promise, and that is no chance.
fn is_broken(bad: u64, count: u64) -> bool {
    bad >= FEWEST_BAD && at_least(bad, count) > 0.01
}

fn over_time(operation: &OperationSpan) -> Option<Complaint> {
    let budget = operation.budget?;
    let limit = if operation.kind == OperationKind::Request { budget.p99 } else { budget.run.or(budget.p99) }?;
    let says = of_limit("p99", operation.p99 as f64, Some(limit));
    let level = match (is_broken(operation.over.time, operation.all.count), operation.all.count < super::FEWEST) {
        (true, _) => Level::Fail,
        // Too few to be sure of, and still all of them.
        (false, true) if operation.over.time * 2 > operation.all.count => Level::Note,
        _ => return None,
    };
    Some(Complaint { level, says, in_queue: false })
}

/// A job that lies in its queue.
fn waited(operation: &OperationSpan) -> Option<Complaint> {
    if operation.kind != OperationKind::Job {
        return None;
    }
    let mean = operation.all.each(operation.all.queued);
    let limit = operation.budget.and_then(|budget| budget.wait);
    let level = match limit {
        Some(_) if is_broken(operation.over.wait, operation.all.count) => Level::Fail,
        None if mean >= LONG_WAIT => Level::Warn,
        _ => return None,
    };
    Some(Complaint { level, says: of_limit("in the queue", mean, limit), in_queue: true })
}

/// What nobody gave a budget: its slow ones are far from the others, or all are slow.
fn slow(operation: &OperationSpan) -> Option<Complaint> {
    let budget = operation.budget.unwrap_or_default();
    if budget.p99.is_some() || budget.run.is_some() {
        return None;
    }
    let [note, warn] = if operation.kind == OperationKind::Request { SLOW_REQUEST } else { SLOW_JOB };
    let (all, tail) = (&operation.all, &operation.tail);
    let body = shares::body(all, tail);
    let has_tail = tail.count >= FEWEST_BAD && tail.mean() >= 2.0 * body.mean() && ratio(tail.count, all.count) > 0.01;
    let time = if has_tail { tail.mean().max(all.mean()) } else { all.mean() };
    let level = match time {
        time if time >= warn => Level::Warn,
        time if time >= note => Level::Note,
        _ => return None,
    };
    let says = if has_tail {
        format!("p99 {}", words::time(operation.p99 as f64))
    } else {
        format!("{} in the mean", words::time(time))
    };
    Some(Complaint { level, says, in_queue: false })
}

/// What a request may lose to one thing, in nanoseconds, before it is worth a word however quick it is; and how many of them
/// must sit in it at any moment.
fn allowance(word: Word) -> Option<(f64, f64)> {
    match word {
        Word::DbPool | Word::Lock | Word::Cpu | Word::Disk | Word::File => Some((10e6, 0.1)),
        Word::Blocking => Some((10e6, 0.02)),
        Word::Runtime => Some((5e6, 0.1)),
        Word::Db => Some((4e6, 0.1)),
        _ => None,
    }
}

/// Time that need not be lost, although the request is quick as a whole.
fn wastes(snapshot: &Snapshot, operation: &OperationSpan, shares: &Shares) -> Option<Complaint> {
    let (word, part) = shares.word();
    let (least, moment) = allowance(word)?;
    // Work on threads for blocking work is where it should be.
    let aside = operation.all.account.of(WaitKind::Blocking) as f64;
    let all = part * operation.all.account.wall as f64 - if word == Word::Cpu { aside } else { 0.0 };
    let (lost, sits) = (all / operation.all.count.max(1) as f64, impact(snapshot, all));
    let is_request = operation.kind == OperationKind::Request && operation.all.count >= super::FEWEST;
    if !is_request || part < shares::threshold(word) || lost < least || sits < moment {
        return None;
    }
    // Many quick queries are counted elsewhere; here it is one that is slow.
    let is_slow = |cause: &crate::telemetry::CauseSpan| ratio(cause.share, cause.calls) >= least;
    if word == Word::Db
        && !causes(snapshot, &operation.id()).any(|cause| cause.kind == WaitKind::Database && is_slow(cause))
    {
        return None;
    }
    let promised = operation.budget.is_some_and(|budget| budget.p99.is_some());
    let level = if promised && word != Word::Blocking { Level::Note } else { Level::Warn };
    Some(Complaint { level, says: format!("{} in the mean", words::time(operation.all.mean())), in_queue: false })
}

/// Quick, and still much of what there is goes into it.
fn heavy(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Complaint> {
    let account = &operation.all.account;
    let idle: u64 = IDLE.into_iter().map(|kind| account.of(kind)).sum();
    let busy = account.wall.saturating_sub(account.other).saturating_sub(idle);
    let impact = impact(snapshot, busy as f64);
    (impact >= 0.5 && operation.kind == OperationKind::Request).then(|| Complaint {
        level: Level::Note,
        says: format!("{} of them at any moment", words::number(impact)),
        in_queue: false,
    })
}

fn of_limit(what: &str, time: f64, limit: Option<Duration>) -> String {
    let of = limit.map_or(String::new(), |limit| format!(" of {}", words::time(limit.as_nanos() as f64)));
    format!("{what} {}{of}", words::time(time))
}
