//! What the verbs of `jobs` print for people.

use crate::cli::show::table;
use crate::clock::Timestamp;
use crate::jobs::{Depth, Failed, JobDetail, JobState, QueueState, ScheduleState, State, WorkerState};
use std::time::Duration;

/// Most characters of an error in a table.
const SHORT: usize = 60;

/// `5m ago`, `in 3h`, `now`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    match (span(now.since(at)), span(at.since(now))) {
        (Some(past), _) => format!("{past} ago"),
        (_, Some(future)) => format!("in {future}"),
        (None, None) => "now".to_owned(),
    }
}

/// The two largest units of a time; nothing below a second.
fn span(time: Duration) -> Option<String> {
    let seconds = time.as_secs();
    Some(match seconds {
        0 => return None,
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    })
}

fn with_time(at: Option<Timestamp>, now: Timestamp) -> Option<String> {
    at.map(|at| format!("{at} ({})", relative(at, now)))
}

/// The first line, not too long.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= SHORT {
        return line.to_owned();
    }
    line.chars().take(SHORT - 1).chain(['…']).collect()
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// What its state is about: when it is or was due, began, or ended.
fn when(job: &JobState, now: Timestamp) -> String {
    let at = match job.state {
        State::Available | State::Scheduled | State::Retryable | State::Waiting => Some(job.run_at),
        State::Running => job.started_at,
        State::Completed | State::Cancelled | State::Discarded => job.finished_at,
    };
    at.map_or("-".to_owned(), |at| relative(at, now))
}

pub(super) fn jobs(jobs: &[JobState], complete: bool, now: Timestamp) -> String {
    let row = |job: &JobState| {
        let attempt = format!("{}/{}", job.attempt, job.max_attempts);
        let said = match (&job.progress, &job.error) {
            (Some(progress), _) if job.state == State::Running => {
                format!("{} of {} {}", progress.done, progress.total, progress.note)
            }
            (_, Some(error)) => error.clone(),
            _ => String::new(),
        };
        let state = job.state.to_string();
        [
            job.id.to_string(),
            state,
            job.kind.clone(),
            job.queue.clone(),
            dash(&job.key),
            attempt,
            when(job, now),
            dash(&short(&said)),
        ]
    };
    let head = ["ID", "STATE", "KIND", "QUEUE", "KEY", "ATTEMPT", "WHEN", "SAID"];
    let text = table(head, jobs.iter().map(row));
    if complete { text } else { format!("{text}(more than 100000 jobs are there; not all were looked at)\n") }
}

pub(super) fn job(detail: &JobDetail, now: Timestamp) -> String {
    let job = &detail.job;
    let key = if job.key.is_empty() { String::new() } else { format!(", key {}", job.key) };
    let cancelling = if detail.cancelling { " (told to stop)" } else { "" };
    let crashed = if detail.crashes > 0 { format!(", {} crashes", detail.crashes) } else { String::new() };
    let progress = job.progress.as_ref();
    let all = |ids: &[uuid::Uuid]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let lines = [
        ("id", Some(job.id.to_string())),
        ("state", Some(format!("{}{cancelling}", job.state))),
        ("kind", Some(format!("{}, version {}", job.kind, detail.version))),
        ("queue", Some(format!("{}, priority {}{key}", job.queue, job.priority))),
        ("attempt", Some(format!("{} of {}{crashed}", job.attempt, job.max_attempts))),
        ("enqueued", with_time(Some(job.enqueued_at), now)),
        ("due", with_time(Some(job.run_at), now)),
        ("deadline", with_time(detail.deadline, now)),
        ("began", with_time(job.started_at, now)),
        ("ended", with_time(job.finished_at, now)),
        ("worker", detail.worker.map(|worker| worker.to_string())),
        ("progress", progress.map(|progress| format!("{} of {} {}", progress.done, progress.total, progress.note))),
        (
            "batch",
            detail.batch.as_ref().map(|batch| {
                let then = batch.completion.map_or(String::new(), |job| format!(", then {job}"));
                format!("{}: {} of {} pending, {} failed{then}", batch.id, batch.pending, batch.total, batch.failed)
            }),
        ),
        ("waits for", detail.waits_for.map(|before| before.to_string())),
        ("awaited by", (!detail.awaited_by.is_empty()).then(|| all(&detail.awaited_by))),
        ("trace", (!detail.trace.is_empty()).then(|| detail.trace.clone())),
        ("arguments", arguments(detail)),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("{name:<10}  {}\n", indented(&value?))));
    lines.chain(detail.errors.iter().map(failure)).collect()
}

