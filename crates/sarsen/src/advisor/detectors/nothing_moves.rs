//! Jobs that could run, and none is done.

use crate::advisor::culprit::outside::busiest_job;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{QueueState, Snapshot};
use std::time::Duration;

/// How long the oldest must wait, and the span must be.
const LEAST: Duration = Duration::from_secs(5);

/// Finds queues with available jobs of which none was settled.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.queues.iter().filter(|_| snapshot.span >= LEAST).filter_map(|queue| of(snapshot, queue)).collect()
}

fn of(snapshot: &Snapshot, queue: &QueueState) -> Option<Finding> {
    if queue.available == 0 || queue.settled > 0.0 || queue.oldest < LEAST {
        return None;
    }
    let name = &queue.name;
    let (level, why, advice) = match queue {
        QueueState { paused: true, .. } => {
            (Level::Warn, "it is paused".to_owned(), format!("resume it: `jobs queues resume {name}`"))
        }
        QueueState { concurrency: 0, .. } => (
            Level::Fail,
            "no process works on it".to_owned(),
            format!("give a worker the queue `{name}`: jobs.queues, process.roles"),
        ),
        QueueState { running: 0, .. } => (
            Level::Fail,
            "nothing takes them".to_owned(),
            "see whether its worker lives, and what it says in the log".to_owned(),
        ),
        _ => (
            Level::Fail,
            format!("{} of {} places are taken by jobs that do not end", queue.running, queue.concurrency),
            "see what the running jobs wait for, and give that a limit".to_owned(),
        ),
    };
    let busiest = busiest_job(snapshot, name).filter(|_| queue.running > 0);
    let by = busiest.map_or(String::new(), |(job, _)| format!(", whose places {job} takes"));
    let oldest = words::time(queue.oldest.as_nanos() as f64);
    let sentence = format!(
        "queue `{name}`: {} jobs could run, the oldest since {oldest}, and none is done: {why}",
        queue.available
    );
    let finding = Finding::new("nothing_moves", Word::Queue, level, None)
        .of(format!("queue `{name}`{by}"))
        .says(sentence, advice)
        .shows("available", queue.available.to_string())
        .shows("running", format!("{} of {}", queue.running, queue.concurrency))
        .shows("oldest waits", oldest)
        .from(queue.available, &[])
        .costs(queue.available as f64);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene;

    #[test]
    fn a_queue_in_which_nothing_moves_is_found() {
        let stuck = QueueState {
            name: "mail".to_owned(),
            available: 7,
            concurrency: 4,
            running: 4,
            oldest: Duration::from_secs(9),
            ..QueueState::default()
        };
        for (name, queue, expected) in [
            ("all places taken", stuck.clone(), Some((Level::Fail, "do not end"))),
            (
                "nobody works on it",
                QueueState { concurrency: 0, running: 0, ..stuck.clone() },
                Some((Level::Fail, "no process")),
            ),
            ("nobody takes them", QueueState { running: 0, ..stuck.clone() }, Some((Level::Fail, "nothing takes"))),
            ("paused", QueueState { paused: true, ..stuck.clone() }, Some((Level::Warn, "paused"))),
            ("it moves", QueueState { settled: 0.5, ..stuck.clone() }, None),
            ("just came", QueueState { oldest: Duration::from_secs(1), ..stuck.clone() }, None),
            ("empty", QueueState { available: 0, ..stuck }, None),
        ] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.queues = vec![queue];
            let found = find(&snapshot);
            assert_eq!(found.first().map(|finding| finding.level), expected.map(|(level, _)| level), "{name}");
            assert!(
                found.iter().all(|finding| finding.sentence.contains(expected.map_or("", |(_, words)| words))),
                "{name}"
            );
        }
    }
}
