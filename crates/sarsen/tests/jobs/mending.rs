//! What an operator does: cancel, pause, and mend dead letters.

use crate::stage::{Alive, Does, MINUTE, Ordered, Plain, Secretive, Short, Slow, Task, Theatre, Two};
use sarsen::error::Kind;
use sarsen::jobs::{Admin, Filter, Options, Standstill, State};
use serde_json::json;
use uuid::Uuid;

fn admin(theatre: &Theatre) -> Admin {
    theatre.jobs().admin()
}

async fn cancelled(theatre: &Theatre, id: Uuid) -> bool {
    theatre.jobs().cancel(id).await.unwrap()
}

pub(crate) async fn what_waits_is_cancelled_at_once() {
    let theatre = Theatre::open().await;
    let available = theatre.put::<Alive>("available", Does::Nothing).await;
    let scheduled = theatre.put_with::<Plain>("scheduled", Does::Nothing, Options::new().delay(MINUTE)).await.id;
    let retryable = theatre.put::<Slow>("retryable", Does::fault("unavailable", 9)).await;
    assert!(cancelled(&theatre, available).await && cancelled(&theatre, scheduled).await);
    assert_eq!(theatre.run().await.failed, 1);
    assert!(cancelled(&theatre, retryable).await);
    theatre.pass(60 * MINUTE);
    assert_eq!(theatre.run().await.total(), 0);
    for id in [available, scheduled, retryable] {
        assert_eq!(theatre.state(id).await, State::Cancelled);
        assert!(!cancelled(&theatre, id).await, "it has ended");
    }
    assert!(!cancelled(&theatre, Uuid::from_u128(1)).await, "nobody knows it");
    let again = theatre.put_with::<Alive>("available", Does::Nothing, Options::new()).await;
    assert!(!again.duplicate, "its like may come again");
}

pub(crate) async fn what_runs_is_told_to_stop() {
    let theatre = Theatre::open().await;
    let worker = theatre.worker().await;
    let heeds = theatre.put::<Slow>("heeds", Does::Heed).await;
    let deaf = theatre.put::<Plain>("deaf", Does::Never).await;
    let well = theatre.put::<Plain>("ends well all the same", Does::Wait).await;
    theatre.seen.until("all", |log| log.at_work == 3).await;
    for id in [heeds, deaf, well] {
        assert!(cancelled(&theatre, id).await);
    }
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs", 2).await;
    assert_eq!(theatre.state(heeds).await, State::Cancelled);
    theatre.seen.open();
    theatre.until_done().await;
    assert_eq!(theatre.state(deaf).await, State::Cancelled, "it is dropped when its grace is over");
    assert_eq!(theatre.state(well).await, State::Completed);
    worker.stop().await;
}

pub(crate) async fn a_cancelled_job_is_not_begun_again_when_its_process_dies() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Plain>("held", Does::Nothing).await;
    let sql = "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = 1, lease = 1, claimed_at = 0";
    theatre.db().query(sql).bind(Uuid::from_u128(7)).execute().await.unwrap();
    assert!(cancelled(&theatre, id).await);
    let worker = theatre.worker().await;
    theatre.until_done().await;
    worker.stop().await;
    assert_eq!(theatre.state(id).await, State::Cancelled);
    assert!(theatre.seen.begun().is_empty());
}

pub(crate) async fn what_waits_for_a_cancelled_job_is_cancelled_too() {
    let theatre = Theatre::open().await;
    let first = theatre.put_with::<Plain>("first", Does::Nothing, Options::new().delay(MINUTE)).await.id;
    let second = theatre.put_with::<Plain>("second", Does::Nothing, Options::new().after(first)).await.id;
    let third = theatre.put_with::<Plain>("third", Does::Nothing, Options::new().after(second)).await.id;
    assert!(cancelled(&theatre, first).await);
    for id in [first, second, third] {
        assert_eq!(theatre.state(id).await, State::Cancelled);
    }
    let members = ["a", "b"].map(|name| Task::<Plain>::new(name, Does::Nothing)).to_vec();
    let completion = Task::<Plain>::new("completion", Does::Nothing);
    theatre.jobs().batch(theatre.db(), members, completion).await.unwrap();
    let sql = "SELECT id FROM sarsen_jobs WHERE batch IS NOT NULL ORDER BY id LIMIT 1";
    let member: Uuid = theatre.db().query(sql).scalar().await.unwrap();
    assert!(cancelled(&theatre, member).await);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.begun(), ["b", "completion"], "a batch is complete without its cancelled jobs");
}

