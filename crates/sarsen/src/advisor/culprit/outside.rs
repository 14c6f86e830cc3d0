//! Other services, clients, files, memory, queues, and what nobody declared.

use super::{Case, Culprit};
use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Word, words};
use crate::telemetry::{CauseSpan, OperationKind, OperationSpan, QueueState, WaitKind};

pub(super) fn external(case: Case<'_>) -> Culprit {
    let Some(cause) = case.greatest(super::pool::is_external) else {
        return Culprit::new("another service", "give the call a limit, or do it in a job");
    };
    let (each, took) = (ratio(cause.calls, cause.operations), ratio(cause.wall.max(cause.share), cause.calls));
    let host = &cause.label;
    let advice = match case.operation {
        _ if cause.failed * 2 > cause.calls => {
            format!("stop calling {host} while it fails, and try again later and more rarely")
        }
        _ if each >= 2.0 => {
            format!("make the {} calls of {host} at the same time, or one call of them", words::number(each))
        }
        OperationSpan { reads_only: Some(false), .. } => format!("call {host} in a job after the answer, with a limit"),
        OperationSpan { kind: OperationKind::Request, .. } => {
            format!("keep what {host} answers in a cache, and give the call a shorter limit")
        }
        _ => format!("give the call of {host} a shorter limit, and let more of these jobs run at a time"),
    };
    Culprit::new(words::cause(cause), advice)
        .shows("calls each", words::number(each))
        .shows("time of one call", words::time(took))
        .shows("failed", words::percent(ratio(cause.failed, cause.calls)))
}

/// A cache, a file: what has a name.
pub(super) fn named(case: Case<'_>, word: Word) -> Culprit {
    let kind = if word == Word::Cache { WaitKind::Cache } else { WaitKind::File };
    let advice = match kind {
        WaitKind::Cache => "ask for more keys at a time, or keep them nearer",
        _ => "read and write less of it, keep it in memory, or use a faster disk",
    };
    match case.greatest(|cause| cause.kind == kind) {
        Some(cause) => Culprit::new(words::cause(cause), advice)
            .shows("calls each", words::number(ratio(cause.calls, cause.operations)))
            .shows("time of one call", words::time(ratio(cause.share, cause.calls))),
        None => Culprit::new(kind.as_str(), advice),
    }
}

/// The queue in which jobs wait: that whose oldest waits longest.
pub(super) fn queue(case: Case<'_>) -> Culprit {
    if case.operation.kind != OperationKind::Job {
        let what =
            case.greatest(|cause| cause.kind == WaitKind::Queue).map_or_else(|| "a queue".to_owned(), words::cause);
        return Culprit::new(what, "let more of them through at a time, or refuse them sooner");
    }
    let Some(queue) = case.snapshot.queues.iter().max_by_key(|queue| (queue.oldest, queue.available)) else {
        return Culprit::new("its queue", "let more jobs run at a time");
    };
    let top = busiest_job(case.snapshot, &queue.name)
        .map_or(String::new(), |(name, part)| format!(", kept busy by {name} ({})", words::percent(part)));
    Culprit::new(format!("queue `{}`{top}", queue.name), places(case, queue))
        .shows("available", queue.available.to_string())
        .shows("oldest waits", words::time(queue.oldest.as_nanos() as f64))
        .shows("a second", format!("{:.1} come, {:.1} go", queue.arrival, queue.settled))
}

/// How many places are enough: arrivals times the time of one, used to seven tenths.
fn places(case: Case<'_>, queue: &QueueState) -> String {
    let jobs = case.snapshot.operations.iter().filter(|operation| operation.kind == OperationKind::Job);
    let (time, count) = jobs.fold((0, 0), |(time, count), job| (time + job.all.account.wall, count + job.all.count));
    let needed = (queue.arrival * ratio(time, count) / 1e9 / 0.7).ceil() as u64;
    let needed = needed.max(queue.concurrency + 1);
    format!("let {needed} jobs of `{}` run at a time, or give slow ones a queue of their own", queue.name)
}

/// The kind of job that keeps most of the places of a queue, and its part; of all jobs where the places are not known.
pub(in crate::advisor) fn busiest_job(snapshot: &crate::telemetry::Snapshot, queue: &str) -> Option<(String, f64)> {
    let places = snapshot.holders.iter().find(|holder| holder.label.strip_prefix("jobs ") == Some(queue));
    if let Some((name, part)) = places.and_then(super::pool::top) {
        return Some((words::operation(name), part));
    }
    let jobs = || snapshot.operations.iter().filter(|operation| operation.kind == OperationKind::Job);
    let all: u64 = jobs().map(|job| job.all.account.wall).sum();
    let job = jobs().max_by_key(|job| job.all.account.wall).filter(|_| all > 0)?;
    Some((words::operation(&job.id()), ratio(job.all.account.wall, all)))
}

pub(super) fn memory(case: Case<'_>) -> Culprit {
    let (all, facts) = (&case.operation.all, &case.snapshot.process);
    let at_a_time = impact(case.snapshot, all.account.wall as f64);
    Culprit::new(case.subject(), "stream or page what it reads, and limit what one request may bring")
        .shows("from the heap, each", words::bytes(all.each(all.allocated)))
        .shows("at a time", words::bytes(all.each(all.allocated) * at_a_time.max(1.0)))
        .shows(
            "resident",
            format!("{} of {}", words::bytes(facts.resident as f64), words::bytes(facts.memory_limit as f64)),
        )
}

pub(super) fn client(case: Case<'_>) -> Culprit {
    let all = &case.operation.all;
    let (sends, reads) = (all.each(all.account.of(WaitKind::BodyIn)), all.each(all.account.of(WaitKind::BodyOut)));
    let (what, advice) = match sends >= reads {
        true => ("clients that send slowly", "limit the time and the size of what they send"),
        false => ("clients that read slowly", "send less, limit the time, or let something nearer to them send it"),
    };
    Culprit::new(what, advice)
        .shows("sending", words::time(sends))
        .shows("reading", words::time(reads))
        .shows("answer", words::bytes(all.each(all.bytes_out)))
}

pub(super) fn unknown(case: Case<'_>) -> Culprit {
    let (all, name) = (&case.operation.all, case.operation.id());
    let vague = |cause: &CauseSpan| matches!(cause.kind, WaitKind::Sleep | WaitKind::Named | WaitKind::Child);
    let named: u64 = view::causes(case.snapshot, &name).filter(|cause| vague(cause)).map(|cause| cause.share).sum();
    match case.greatest(vague).filter(|_| named > all.account.other) {
        Some(cause) if cause.kind == WaitKind::Sleep => Culprit::new(
            format!("a pause: {}", words::cause(cause)),
            "wait for what is waited for instead of for time, or do it in a job",
        ),
        Some(cause) => Culprit::new(words::cause(cause), "look into it: it has this one name only"),
        None => Culprit::new(
            format!("an await of {} that nobody declared", case.subject()),
            "put it into `telemetry::wait(kind, name, …)`, so that it has a name",
        ),
    }
}