fn arguments(detail: &JobDetail) -> Option<String> {
    match (&detail.arguments, &detail.unreadable) {
        (Some(arguments), _) => serde_json::to_string_pretty(arguments).ok(),
        (None, Some(unreadable)) => Some(unreadable.clone()),
        (None, None) => None,
    }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n            ")
}

fn failure(failed: &Failed) -> String {
    let attempt = failed.attempt.map_or("before".to_owned(), |attempt| format!("attempt {attempt}"));
    format!("{attempt:<10}  {}  {}: {}\n", failed.at, failed.kind, indented(&failed.message))
}

pub(super) fn queues(queues: &[QueueState], now: Timestamp) -> String {
    let row = |queue: &QueueState| {
        let depth = |depth: Depth| if depth == Depth::default() { "-".to_owned() } else { depth.to_string() };
        let waits = queue.due_since.and_then(|since| span(now.since(since)));
        let state = if queue.paused { "paused" } else { "open" };
        [
            queue.name.clone(),
            state.to_owned(),
            queue.workers.to_string(),
            depth(queue.available),
            waits.unwrap_or("-".to_owned()),
            depth(queue.running),
            depth(queue.scheduled),
            depth(queue.retryable),
            depth(queue.waiting),
            depth(queue.discarded),
        ]
    };
    let head = [
        "QUEUE",
        "STATE",
        "WORKERS",
        "AVAILABLE",
        "OLDEST",
        "RUNNING",
        "SCHEDULED",
        "RETRYABLE",
        "WAITING",
        "DISCARDED",
    ];
    table(head, queues.iter().map(row))
}

pub(super) fn schedules(schedules: &[ScheduleState], now: Timestamp) -> String {
    let row = |schedule: &ScheduleState| {
        let state = match (schedule.paused, schedule.declared) {
            (true, _) => "paused",
            (false, true) => "on",
            (false, false) => "unknown",
        };
        let next = schedule.next_at.map_or("-".to_owned(), |at| format!("{at} ({})", relative(at, now)));
        let last = schedule.last_at.map_or("-".to_owned(), |at| relative(at, now));
        let zone = schedule.zone.clone();
        [schedule.name.clone(), state.to_owned(), schedule.cron.clone(), zone, next, last, schedule.kind.clone()]
    };
    table(["SCHEDULE", "STATE", "WHEN", "ZONE", "NEXT", "LAST", "KIND"], schedules.iter().map(row))
}

pub(super) fn workers(workers: &[WorkerState], now: Timestamp) -> String {
    let row = |worker: &WorkerState| {
        [
            worker.id.to_string(),
            if worker.live { "live" } else { "silent" }.to_owned(),
            worker.pid.to_string(),
            worker.version.clone(),
            relative(worker.started_at, now),
            relative(worker.beat_at, now),
            worker.running.to_string(),
            worker.settled.to_string(),
            dash(&worker.queues.join(",")),
        ]
    };
    let head = ["WORKER", "STATE", "PID", "VERSION", "STARTED", "BEAT", "RUNNING", "SETTLED", "QUEUES"];
    table(head, workers.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        for (seconds, told) in
            [(0, "now"), (5, "5s ago"), (65, "1m05s ago"), (7_260, "2h01m ago"), (180_000, "2d02h ago")]
        {
            assert_eq!(relative(now - Duration::from_secs(seconds), now), told);
        }
        assert_eq!(relative(now + Duration::from_secs(90), now), "in 1m30s");
    }

    #[test]
    fn long_errors_are_cut_to_a_line() {
        assert_eq!(short("one\ntwo"), "one");
        assert_eq!(short(&"ä".repeat(100)).chars().count(), SHORT);
    }
}