pub(crate) async fn a_paused_queue_stands_still() {
    let theatre = Theatre::open().await;
    admin(&theatre).pause("two").await.unwrap();
    theatre.put::<Two>("paused", Does::Nothing).await;
    theatre.put::<Plain>("other", Does::Nothing).await;
    assert_eq!(theatre.run().await.completed, 1);
    let worker = theatre.worker().await;
    theatre.put::<Plain>("another", Does::Nothing).await;
    worker.seen.until_begun("another").await;
    assert!(admin(&theatre).queues().await.unwrap().iter().any(|queue| queue.name == "two" && queue.paused));
    theatre.until("SELECT COUNT(*) FROM sarsen_jobs", 1).await;
    assert_eq!(theatre.seen.times("paused"), 0);
    admin(&theatre).resume("two").await.unwrap();
    worker.seen.until_begun("paused").await;
    worker.stop().await;
    let error = admin(&theatre).pause("no such queue").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
}

pub(crate) async fn a_dead_letter_is_looked_at_mended_and_tried_again() {
    let theatre = Theatre::open().await;
    let id = theatre.put_with::<Slow>("dies", Does::fault("unavailable", 9), Options::new().attempts(2)).await.id;
    theatre.run().await;
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.discarded, 1);
    let dead = Filter { state: Some(State::Discarded), ..Filter::default() };
    let listed = admin(&theatre).list(&dead).await.unwrap().jobs;
    assert_eq!((listed.len(), listed[0].id, listed[0].attempt), (1, id, 2));
    let shown = admin(&theatre).show(id).await.unwrap().unwrap();
    assert_eq!(shown.arguments.unwrap()["name"], "dies");
    assert_eq!(shown.errors.iter().map(|error| error.attempt).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let error = admin(&theatre).edit(id, &json!({ "nome": "wrong" })).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    admin(&theatre).edit(id, &json!({ "name": "mended" })).await.unwrap();
    admin(&theatre).retry(id).await.unwrap();
    assert_eq!(theatre.run().await.completed, 1);
    assert_eq!(theatre.seen.begun(), ["dies", "dies", "mended"]);
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Completed, 1), "it begins from its first attempt");
    assert_eq!(admin(&theatre).retry(id).await.unwrap_err().kind(), Kind::Conflict);
}

pub(crate) async fn a_dead_letter_is_given_up() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Plain>("dies", Does::fault("invalid", 9)).await;
    let waits = theatre.put_with::<Plain>("waits", Does::Nothing, Options::new().after(id)).await.id;
    assert_eq!(theatre.run().await.discarded, 1);
    admin(&theatre).discard(id).await.unwrap();
    assert!(theatre.jobs().progress_of(id).await.unwrap().is_none());
    assert_eq!(theatre.state(waits).await, State::Cancelled);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_errors").await, 0);
    let live = theatre.put_with::<Plain>("live", Does::Nothing, Options::new().delay(MINUTE)).await.id;
    admin(&theatre).discard(live).await.unwrap();
    assert_eq!(theatre.state(live).await, State::Discarded);
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.total(), 0);
}

pub(crate) async fn many_dead_letters_are_tried_again_at_once() {
    let theatre = Theatre::open().await;
    let dies = |n: usize| Task::<Plain>::new(n.to_string(), Does::Nothing);
    theatre.jobs().enqueue_many(theatre.db(), (0..1_200).map(dies).collect()).await.unwrap();
    theatre.put::<Two>("of another kind", Does::fault("invalid", 9)).await;
    theatre.execute("UPDATE sarsen_jobs SET version = 99 WHERE kind = 'test.plain'").await;
    assert_eq!(theatre.run().await.discarded, 1_201);
    theatre.execute("UPDATE sarsen_job_history SET version = 1").await;
    let plain = Filter { kind: "test.plain".to_owned(), ..Filter::default() };
    assert_eq!(admin(&theatre).retry_dead(&plain).await.unwrap(), 1_200);
    assert_eq!(theatre.run().await.completed, 1_200);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 2").await, 1);
}

