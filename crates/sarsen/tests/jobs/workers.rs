//! Processes that work: several at once, that stop, that die, and that are held to be dead.

use crate::stage::{Does, Eager, Heavy, MINUTE, Plain, Process, Task, Theatre};
use sarsen::config::Span;
use sarsen::jobs::State;
use std::time::Duration;
use uuid::Uuid;

fn told_only(config: &mut sarsen::Config) {
    config.jobs.poll = Span::seconds(600);
}

fn named(count: usize) -> Vec<Task<Plain>> {
    (0..count).map(|n| Task::new(n.to_string(), Does::Nothing)).collect()
}

pub(crate) async fn each_job_is_done_once_by_several_processes() {
    let theatre = Theatre::open().await;
    let workers = [theatre.worker().await, theatre.worker().await, theatre.worker().await];
    for _ in 0..4 {
        theatre.jobs().enqueue_many(theatre.db(), named(500)).await.unwrap();
    }
    theatre.until_done().await;
    for worker in workers {
        worker.stop().await;
    }
    let log = theatre.seen.log();
    assert_eq!((log.begun.len(), log.ended), (2_000, 2_000));
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE attempt = 1").await, 2_000);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_workers").await, 0, "all have signed off");
}

pub(crate) async fn a_job_begins_without_being_looked_for() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker_with(told_only).await;
    for name in ["first", "second", "third"] {
        theatre.put::<Plain>(name, Does::Nothing).await;
        worker.seen.until_begun(name).await;
    }
    let tx = theatre.db().begin().await.unwrap();
    theatre.jobs().enqueue(&tx, Task::<Plain>::new("of a transaction", Does::Nothing)).await.unwrap();
    tx.commit().await.unwrap();
    worker.seen.until_begun("of a transaction").await;
    theatre.put::<Eager>("fails", Does::fail(1)).await;
    worker.seen.until("its second attempt", |log| log.attempts.iter().any(|run| run == "fails 2")).await;
    worker.stop().await;
}

/// A row of a process that is gone, and the jobs that it held.
async fn leave_behind(theatre: &Theatre, host: &str, pid: i64) -> Uuid {
    let dead = theatre.clock().id();
    let sql = "INSERT INTO sarsen_workers (id, host, pid, version, queues, started_at, beat_at) VALUES (?, ?, ?, '', '', 0, 0)";
    theatre.db().query(sql).bind(dead).bind(host).bind(pid).execute().await.unwrap();
    hold(theatre, dead).await;
    dead
}

/// The table says that this process holds all jobs.
async fn hold(theatre: &Theatre, worker: Uuid) {
    let sql = "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = 1, lease = 1, claimed_at = ?";
    let claimed_at = theatre.clock().now() - MINUTE;
    theatre.db().query(sql).bind(worker).bind(claimed_at.as_micros()).execute().await.unwrap();
}

async fn expect_second_attempt(theatre: &Theatre, id: Uuid) {
    theatre.until_done().await;
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Completed, 2));
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE crashes = 1").await, 1);
}

pub(crate) async fn the_jobs_of_a_process_that_died_here_are_done_at_once() {
    let theatre = Theatre::open().await;
    let scout = theatre.worker().await;
    let host: String = theatre.db().query("SELECT host FROM sarsen_workers").scalar().await.unwrap();
    scout.stop().await;
    if host.is_empty() {
        return;
    }
    let id = theatre.put::<Plain>("held", Does::Nothing).await;
    leave_behind(&theatre, &host, i64::from(i32::MAX)).await;
    let worker = theatre.worker_with(|config| config.jobs.dead_after = Span::seconds(600)).await;
    expect_second_attempt(&theatre, id).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_workers", 1).await;
    worker.stop().await;
}

pub(crate) async fn the_jobs_of_a_silent_process_are_done_by_others() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Plain>("held", Does::Nothing).await;
    leave_behind(&theatre, "another machine", 1).await;
    let worker = theatre.worker_with(|config| config.jobs.dead_after = Span::seconds(2)).await;
    expect_second_attempt(&theatre, id).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_workers", 1).await;
    worker.stop().await;
}

pub(crate) async fn the_jobs_of_a_process_that_nobody_knows_are_done() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Plain>("held", Does::Nothing).await;
    hold(&theatre, Uuid::from_u128(7)).await;
    let worker = theatre.worker().await;
    expect_second_attempt(&theatre, id).await;
    worker.stop().await;
}

