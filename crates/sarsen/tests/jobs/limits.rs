//! Limits that hold for all processes together: how many at once, how many in a time, and whose turn it is.

use crate::stage::{Does, Fair, MINUTE, OneEach, Plain, Rated, RatedEach, Task, Theatre, Two};
use sarsen::config::Span;
use sarsen::jobs::{Job, Options};
use std::collections::BTreeSet;
use std::time::Duration;

/// Nothing is found by looking again: only what is told counts.
fn told_only(config: &mut sarsen::Config) {
    config.jobs.poll = Span::seconds(600);
}

async fn enqueue<J: Job>(theatre: &Theatre, jobs: impl IntoIterator<Item = J>) {
    theatre.jobs().enqueue_many(theatre.db(), jobs.into_iter().collect()).await.unwrap();
}

pub(crate) async fn a_queue_has_a_limit_in_all_processes() {
    let theatre = Theatre::open().await;
    enqueue(&theatre, (0..6).map(|n| Task::<Two>::new(n.to_string(), Does::Wait))).await;
    let (one, other) = (theatre.worker_with(told_only).await, theatre.worker_with(told_only).await);
    theatre.seen.until("two at work", |log| log.at_work == 2).await;
    theatre.put::<Plain>("of another queue", Does::Nothing).await;
    theatre.seen.until_begun("of another queue").await;
    theatre.seen.open();
    theatre.until_done().await;
    let log = theatre.seen.log();
    assert_eq!((log.begun.len(), log.most <= 3), (7, true), "{log:?}");
    enqueue(&theatre, (0..300).map(|n| Task::<Two>::new(n.to_string(), Does::Nothing))).await;
    theatre.until_done().await;
    one.stop().await;
    other.stop().await;
    assert!(theatre.seen.log().most <= 3, "two, and the one of another queue");
}

pub(crate) async fn a_failed_job_makes_room_too() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker_with(told_only).await;
    enqueue(&theatre, (0..20).map(|n| Task::<Two>::new(n.to_string(), Does::fault("invalid", 9)))).await;
    let twice = (0..20).map(|n| Task::<Two>::new(format!("later {n}"), Does::fail(9)));
    enqueue(&theatre, twice).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs WHERE state <> 2", 0).await;
    assert_eq!(worker.seen.log().begun.len(), 40);
    worker.stop().await;
}

pub(crate) async fn a_key_has_a_limit_in_all_processes() {
    let theatre = Theatre::open().await;
    let tasks = (0..60).map(|n| Task::<OneEach>::of_key(n.to_string(), &format!("key {}", n % 3)));
    enqueue(&theatre, tasks.map(|task| task.doing(Does::Wait))).await;
    let (one, other) = (theatre.worker_with(told_only).await, theatre.worker_with(told_only).await);
    theatre.seen.until("one of each key", |log| log.at_work == 3).await;
    theatre.seen.open();
    theatre.until_done().await;
    one.stop().await;
    other.stop().await;
    let log = theatre.seen.log();
    assert_eq!((log.begun.len(), log.most_of_key), (60, 1));
}

pub(crate) async fn starts_of_a_queue_are_limited_in_time() {
    let theatre = Theatre::open().await;
    enqueue(&theatre, (0..10).map(|n| Task::<Rated>::new(n.to_string(), Does::Nothing))).await;
    assert_eq!(theatre.run().await.completed, 3, "what has gathered");
    theatre.pass(Duration::from_secs(19));
    assert_eq!(theatre.run().await.total(), 0);
    theatre.pass(Duration::from_secs(1));
    assert_eq!(theatre.run().await.completed, 1);
    theatre.pass(60 * MINUTE);
    assert_eq!(theatre.run().await.completed, 3, "no more than three gather");
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 3);
}

pub(crate) async fn starts_of_a_key_are_limited_in_time() {
    let theatre = Theatre::open().await;
    let tasks = (0..10).map(|n| Task::<RatedEach>::of_key(n.to_string(), if n < 7 { "often" } else { "seldom" }));
    enqueue(&theatre, tasks).await;
    assert_eq!(theatre.run().await.completed, 4);
    theatre.pass(Duration::from_secs(30));
    assert_eq!(theatre.run().await.completed, 2);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 2);
}

pub(crate) async fn a_rate_holds_in_all_processes() {
    let theatre = Theatre::open().await;
    let (one, other) = (theatre.worker().await, theatre.worker().await);
    enqueue(&theatre, (0..9).map(|n| Task::<Rated>::new(n.to_string(), Does::Nothing))).await;
    for begun in [3, 6, 9] {
        theatre.seen.until("three more", |log| log.begun.len() >= begun).await;
        theatre.until("SELECT COUNT(*) FROM sarsen_jobs WHERE state <> 0", 0).await;
        assert_eq!(theatre.seen.begun().len(), begun);
        theatre.pass(MINUTE);
    }
    one.stop().await;
    other.stop().await;
}

pub(crate) async fn a_key_with_many_jobs_holds_up_no_other() {
    let theatre = Theatre::open().await;
    enqueue(&theatre, (0..10_000).map(|n| Task::<Fair>::of_key(n.to_string(), "many"))).await;
    enqueue(&theatre, (0..5).map(|n| Task::<Fair>::of_key(format!("few {n}"), "few"))).await;
    let worker = theatre.worker_with(told_only).await;
    let few = |log: &crate::seen::Log| log.begun.iter().filter(|name| name.starts_with("few")).count();
    worker.seen.until("the few", |log| few(log) == 5).await;
    let begun = worker.seen.begun();
    let place = begun.iter().rposition(|name| name.starts_with("few")).unwrap();
    assert!(place < 30, "the last of the few was number {place}");
    worker.seen.until("enough of the many", |log| log.begun.len() > 500).await;
    worker.stop().await;
}

pub(crate) async fn keys_take_turns() {
    let theatre = Theatre::open().await;
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        enqueue(&theatre, (0..30).map(|n| Task::<Fair>::of_key(format!("{key}{n}"), key))).await;
    }
    let worker = theatre.worker_with(|config| config.jobs.concurrency = 4).await;
    worker.seen.until("half of it", |log| log.begun.len() >= 60).await;
    worker.stop().await;
    let begun = &theatre.seen.begun()[..60];
    for key in keys {
        let count = begun.iter().filter(|name| name.starts_with(key)).count();
        assert!((10..=20).contains(&count), "{count} of {key}: {begun:?}");
    }
    let first: BTreeSet<&str> = begun[..8].iter().map(|name| &name[..1]).collect();
    assert_eq!(first.len(), 4, "{begun:?}");
}

pub(crate) async fn jobs_without_a_key_are_served_too() {
    let theatre = Theatre::open().await;
    theatre.put::<Fair>("fair", Does::Nothing).await;
    theatre.put::<OneEach>("one", Does::Nothing).await;
    theatre.put_with::<Plain>("chosen", Does::Nothing, Options::new().queue("one_each")).await;
    assert_eq!(theatre.run().await.completed, 3);
    assert!(theatre.seen.log().keys().iter().all(String::is_empty), "it has no key for its handler");
}
