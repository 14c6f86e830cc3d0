//! Short jobs that a worker takes all at once: what becomes of one of them is as if it had been taken alone.

use crate::stage::{Alive, Does, MINUTE, Plain, Process, Task, Theatre};
use sarsen::jobs::{Filter, Options, State};
use uuid::Uuid;

const NAMED: &str = "SELECT COUNT(*) FROM sarsen_job_bundled";
const BUNDLES: &str = "SELECT COUNT(*) FROM sarsen_job_bundles";

/// A worker with one place that knows its jobs to be short, and what it took: the first is at work until it is let go.
async fn with_a_bundle(theatre: &Theatre, first: Does) -> (Process, [Uuid; 3]) {
    let worker = theatre.worker_with(|config| config.jobs.concurrency = 1).await;
    let short = (0..100).map(|n| Task::<Plain>::new(format!("short {n}"), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), short).await.unwrap();
    theatre.until_done().await;
    theatre.until(BUNDLES, 0).await;
    let jobs = [("first", first), ("second", Does::Nothing), ("third", Does::Nothing)];
    let jobs = jobs.into_iter().map(|(name, does)| Task::<Plain>::new(name, does)).collect();
    let taken = theatre.jobs().enqueue_many(theatre.db(), jobs).await.unwrap();
    worker.seen.until_begun("first").await;
    theatre.until(NAMED, 3).await;
    (worker, [taken[0].id, taken[1].id, taken[2].id])
}

async fn listed(theatre: &Theatre, state: State) -> usize {
    let filter = Filter { state: Some(state), ..Filter::default() };
    theatre.jobs().admin().list(&filter).await.unwrap().jobs.len()
}

pub(crate) async fn many_sorts_are_taken_together_and_done_once() {
    let theatre = Theatre::open().await;
    let workers = [theatre.worker().await, theatre.worker().await];
    for round in 0..20 {
        let plain = (0..50).map(|n| Task::<Plain>::new(format!("plain {round} {n}"), Does::Nothing)).collect();
        theatre.jobs().enqueue_many(theatre.db(), plain).await.unwrap();
        let tx = theatre.db().begin().await.unwrap();
        let members = (0..5).map(|n| Task::<Plain>::new(format!("member {round} {n}"), Does::Nothing)).collect();
        let then = Task::<Plain>::new(format!("then {round}"), Does::Nothing);
        theatre.jobs().batch(&tx, members, then).await.unwrap();
        tx.commit().await.unwrap();
        theatre.put::<Alive>(&format!("alone {round}"), Does::Nothing).await;
        theatre.put::<Plain>(&format!("failing {round}"), Does::fault("invalid", 1)).await;
    }
    theatre.until_done().await;
    for worker in workers {
        worker.stop().await;
    }
    let log = theatre.seen.log();
    assert_eq!((log.begun.len(), log.ended), (20 * 58, 20 * 58));
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE attempt = 1").await, 20 * 58);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 2").await, 20);
    assert_eq!(theatre.count(BUNDLES).await, 0, "nothing is left of the bundles");
}

pub(crate) async fn its_jobs_are_seen_at_work() {
    let theatre = Theatre::open().await;
    let (worker, jobs) = with_a_bundle(&theatre, Does::Wait).await;
    for job in jobs {
        let known = theatre.known(job).await;
        assert_eq!((known.state, known.attempt), (State::Running, 1));
        let detail = theatre.jobs().admin().show(job).await.unwrap().unwrap();
        assert!(detail.worker.is_some() && detail.job.started_at.is_some());
    }
    assert_eq!((listed(&theatre, State::Running).await, listed(&theatre, State::Available).await), (3, 0));
    let queues = theatre.jobs().admin().queues().await.unwrap();
    let queue = queues.iter().find(|queue| queue.name == "default").unwrap();
    assert_eq!((queue.running.count, queue.available.count), (3, 0));
    theatre.seen.open();
    theatre.until_done().await;
    theatre.until(BUNDLES, 0).await;
    worker.stop().await;
}

pub(crate) async fn one_of_its_jobs_is_told_to_stop() {
    let theatre = Theatre::open().await;
    let (worker, [first, second, third]) = with_a_bundle(&theatre, Does::Heed).await;
    let edited = theatre.jobs().admin().discard(second).await.unwrap_err();
    assert_eq!(edited.kind(), sarsen::error::Kind::Conflict, "it is at work: {edited}");
    assert!(theatre.jobs().cancel(first).await.unwrap());
    theatre.until_done().await;
    let states = [theatre.state(first).await, theatre.state(second).await, theatre.state(third).await];
    assert_eq!(states, [State::Cancelled, State::Completed, State::Completed]);
    theatre.until(BUNDLES, 0).await;
    worker.stop().await;
}

pub(crate) async fn what_comes_to_wait_for_one_of_its_jobs_runs() {
    let theatre = Theatre::open().await;
    let (worker, [_, second, third]) = with_a_bundle(&theatre, Does::Wait).await;
    let after = |before| Options::new().after(before);
    let one = theatre.put_with::<Plain>("after the second", Does::Nothing, after(second)).await.id;
    let other = theatre.put_with::<Plain>("after the third", Does::Nothing, after(third)).await.id;
    assert_eq!(theatre.state(one).await, State::Waiting);
    theatre.seen.open();
    theatre.until_done().await;
    assert_eq!([theatre.state(one).await, theatre.state(other).await], [State::Completed; 2]);
    theatre.until(BUNDLES, 0).await;
    worker.stop().await;
}

pub(crate) async fn the_bundle_of_a_dead_process_is_done_by_others() {
    let theatre = Theatre::open().await;
    let (silent, jobs) = with_a_bundle(&theatre, Does::Wait).await;
    let sql = "UPDATE sarsen_job_bundles SET worker = ?";
    theatre.db().query(sql).bind(Uuid::from_u128(7)).execute().await.unwrap();
    let other = theatre.worker().await;
    theatre.until(BUNDLES, 0).await;
    theatre.seen.open();
    theatre.until_done().await;
    for job in jobs {
        let known = theatre.known(job).await;
        assert_eq!((known.state, known.attempt), (State::Completed, 2), "whoever lost it cannot settle it");
    }
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE crashes = 1").await, 3);
    silent.stop().await;
    other.stop().await;
}

pub(crate) async fn what_is_left_of_a_bundle_is_told_apart_after_a_moment() {
    let theatre = Theatre::open().await;
    let (worker, jobs) = with_a_bundle(&theatre, Does::Wait).await;
    theatre.pass(MINUTE);
    theatre.until(BUNDLES, 0).await;
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_jobs WHERE state = 3 AND lease = 1").await, 3);
    theatre.seen.open();
    theatre.until_done().await;
    for job in jobs {
        assert_eq!(theatre.known(job).await.attempt, 1);
    }
    worker.stop().await;
}

pub(crate) async fn who_stops_gives_back_what_is_left_of_a_bundle() {
    let theatre = Theatre::open().await;
    let (worker, jobs) = with_a_bundle(&theatre, Does::Wait).await;
    theatre.seen.open();
    worker.stop().await;
    assert_eq!(theatre.count(BUNDLES).await, 0);
    theatre.run().await;
    for job in jobs {
        let known = theatre.known(job).await;
        assert_eq!((known.state, known.attempt), (State::Completed, 1));
    }
}