pub(crate) async fn what_belongs_to_a_dead_letter_goes_on_when_it_is_tried_again() {
    let theatre = Theatre::open().await;
    let dies = || Does::fault("invalid", 1);
    let first = theatre.put::<Plain>("first", dies()).await;
    theatre.put_with::<Plain>("second", Does::Nothing, Options::new().after(first)).await;
    let members = vec![Task::<Slow>::new("member", dies()), Task::new("slow", Does::fail(1))];
    let completion = Task::<Plain>::new("completion", Does::Nothing);
    theatre.jobs().batch(theatre.db(), members, completion).await.unwrap();
    let ran = theatre.run().await;
    assert_eq!((ran.discarded, ran.failed), (2, 1));
    let dead = Filter { state: Some(State::Discarded), ..Filter::default() };
    for dead in admin(&theatre).list(&dead).await.unwrap().jobs {
        let mut arguments = admin(&theatre).show(dead.id).await.unwrap().unwrap().arguments.unwrap();
        arguments["does"] = json!("Nothing");
        admin(&theatre).edit(dead.id, &arguments).await.unwrap();
        admin(&theatre).retry(dead.id).await.unwrap();
    }
    assert_eq!(theatre.run().await.completed, 3, "the first, the second, and the member");
    assert_eq!(theatre.seen.times("completion"), 0, "one of the batch has not ended");
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.times("completion"), 1);
}

pub(crate) async fn a_mended_job_stays_encrypted_and_in_its_place() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Secretive>("password", Does::fault("invalid", 9)).await;
    assert_eq!(theatre.run().await.discarded, 1);
    admin(&theatre).edit(id, &json!({ "name": "password 2" })).await.unwrap();
    let sql = "SELECT args FROM sarsen_job_history WHERE id = ?";
    let kept: Vec<u8> = theatre.db().query(sql).bind(id).scalar().await.unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains("password"));
    admin(&theatre).retry(id).await.unwrap();
    assert_eq!(theatre.run().await.completed, 1);
    assert_eq!(theatre.seen.begun(), ["password", "password 2"]);
    let head = Task::<Ordered>::of_key("a 0", "a").doing(Does::fault("invalid", 9));
    let head = theatre.jobs().enqueue(theatre.db(), head).await.unwrap().id;
    assert_eq!(theatre.run().await.discarded, 1);
    for n in 1..3 {
        theatre.jobs().enqueue(theatre.db(), Task::<Ordered>::of_key(format!("a {n}"), "a")).await.unwrap();
    }
    admin(&theatre).edit(head, &json!({ "name": "a 0", "key": "a" })).await.unwrap();
    admin(&theatre).retry(head).await.unwrap();
    assert_eq!(theatre.run().await.completed, 3);
    assert_eq!(theatre.seen.attempts_of("a"), ["a 0 1", "a 0 1", "a 1 1", "a 2 1"]);
}

pub(crate) async fn it_is_said_when_nothing_moves() {
    let theatre = Theatre::open().await;
    theatre.put::<Plain>("waits", Does::Nothing).await;
    let stalled = async || sarsen::jobs::stalled(theatre.jobs()).await.unwrap();
    assert!(stalled().await.is_empty());
    theatre.pass(2 * MINUTE);
    let found = stalled().await;
    assert_eq!((found.len(), found[0].why), (1, Standstill::NoWorker), "{found:?}");
    let worker = theatre.worker().await;
    theatre.until_done().await;
    assert!(stalled().await.is_empty());
    worker.stop().await;
    theatre.put_with::<Short>("later", Does::Nothing, Options::new().delay(60 * MINUTE)).await;
    assert!(stalled().await.is_empty(), "what is not due does not wait");
}
