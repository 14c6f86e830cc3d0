//! Uniqueness: by arguments or a chosen text, while the first waits, lives, or for a time.

use crate::stage::{Alive, Does, Eager, MINUTE, Task, Theatre, Waiting, Within};
use sarsen::jobs::{Options, State};
use std::collections::HashSet;

pub(crate) async fn the_same_arguments_are_taken_once_while_the_first_lives() {
    let theatre = Theatre::open().await;
    let put = async |name: &str| theatre.put_with::<Alive>(name, Does::Nothing, Options::new()).await;
    let (first, second, other) = (put("same").await, put("same").await, put("other").await);
    assert_eq!((second.id, second.duplicate), (first.id, true));
    assert!(!first.duplicate && !other.duplicate);
    let eager = theatre.put_with::<Eager>("same", Does::Nothing, Options::new()).await;
    let twin = theatre.put_with::<Eager>("same", Does::Nothing, Options::new()).await;
    assert!(!eager.duplicate && !twin.duplicate, "a kind without uniqueness");
    assert_eq!(theatre.run().await.completed, 4);
    assert!(!put("same").await.duplicate, "the first has ended");
}

pub(crate) async fn many_at_once_are_taken_once_each() {
    let theatre = Theatre::open().await;
    let tasks = ["a", "b", "a", "a"].map(|name| Task::<Alive>::new(name, Does::Nothing)).to_vec();
    let enqueued = theatre.jobs().enqueue_many(theatre.db(), tasks).await.unwrap();
    let duplicates: Vec<bool> = enqueued.iter().map(|one| one.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, true]);
    assert_eq!((enqueued[2].id, enqueued[3].id), (enqueued[0].id, enqueued[0].id));
    let again = vec![Task::<Alive>::new("a", Does::Nothing)];
    assert!(theatre.jobs().enqueue_many(theatre.db(), again).await.unwrap()[0].duplicate);
    assert_eq!(theatre.run().await.completed, 2);
}

pub(crate) async fn a_text_may_stand_for_the_arguments() {
    let theatre = Theatre::open().await;
    let by = |text: &str| Options::new().unique_by(text);
    let first = theatre.put_with::<Alive>("one", Does::Nothing, by("user 1")).await;
    let same = theatre.put_with::<Alive>("two", Does::Nothing, by("user 1")).await;
    let other = theatre.put_with::<Alive>("one", Does::Nothing, by("user 2")).await;
    assert_eq!((same.duplicate, same.id, other.duplicate), (true, first.id, false));
}

pub(crate) async fn what_fails_lives_until_it_is_dead() {
    let theatre = Theatre::open().await;
    let put = async || theatre.put_with::<Alive>("fails", Does::fault("unavailable", 1), Options::new()).await;
    let first = put().await;
    assert_eq!(theatre.run().await.failed, 1);
    assert!(put().await.duplicate, "it waits for its next attempt");
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 1);
    assert_eq!(theatre.state(first.id).await, State::Completed);
    let dead = theatre.put_with::<Alive>("dies", Does::fault("invalid", 9), Options::new()).await;
    assert_eq!(theatre.run().await.discarded, 1);
    let next = theatre.put_with::<Alive>("dies", Does::fault("invalid", 9), Options::new()).await;
    assert!(!next.duplicate && next.id != dead.id);
}

pub(crate) async fn once_it_runs_another_may_wait() {
    let theatre = Theatre::open().await;
    let like = || Options::new().unique_by("like");
    let first = theatre.put_with::<Waiting>("first", Does::Again, like()).await;
    assert!(theatre.put_with::<Waiting>("second", Does::Again, like()).await.duplicate);
    assert!(!first.duplicate);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.begun(), ["first", "taken", "first"], "what it enqueued of its like ran after it");
    let worker = theatre.worker().await;
    theatre.put_with::<Waiting>("third", Does::Again, like()).await;
    worker.seen.until("both", |log| log.ended == 3).await;
    // What it enqueued may begin before it has said so.
    assert_eq!((worker.seen.begun()[0].as_str(), worker.seen.times("taken")), ("third", 1));
    worker.stop().await;
    let alive = theatre.put_with::<Alive>("alive", Does::Again, like()).await;
    theatre.run().await;
    assert_eq!(theatre.state(alive.id).await, State::Completed);
    assert_eq!(theatre.seen.times("refused"), 1, "while it lives none of its like is taken");
}

pub(crate) async fn within_a_time_there_is_one_even_if_it_has_ended() {
    let theatre = Theatre::open().await;
    let put = async || theatre.put_with::<Within>("same", Does::Nothing, Options::new()).await;
    let first = put().await;
    assert_eq!(theatre.run().await.completed, 1);
    let second = put().await;
    assert_eq!((second.duplicate, second.id), (true, first.id));
    theatre.pass(MINUTE);
    assert!(!put().await.duplicate);
}

pub(crate) async fn of_concurrent_enqueuers_one_wins() {
    let theatre = Theatre::open().await;
    for round in 0..10 {
        let name = format!("round {round}");
        let all = futures_util::future::join_all((0..8).map(|n| {
            let (jobs, db, name) = (theatre.jobs().clone(), theatre.db().clone(), name.clone());
            sarsen::lifecycle::spawn(async move {
                let task = Task::<Alive>::new(name, Does::Nothing);
                if n % 2 == 0 {
                    return jobs.enqueue(&db, task).await.unwrap();
                }
                let tx = db.begin().await.unwrap();
                let enqueued = jobs.enqueue(&tx, task).await.unwrap();
                tx.commit().await.unwrap();
                enqueued
            })
        }));
        let all: Vec<_> = all.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(all.iter().filter(|one| !one.duplicate).count(), 1);
        assert_eq!(all.iter().map(|one| one.id).collect::<HashSet<_>>().len(), 1, "all are told of the same job");
    }
    assert_eq!(theatre.run().await.completed, 10);
}

pub(crate) async fn enqueuers_of_many_do_not_lock_each_other_out() {
    let theatre = Theatre::open().await;
    let all = futures_util::future::join_all((0..6).map(|n| {
        let (jobs, db) = (theatre.jobs().clone(), theatre.db().clone());
        sarsen::lifecycle::spawn(async move {
            let mut tasks: Vec<_> = (0..60).map(|n| Task::<Alive>::new(n.to_string(), Does::Nothing)).collect();
            if n % 2 == 0 {
                tasks.reverse();
            }
            jobs.enqueue_many(&db, tasks).await.unwrap().iter().filter(|one| !one.duplicate).count()
        })
    }));
    let taken: usize = all.await.into_iter().map(Result::unwrap).sum();
    assert_eq!(taken, 60);
    assert_eq!(theatre.run().await.completed, 60);
}

pub(crate) async fn what_was_rolled_back_makes_room() {
    let theatre = Theatre::open().await;
    let tx = theatre.db().begin().await.unwrap();
    theatre.jobs().enqueue(&tx, Task::<Within>::new("same", Does::Nothing)).await.unwrap();
    tx.rollback().await.unwrap();
    let enqueued = theatre.put_with::<Within>("same", Does::Nothing, Options::new()).await;
    assert!(!enqueued.duplicate);
    assert_eq!(theatre.run().await.completed, 1);
}
