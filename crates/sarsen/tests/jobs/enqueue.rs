//! Enqueuing: in the caller's transaction, one or many, later, and the urgent first.

use crate::stage::{Does, MINUTE, Plain, Task, Theatre};
use sarsen::error::Kind;
use sarsen::jobs::{Options, State};
use std::time::Duration;

pub(crate) async fn a_job_runs_only_if_its_transaction_committed() {
    let theatre = Theatre::open().await;
    for (name, commit) in [("rolled back", false), ("committed", true)] {
        let tx = theatre.db().begin().await.unwrap();
        tx.query("INSERT INTO effects (name) VALUES (?)").bind(name).execute().await.unwrap();
        theatre.jobs().enqueue(&tx, Task::<Plain>::new(name, Does::Nothing)).await.unwrap();
        let many = (0..3).map(|n| Task::<Plain>::new(format!("{name} {n}"), Does::Nothing)).collect();
        theatre.jobs().enqueue_many(&tx, many).await.unwrap();
        if commit { tx.commit().await.unwrap() } else { tx.rollback().await.unwrap() }
    }
    assert_eq!(theatre.run().await.completed, 4);
    assert_eq!(theatre.seen.begun(), ["committed", "committed 0", "committed 1", "committed 2"]);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM effects").await, 1);
}

pub(crate) async fn many_jobs_are_put_in_at_once() {
    let theatre = Theatre::open_with(|config| config.jobs.max_batch = 2_000).await;
    let tasks = |count: usize| (0..count).map(|n| Task::<Plain>::new(n.to_string(), Does::Nothing)).collect();
    let enqueued = theatre.jobs().enqueue_many(theatre.db(), tasks(2_000)).await.unwrap();
    assert!(enqueued.windows(2).all(|pair| pair[0].id < pair[1].id && !pair[0].duplicate));
    let error = theatre.jobs().enqueue_many(theatre.db(), tasks(2_001)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    assert!(theatre.jobs().enqueue_many(theatre.db(), tasks(0)).await.unwrap().is_empty());
    assert_eq!(theatre.run().await.completed, 2_000);
    assert_eq!(theatre.seen.begun(), (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(crate) async fn what_is_too_large_is_refused() {
    let theatre = Theatre::open_with(|config| config.jobs.max_args = sarsen::config::Size(1_000)).await;
    let large = Task::<Plain>::new("x".repeat(1_000), Does::Nothing);
    let error = theatre.jobs().enqueue(theatre.db(), large).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    let long = Options::new().key("k".repeat(201));
    let task = Task::<Plain>::new("long key", Does::Nothing);
    let error = theatre.jobs().enqueue_with(theatre.db(), task, long).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    assert_eq!(theatre.run().await.total(), 0);
}

pub(crate) async fn a_delayed_job_runs_when_it_is_due() {
    let theatre = Theatre::open().await;
    let at = theatre.clock().now() + 2 * MINUTE;
    let later = theatre.put_with::<Plain>("after a minute", Does::Nothing, Options::new().delay(MINUTE)).await.id;
    theatre.put_with::<Plain>("at a time", Does::Nothing, Options::new().at(at)).await;
    assert_eq!(theatre.run().await.total(), 0);
    assert_eq!(theatre.state(later).await, State::Scheduled);
    theatre.pass(MINUTE - Duration::from_micros(1));
    assert_eq!(theatre.run().await.total(), 0);
    theatre.pass(Duration::from_micros(1));
    assert_eq!(theatre.run().await.completed, 1);
    theatre.pass(MINUTE);
    theatre.run().await;
    assert_eq!(theatre.seen.begun(), ["after a minute", "at a time"]);
}

pub(crate) async fn a_worker_begins_what_comes_due() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    theatre.put_with::<Plain>("due", Does::Nothing, Options::new().delay(MINUTE)).await;
    theatre.put::<Plain>("now", Does::Nothing).await;
    worker.seen.until_begun("now").await;
    theatre.pass(MINUTE);
    worker.seen.until_begun("due").await;
    worker.stop().await;
}

pub(crate) async fn the_urgent_run_first() {
    let theatre = Theatre::open().await;
    for (name, priority) in [("last", 9), ("default", 5), ("first", 1), ("most urgent there is", 0)] {
        theatre.put_with::<Plain>(name, Does::Nothing, Options::new().priority(priority)).await;
    }
    theatre.put::<Plain>("default too", Does::Nothing).await;
    theatre.run().await;
    assert_eq!(theatre.seen.begun(), ["first", "most urgent there is", "default", "default too", "last"]);
}

pub(crate) async fn what_becomes_urgent_overtakes_a_long_queue() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker_with(|config| config.jobs.concurrency = 1).await;
    theatre.put::<Plain>("blocks", Does::Wait).await;
    worker.seen.until_begun("blocks").await;
    let many = (0..2_000).map(|n| Task::<Plain>::new(n.to_string(), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), many).await.unwrap();
    theatre.put_with::<Plain>("urgent", Does::Nothing, Options::new().priority(1)).await;
    // A worker looks from the head of the queue ten times a second; in between it goes on from where it was.
    sarsen::clock::pause(Duration::from_millis(200)).await;
    theatre.seen.open();
    theatre.until_done().await;
    let place = worker.seen.begun().iter().position(|name| name == "urgent").unwrap();
    // Those that were fetched before it came run before it.
    assert!(place <= 300, "it was number {place}");
    worker.stop().await;
}
