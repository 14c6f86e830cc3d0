//! The order of the jobs of one key.

use crate::stage::{Does, MINUTE, Ordered, Task, Theatre};
use sarsen::jobs::State;
use std::collections::HashMap;

fn tasks(key: &str, count: usize) -> Vec<Task<Ordered>> {
    (0..count).map(|n| Task::of_key(format!("{key} {n}"), key)).collect()
}

/// The numbers of the jobs of each key, as they began.
fn orders(begun: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut orders: HashMap<&str, Vec<usize>> = HashMap::new();
    for (key, number) in begun.iter().filter_map(|name| name.rsplit_once(' ')) {
        orders.entry(key).or_default().push(number.parse().unwrap());
    }
    orders
}

pub(crate) async fn jobs_of_a_key_run_in_their_order_in_all_processes() {
    let theatre = Theatre::open().await;
    let quiet = |config: &mut sarsen::Config| config.jobs.poll = sarsen::config::Span::seconds(600);
    let (one, other) = (theatre.worker_with(quiet).await, theatre.worker_with(quiet).await);
    for key in ["a", "b", "c"] {
        theatre.jobs().enqueue_many(theatre.db(), tasks(key, 40)).await.unwrap();
    }
    theatre.until_done().await;
    one.stop().await;
    other.stop().await;
    let log = theatre.seen.log();
    assert_eq!(log.most_of_key, 1);
    for (key, order) in orders(&log.begun) {
        assert_eq!(order, (0..40).collect::<Vec<_>>(), "{key}");
    }
}

pub(crate) async fn a_failing_job_holds_up_its_key_only() {
    let theatre = Theatre::open().await;
    let does = Does::Fail { kind: "unavailable".to_owned(), times: 1, wait: 60 };
    let head = Task::<Ordered>::of_key("a 0", "a").doing(does);
    let head = theatre.jobs().enqueue(theatre.db(), head).await.unwrap().id;
    let next = Task::<Ordered>::of_key("a 1", "a");
    theatre.jobs().enqueue(theatre.db(), next).await.unwrap();
    theatre.jobs().enqueue_many(theatre.db(), tasks("b", 3)).await.unwrap();
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.failed), (3, 1));
    assert_eq!(theatre.state(head).await, State::Retryable);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.attempts_of("a"), ["a 0 1", "a 0 2", "a 1 1"]);
}

pub(crate) async fn a_dead_letter_lets_the_next_of_its_key_run() {
    let theatre = Theatre::open().await;
    let head = Task::<Ordered>::of_key("a 0", "a").doing(Does::fault("invalid", 9));
    theatre.jobs().enqueue(theatre.db(), head).await.unwrap();
    theatre.jobs().enqueue(theatre.db(), Task::<Ordered>::of_key("a 1", "a")).await.unwrap();
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.discarded), (1, 1));
}

pub(crate) async fn a_delayed_job_keeps_its_place() {
    let theatre = Theatre::open().await;
    let later = sarsen::jobs::Options::new().delay(MINUTE);
    let head = Task::<Ordered>::of_key("a 0", "a");
    theatre.jobs().enqueue_with(theatre.db(), head, later).await.unwrap();
    let urgent = sarsen::jobs::Options::new().priority(1);
    theatre.jobs().enqueue_with(theatre.db(), Task::<Ordered>::of_key("a 1", "a"), urgent).await.unwrap();
    assert_eq!(theatre.run().await.total(), 0);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.begun(), ["a 0", "a 1"]);
}

pub(crate) async fn keys_that_are_held_up_do_not_hide_the_others() {
    let theatre = Theatre::open().await;
    let fails = Does::Fail { kind: "unavailable".to_owned(), times: 1, wait: 600 };
    let mut all: Vec<Task<Ordered>> = Vec::new();
    for n in 0..600 {
        let key = format!("{n:03}");
        all.push(Task::of_key(format!("head {n}"), &key).doing(fails.clone()));
        all.push(Task::of_key(format!("held up {n}"), &key));
    }
    theatre.jobs().enqueue_many(theatre.db(), all).await.unwrap();
    assert_eq!(theatre.run().await.failed, 600);
    theatre.jobs().enqueue_many(theatre.db(), tasks("zzz", 3)).await.unwrap();
    assert_eq!(theatre.run().await.completed, 3);
}

/// Jobs of one key take their places as their transactions commit: what one sees, it comes after.
pub(crate) async fn concurrent_transactions_keep_their_order() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let all = futures_util::future::join_all((0..6).map(|writer| {
        let (jobs, db) = (theatre.jobs().clone(), theatre.db().clone());
        sarsen::lifecycle::spawn(async move {
            for n in 0..10 {
                let tx = db.begin().await.unwrap();
                jobs.enqueue(&tx, Task::<Ordered>::of_key(format!("writer {writer} {n}"), "one")).await.unwrap();
                let insert = tx.query("INSERT INTO effects (name) VALUES (?)").bind(format!("writer {writer} {n}"));
                insert.execute().await.unwrap();
                tx.commit().await.unwrap();
            }
        })
    }));
    all.await.into_iter().for_each(|done| done.unwrap());
    theatre.until_done().await;
    worker.stop().await;
    let begun = theatre.seen.begun();
    assert_eq!((begun.len(), theatre.seen.log().most_of_key), (60, 1));
    for (writer, order) in orders(&begun) {
        assert_eq!(order, (0..10).collect::<Vec<_>>(), "{writer}");
    }
}

pub(crate) async fn jobs_from_before_the_queue_kept_an_order_run_too() {
    let theatre = Theatre::open().await;
    theatre.jobs().enqueue_many(theatre.db(), tasks("a", 3)).await.unwrap();
    theatre.execute("UPDATE sarsen_jobs SET seq = 0, job_key = ''").await;
    theatre.jobs().enqueue_many(theatre.db(), tasks("b", 3)).await.unwrap();
    let worker = theatre.worker().await;
    theatre.until_done().await;
    worker.stop().await;
    assert_eq!(theatre.seen.log().begun.len(), 6);
}
