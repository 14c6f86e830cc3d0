//! Jobs that belong together: batches and chains.

use crate::stage::{Alive, Does, Forgotten, MINUTE, Plain, Slow, Task, Theatre};
use sarsen::error::Kind;
use sarsen::jobs::{Options, State};

fn tasks(names: &[&str]) -> Vec<Task<Plain>> {
    names.iter().map(|name| Task::new(*name, Does::Nothing)).collect()
}

fn completion() -> Task<Plain> {
    Task::new("completion", Does::Nothing)
}

pub(crate) async fn the_completion_runs_when_all_have_ended() {
    let theatre = Theatre::open().await;
    let dies = Does::fault("invalid", 9);
    let later = Does::Fail { kind: "unavailable".to_owned(), times: 1, wait: 60 };
    let members = vec![
        Task::<Slow>::new("goes well", Does::Nothing),
        Task::new("dies", dies),
        Task::new("goes well later", later),
    ];
    theatre.jobs().batch(theatre.db(), members, completion()).await.unwrap();
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.discarded, ran.failed), (1, 1, 1));
    assert_eq!(theatre.seen.times("completion"), 0);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.begun().last().unwrap(), "completion");
}

pub(crate) async fn an_empty_batch_is_complete_at_once() {
    let theatre = Theatre::open().await;
    theatre.jobs().batch(theatre.db(), tasks(&[]), completion()).await.unwrap();
    assert_eq!(theatre.run().await.completed, 1);
    assert_eq!(theatre.seen.begun(), ["completion"]);
}

pub(crate) async fn a_batch_counts_only_what_was_taken() {
    let theatre = Theatre::open().await;
    theatre.put::<Alive>("same", Does::Nothing).await;
    let members = |names: &[&str]| names.iter().map(|name| Task::<Alive>::new(*name, Does::Nothing)).collect();
    theatre.jobs().batch(theatre.db(), members(&["same", "other", "other"]), completion()).await.unwrap();
    assert_eq!(theatre.run().await.completed, 3);
    theatre.put::<Alive>("same", Does::Nothing).await;
    theatre.jobs().batch(theatre.db(), members(&["same"]), completion()).await.unwrap();
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.times("completion"), 2);
}

pub(crate) async fn a_batch_is_of_its_transaction() {
    let theatre = Theatre::open().await;
    let tx = theatre.db().begin().await.unwrap();
    theatre.jobs().batch(&tx, tasks(&["a"]), completion()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(theatre.run().await.total(), 0);
}

pub(crate) async fn a_large_batch_completes_once_in_several_processes() {
    let theatre = Theatre::open().await;
    let (one, other) = (theatre.worker().await, theatre.worker().await);
    let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let members = names.iter().map(|name| Task::<Plain>::new(name, Does::Nothing)).collect();
    theatre.jobs().batch(theatre.db(), members, completion()).await.unwrap();
    theatre.until_done().await;
    one.stop().await;
    other.stop().await;
    let begun = theatre.seen.begun();
    assert_eq!((begun.len(), begun.last().unwrap().as_str()), (501, "completion"));
    assert_eq!(theatre.count("SELECT MAX(pending) FROM sarsen_job_batches").await, 0);
}

pub(crate) async fn a_chain_runs_link_by_link() {
    let theatre = Theatre::open().await;
    let tx = theatre.db().begin().await.unwrap();
    let put = async |name: &str, options: Options| {
        theatre.jobs().enqueue_with(&tx, Task::<Plain>::new(name, Does::Nothing), options).await.unwrap().id
    };
    let first = put("first", Options::new().delay(MINUTE)).await;
    let second = put("second", Options::new().after(first)).await;
    put("third", Options::new().after(second).priority(1)).await;
    put("third too", Options::new().after(second)).await;
    tx.commit().await.unwrap();
    assert_eq!(theatre.run().await.total(), 0);
    assert_eq!(theatre.state(second).await, State::Waiting);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 4);
    assert_eq!(theatre.seen.begun(), ["first", "second", "third", "third too"]);
}

pub(crate) async fn a_link_waits_until_the_one_before_went_well() {
    let theatre = Theatre::open().await;
    let does = Does::Fail { kind: "unavailable".to_owned(), times: 2, wait: 60 };
    let first = theatre.put::<Slow>("first", does).await;
    let delayed = Options::new().after(first).delay(10 * MINUTE);
    let second = theatre.put_with::<Plain>("second", Does::Nothing, delayed).await.id;
    for _ in 0..2 {
        assert_eq!(theatre.run().await.failed, 1);
        theatre.pass(MINUTE);
    }
    assert_eq!(theatre.state(second).await, State::Waiting);
    assert_eq!(theatre.run().await.completed, 1);
    assert_eq!(theatre.state(second).await, State::Scheduled, "its own time is later");
    theatre.pass(10 * MINUTE);
    assert_eq!(theatre.run().await.completed, 1);
}

pub(crate) async fn what_went_well_before_is_not_waited_for() {
    let theatre = Theatre::open().await;
    let first = theatre.put::<Plain>("first", Does::Nothing).await;
    let forgotten = theatre.put::<Forgotten>("forgotten", Does::Nothing).await;
    theatre.run().await;
    for before in [first, forgotten] {
        theatre.put_with::<Plain>("next", Does::Nothing, Options::new().after(before)).await;
    }
    assert_eq!(theatre.run().await.completed, 2);
}

pub(crate) async fn nothing_waits_for_what_is_dead() {
    let theatre = Theatre::open().await;
    let first = theatre.put::<Plain>("first", Does::fault("invalid", 9)).await;
    let waits = theatre.put_with::<Plain>("waits", Does::Nothing, Options::new().after(first)).await.id;
    assert_eq!(theatre.run().await.discarded, 1);
    assert_eq!(theatre.state(waits).await, State::Waiting, "the dead letter may be tried again");
    let late = Task::<Plain>::new("late", Does::Nothing);
    let error = theatre.jobs().enqueue_with(theatre.db(), late, Options::new().after(first)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    theatre.pass(31 * 24 * 60 * MINUTE);
    let worker = theatre.worker().await;
    theatre.until_done().await;
    assert_eq!(theatre.state(waits).await, State::Cancelled, "the dead letter is no longer kept");
    worker.stop().await;
}

/// Whoever waits for a job that is at work tells the job so, at the very moment in which it may end.
pub(crate) async fn a_link_is_added_while_the_one_before_ends() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let first = theatre.put::<Plain>("first", Does::Wait).await;
    worker.seen.until_begun("first").await;
    let tx = theatre.db().begin().await.unwrap();
    let next = Task::<Plain>::new("next", Does::Nothing);
    theatre.jobs().enqueue_with(&tx, next, Options::new().after(first)).await.unwrap();
    theatre.seen.open();
    worker.seen.until("first", |log| log.ended == 1).await;
    // Long enough for the worker to try to put it away.
    sarsen::clock::pause(std::time::Duration::from_millis(200)).await;
    tx.commit().await.unwrap();
    worker.seen.until_begun("next").await;
    theatre.until_done().await;
    worker.stop().await;
}
