//! More jobs come than go.

use crate::advisor::culprit::outside::busiest_job;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{OperationKind, QueueState, Snapshot};
use std::time::Duration;

/// Fewest jobs that wait, how long the oldest must, and how many seconds of work they must be.
const MANY: u64 = 20;
const LONG: Duration = Duration::from_secs(2);
const WORK: f64 = 5.0;
/// Far too long for any.
const STARVED: Duration = Duration::from_secs(30);

/// Finds queues that more jobs come to than leave, and those whose jobs wait long.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.queues.iter().filter_map(|queue| of(snapshot, queue)).collect()
}

fn of(snapshot: &Snapshot, queue: &QueueState) -> Option<Finding> {
    // What does not move at all is told by another detector.
    let moves = queue.settled > 0.0 && !queue.paused;
    let grows =
        queue.arrival > 1.1 * queue.settled && queue.available >= MANY && queue.oldest >= LONG && is_much(queue);
    if !moves || !(grows || queue.available > 0 && queue.oldest >= STARVED) {
        return None;
    }
    let name = &queue.name;
    let jobs = snapshot.operations.iter().filter(|operation| operation.kind == OperationKind::Job);
    let busiest = jobs.max_by_key(|job| job.all.account.wall);
    let by = busiest_job(snapshot, name).map_or(String::new(), |(job, _)| format!(", kept busy by {job}"));
    let run = busiest.map_or(0.0, |job| job.all.mean());
    let needed = ((queue.arrival * run / 1e9 / 0.7).ceil() as u64).max(queue.concurrency + 1);
    let oldest = words::time(queue.oldest.as_nanos() as f64);
    let sentence = format!(
        "queue `{name}` grows: {:.1} jobs a second come and {:.1} go, {} wait, the oldest since {oldest}",
        queue.arrival, queue.settled, queue.available
    );
    let finding = Finding::new("growing_backlog", Word::Queue, Level::Warn, None)
        .of(format!("queue `{name}`{by}"))
        .says(sentence, format!("let {needed} of its jobs run at a time, or give slow ones a queue of their own"))
        .shows("available", queue.available.to_string())
        .shows("running", format!("{} of {}", queue.running, queue.concurrency))
        .shows("oldest waits", oldest)
        .from(queue.available, &[])
        .costs(queue.available as f64);
    Some(finding)
}

fn is_much(queue: &QueueState) -> bool {
    queue.available as f64 >= WORK * queue.settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene;

    #[test]
    fn a_queue_that_grows_or_starves_is_found() {
        let grows = QueueState {
            name: "mail".to_owned(),
            available: 200,
            concurrency: 4,
            running: 4,
            oldest: Duration::from_secs(9),
            arrival: 30.0,
            settled: 20.0,
            ..QueueState::default()
        };
        for (name, queue, expected) in [
            ("grows", grows.clone(), 1),
            ("keeps up", QueueState { arrival: 20.0, ..grows.clone() }, 0),
            ("starves", QueueState { arrival: 20.0, oldest: Duration::from_secs(60), ..grows.clone() }, 1),
            ("a burst that is soon done", QueueState { settled: 45.0, arrival: 60.0, ..grows.clone() }, 0),
            ("a burst", QueueState { oldest: Duration::from_secs(1), ..grows.clone() }, 0),
            ("few", QueueState { available: 5, ..grows.clone() }, 0),
            ("does not move", QueueState { settled: 0.0, ..grows }, 0),
        ] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.queues = vec![queue];
            assert_eq!(find(&snapshot).len(), expected, "{name}");
        }
    }
}