pub(crate) async fn a_claim_whose_answer_was_lost_is_given_back() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    theatre.put::<Plain>("before", Does::Nothing).await;
    theatre.until_done().await;
    let later = sarsen::jobs::Options::new().delay(MINUTE);
    let id = theatre.put_with::<Plain>("lost", Does::Nothing, later).await.id;
    let me: Uuid = theatre.db().query("SELECT id FROM sarsen_workers").scalar().await.unwrap();
    hold(&theatre, me).await;
    theatre.until_done().await;
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Completed, 1), "no attempt is lost");
    worker.stop().await;
}

pub(crate) async fn a_process_that_was_held_to_be_dead_begins_anew() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let id = theatre.put::<Plain>("taken away", Does::Heed).await;
    worker.seen.until_begun("taken away").await;
    theatre.execute("DELETE FROM sarsen_workers").await;
    worker.seen.until("a second run", |log| log.attempts.iter().any(|run| run == "taken away 2")).await;
    theatre.put::<Plain>("next", Does::Nothing).await;
    theatre.until_done().await;
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Completed, 2));
    theatre.until("SELECT COUNT(*) FROM sarsen_workers", 1).await;
    worker.stop().await;
}

/// A worker whose two places are taken by jobs that wait, and that has fetched more.
async fn with_work_at_hand(theatre: &Theatre) -> Process {
    let worker = theatre.worker_with(|config| config.jobs.concurrency = 2).await;
    // Once it knows that jobs are short it fetches ahead.
    theatre.jobs().enqueue_many(theatre.db(), named(300)).await.unwrap();
    theatre.until_done().await;
    let waiting = [0, 1].map(|n| Task::<Plain>::new(format!("wait {n}"), Does::Wait));
    let all = waiting.into_iter().chain(named(100)).collect();
    theatre.jobs().enqueue_many(theatre.db(), all).await.unwrap();
    worker.seen.until_begun("wait 1").await;
    worker
}

pub(crate) async fn who_stops_finishes_what_runs_and_gives_back_the_rest() {
    let theatre = Theatre::open().await;
    let worker = with_work_at_hand(&theatre).await;
    let other = theatre.worker_with(told_only).await;
    let stopping = sarsen::lifecycle::spawn(worker.stop());
    other.seen.until("the rest, elsewhere", |log| log.ended == 100).await;
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs", 2).await;
    assert!(!stopping.is_finished(), "it waits for what runs");
    theatre.seen.open();
    stopping.await.unwrap();
    theatre.until_done().await;
    other.stop().await;
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE attempt = 1").await, 402);
    assert!(theatre.seen.log().attempts.iter().all(|run| run.ends_with(" 1")), "nothing ran twice");
}

pub(crate) async fn what_runs_too_long_for_a_stop_is_given_back() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let heeds = theatre.put::<Plain>("heeds", Does::Heed).await;
    let deaf = theatre.put::<Plain>("deaf", Does::Never).await;
    theatre.seen.until("both", |log| log.at_work == 2).await;
    worker.stop_within(Duration::from_millis(50)).await;
    for id in [heeds, deaf] {
        let known = theatre.known(id).await;
        assert_eq!((known.state, known.attempt), (State::Available, 0), "no attempt is lost");
    }
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_workers").await, 0);
}

pub(crate) async fn a_job_that_computes_holds_up_nobody() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    for name in ["one", "two", "three"] {
        theatre.put::<Heavy>(name, Does::Spin).await;
    }
    worker.seen.until("two of them", |log| log.at_work == 2).await;
    let beats: i64 = theatre.count("SELECT beats FROM sarsen_workers").await;
    theatre.jobs().enqueue_many(theatre.db(), named(100)).await.unwrap();
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs", 3).await;
    let late = sarsen::clock::monotonic() + crate::seen::PATIENCE;
    while theatre.count("SELECT beats FROM sarsen_workers").await < beats + 5 {
        assert!(sarsen::clock::monotonic() < late, "it does not beat");
        sarsen::clock::pause(Duration::from_millis(10)).await;
    }
    assert_eq!(worker.seen.times("three"), 0, "no more than two compute at once");
    theatre.seen.open();
    theatre.until_done().await;
    worker.stop().await;
}

pub(crate) async fn a_queue_may_have_fewer_places_in_a_process() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    for n in 0..20 {
        let narrow = sarsen::jobs::Options::new().queue("narrow");
        theatre.put_with::<Plain>(&n.to_string(), Does::Nothing, narrow).await;
    }
    theatre.until_done().await;
    worker.stop().await;
    let log = theatre.seen.log();
    assert_eq!((log.most, log.begun), (1, (0..20).map(|n| n.to_string()).collect()));
}
