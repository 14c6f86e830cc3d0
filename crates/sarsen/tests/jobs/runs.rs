//! One run: its progress, its effects exactly once, and what is kept of it.

use crate::stage::{Does, Eager, Forgotten, MINUTE, Plain, Task, Theatre};
use sarsen::jobs::{Options, Progress, State};

pub(crate) async fn progress_is_seen_while_a_job_runs_and_afterwards() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let id = theatre.put::<Plain>("long", Does::Progress(10)).await;
    let progress = async || theatre.jobs().progress_of(id).await.unwrap().unwrap().progress;
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs WHERE progress IS NOT NULL", 1).await;
    assert_eq!(progress().await, Some(Progress { done: 1, total: 10, note: "the first".to_owned() }));
    theatre.seen.open();
    theatre.until_done().await;
    assert_eq!(progress().await, Some(Progress { done: 10, total: 10, note: "all".to_owned() }));
    worker.stop().await;
}

pub(crate) async fn effects_and_completion_happen_together() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Eager>("once", Does::Effect { wait: false, fail: true }).await;
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.failed), (1, 1));
    assert_eq!(theatre.count("SELECT COUNT(*) FROM effects").await, 1);
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Completed, 2));
}

pub(crate) async fn who_was_replaced_has_no_effect() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let id = theatre.put::<Plain>("once", Does::Effect { wait: true, fail: false }).await;
    worker.seen.until_begun("once").await;
    // What a rescue does when it holds a process to be dead that is not.
    theatre.execute("UPDATE sarsen_jobs SET state = 0, worker = NULL").await;
    let other = theatre.worker().await;
    theatre.seen.until("both", |log| log.begun.len() == 2).await;
    theatre.seen.open();
    theatre.until_done().await;
    theatre.seen.until("the one that lost", |log| log.begun.iter().any(|name| name == "lost")).await;
    assert_eq!(theatre.count("SELECT COUNT(*) FROM effects").await, 1);
    assert_eq!(theatre.state(id).await, State::Completed);
    worker.stop().await;
    other.stop().await;
    assert_eq!(theatre.seen.times("once"), 2, "what it says of the lost run changes nothing");
}

pub(crate) async fn the_end_of_a_replaced_run_changes_nothing() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let id = theatre.put::<Plain>("replaced", Does::Wait).await;
    worker.seen.until_begun("replaced").await;
    theatre.execute("UPDATE sarsen_jobs SET state = 1, worker = NULL, run_at = run_at + 600000000").await;
    theatre.seen.open();
    worker.seen.until("its end", |log| log.ended == 1).await;
    theatre.put::<Plain>("next", Does::Nothing).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_job_history", 1).await;
    worker.stop().await;
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Scheduled, 1));
}

pub(crate) async fn what_has_ended_is_kept_for_its_time() {
    let theatre = Theatre::open().await;
    let day = 24 * 60 * MINUTE;
    let many = (0..2_500).map(|n| Task::<Plain>::new(n.to_string(), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), many).await.unwrap();
    theatre.put::<Forgotten>("forgotten", Does::Nothing).await;
    let dead = theatre.put::<Plain>("dead", Does::fault("invalid", 9)).await;
    theatre.run().await;
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history").await, 2_501);
    theatre.pass(day - MINUTE);
    theatre.put_with::<Plain>("later", Does::Nothing, Options::new()).await;
    theatre.run().await;
    theatre.pass(2 * MINUTE);
    let worker = theatre.worker().await;
    theatre.until("SELECT COUNT(*) FROM sarsen_job_history", 2).await;
    worker.stop().await;
    assert_eq!(theatre.known(dead).await.error, "as it was told");
    theatre.pass(30 * day);
    let worker = theatre.worker().await;
    theatre.until("SELECT COUNT(*) FROM sarsen_job_history", 0).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_job_errors", 0).await;
    worker.stop().await;
}
